package threading_test

import (
	"context"
	"fmt"

	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func ExampleGo() {
	ctx := context.Background()
	lines := strand.NewQueue[string](8)
	printer := threading.Go(ctx, "printer", func(ctx context.Context) error {
		for {
			line, err := lines.Get(ctx)
			if err == strand.ErrShutdown {
				return nil
			}
			if err != nil {
				return err
			}
			fmt.Println(line)
		}
	})
	for _, line := range []string{"one", "two"} {
		if err := lines.Put(ctx, line); err != nil {
			fmt.Println(err)
		}
	}
	lines.Shutdown()
	if err := printer.Join(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(printer.Name(), "is alive:", printer.Alive())
	// Output:
	// one
	// two
	// printer is alive: false
}

// What do the threads of a program wait for?
func ExampleThreads() {
	ctx := context.Background()
	var start strand.Event
	for _, name := range []string{"reader", "writer"} {
		threading.Go(ctx, name, start.Wait)
	}
	for start.Statistics().Waiting < 2 {
		if err := strand.Yield(ctx); err != nil {
			fmt.Println(err)
		}
	}
	threads := threading.Threads()
	for _, th := range threads {
		if op, waits := th.Waiting(); waits {
			fmt.Printf("%s: %v for a %T\n", th.Name(), op.Kind, op.Object)
		}
	}
	start.Set()
	for _, th := range threads {
		if err := th.Join(ctx); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(len(threading.Threads()), "threads left")
	// Output:
	// reader: wait for a *strand.Event
	// writer: wait for a *strand.Event
	// 0 threads left
}
