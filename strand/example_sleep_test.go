package strand_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-braid/braid/strand"
)

// A sleep ends early when the context does.
func ExampleSleep() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	err := strand.Sleep(ctx, time.Hour)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// true
}

// A loop of computations that asks from time to time whether it is still wanted.
func ExampleYield() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sum := 0
	for i := range 1_000_000 {
		if i%1000 == 0 {
			if err := strand.Yield(ctx); err != nil {
				fmt.Println(err, "at", i)
				break
			}
		}
		sum += i
		if sum > 10_000_000 {
			cancel()
		}
	}
	// Output:
	// context canceled at 5000
}

// A goroutine that a task starts with a bare go statement is a strand of its own
// and gets a context that says so.
func ExampleDetach() {
	task := func(ctx context.Context) string {
		var arrived strand.Event
		ctx2 := strand.Detach(ctx)
		go func() {
			_ = strand.Sleep(ctx2, time.Millisecond) // parks this goroutine, not the task
			arrived.Set()
		}()
		if err := arrived.Wait(ctx); err != nil {
			return err.Error()
		}
		return "arrived"
	}
	fmt.Println(task(context.Background()))
	// Output:
	// arrived
}
