//go:build linux

package multiprocessing_test

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

// shout sends back what it receives, louder, until the other end is closed.
var shout = braid.Define("example.shout", func(ctx context.Context, c *multiprocessing.Conn) (struct{}, error) {
	defer c.Close()
	for {
		text, err := multiprocessing.Recv[string](ctx, c)
		if err == io.EOF {
			return struct{}{}, nil
		}
		if err == nil {
			err = multiprocessing.Send(ctx, c, text+"!")
		}
		if err != nil {
			return struct{}{}, err
		}
	}
})

// A process gets one end of a pipe in its argument. This process closes its own copy of
// that end, and in the end its other one, so that the process sees the end.
func ExampleNewPipe() {
	ctx := context.Background()
	mine, theirs, err := multiprocessing.NewPipe(multiprocessing.PipeConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := multiprocessing.Start(ctx, shout, theirs)
	if err != nil {
		fmt.Println(err)
		return
	}
	theirs.Close()
	for _, text := range []string{"hello", "world"} {
		if err := multiprocessing.Send(ctx, mine, text); err != nil {
			fmt.Println(err)
		}
		fmt.Println(multiprocessing.Recv[string](ctx, mine))
	}
	mine.Close()
	fmt.Println(p.Join(ctx))
	// Output:
	// hello! <nil>
	// world! <nil>
	// <nil>
}

var countBytes = braid.Define("example.countBytes", func(ctx context.Context, f multiprocessing.File) (int64, error) {
	defer f.Close()
	return io.Copy(io.Discard, f)
})

// A process can be given a file that is open, and that it could not open itself.
func ExampleFile() {
	ctx := context.Background()
	f, err := os.CreateTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	os.Remove(f.Name())
	fmt.Fprint(f, "twelve bytes")
	f.Seek(0, io.SeekStart)

	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	fmt.Println(braid.Submit(ctx, pool, countBytes, multiprocessing.File{File: f}).Await(ctx))
	// Output: 12 <nil>
}

// Python's connection.wait is a goroutine for each connection, and a channel.
func ExampleConn() {
	ctx := context.Background()
	type message struct {
		from, text string
		err        error
	}
	messages := make(chan message)
	for _, name := range []string{"one", "two"} {
		mine, theirs, err := multiprocessing.NewPipe(multiprocessing.PipeConfig{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer mine.Close()
		go func() {
			for {
				text, err := multiprocessing.Recv[string](ctx, mine)
				messages <- message{name, text, err}
				if err != nil {
					return
				}
			}
		}()
		go func() {
			_ = multiprocessing.Send(ctx, theirs, "from "+name)
			theirs.Close()
		}()
	}
	got := make(map[string]string)
	for open := 2; open > 0; {
		switch m := <-messages; m.err {
		case nil:
			got[m.from] = m.text
		case io.EOF:
			open--
		default:
			fmt.Println(m.err)
			return
		}
	}
	fmt.Println(got)
	// Output: map[one:from one two:from two]
}
