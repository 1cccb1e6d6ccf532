package threading_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/threading"
)

// Each worker has a buffer, which its tasks use one after the other, without a
// lock.
func ExampleState() {
	ctx := context.Background()
	pool := threading.NewPool(threading.Config{
		Workers: 2,
		Init: func(ctx context.Context, worker int) (any, error) {
			return new(bytes.Buffer), nil
		},
	})
	defer pool.Close(ctx)

	greet := braid.Func(func(ctx context.Context, name string) (string, error) {
		buf, ok := threading.State[*bytes.Buffer](ctx)
		if !ok {
			return "", fmt.Errorf("greet needs a pool whose workers have buffers")
		}
		buf.Reset()
		fmt.Fprintf(buf, "Hello, %s!", name)
		return buf.String(), nil
	})
	for _, name := range []string{"Ada", "Grace"} {
		fmt.Println(braid.Submit(ctx, pool, greet, name).Await(ctx))
	}
	// Output:
	// Hello, Ada! <nil>
	// Hello, Grace! <nil>
}
