//go:build unix

package connection_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/multiprocessing/connection"
)

// Programs that are not each other's workers share an address and a key, in a file that
// only they can read, or by whatever way they have.
func ExampleListen() {
	ctx := context.Background()
	key := []byte(rand.Text())
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	address := filepath.Join(dir, "socket")
	l, err := connection.Listen("unix", address, key, connection.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()

	// The other program.
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := connection.Dial(ctx, "unix", address, []byte("a guess"), connection.Config{})
		fmt.Println("a guess is right:", !errors.Is(err, connection.ErrAuth))
		c, err := connection.Dial(ctx, "unix", address, key, connection.Config{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer c.Close()
		_ = multiprocessing.Send(ctx, c, []int{1, 2, 3})
	}()

	c, err := l.Accept(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(multiprocessing.Recv[[]int](ctx, c))
	<-done
	// Output:
	// a guess is right: false
	// [1 2 3] <nil>
}
