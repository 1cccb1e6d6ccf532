package strand_test

import (
	"context"
	"fmt"

	"github.com/go-braid/braid/strand"
)

// A producer that is faster than its consumer waits, since the queue is bounded.
// Shutdown tells the consumer that nothing will follow.
func ExampleQueue() {
	ctx := context.Background()
	lines := strand.NewQueue[string](2)

	go func() {
		defer lines.Shutdown()
		for _, line := range []string{"to be", "or not", "to be"} {
			if err := lines.Put(ctx, line); err != nil {
				return
			}
		}
	}()

	for {
		line, err := lines.Get(ctx)
		if err == strand.ErrShutdown {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(line)
	}
	// Output:
	// to be
	// or not
	// to be
}

// ShutdownNow hands back what nobody has taken.
func ExampleQueue_ShutdownNow() {
	q := strand.NewQueue[int](10)
	for i := range 3 {
		if err := q.TryPut(i); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(q.ShutdownNow())
	fmt.Println(q.TryPut(3))
	// Output:
	// [0 1 2]
	// strand: the queue is shut down
}
