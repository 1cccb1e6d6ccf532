package strand_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-braid/braid/strand"
)

// A strand.Mutex may be held while its holder waits for something else: those
// who want it meanwhile park, and can give up.
func ExampleMutex() {
	ctx := context.Background()
	var mu strand.Mutex
	balance := 0

	var strands sync.WaitGroup
	for range 10 {
		strands.Go(func() {
			if err := mu.Lock(ctx); err != nil {
				return // ctx is done, and we do not hold mu
			}
			defer mu.Unlock()
			before := balance
			_ = strand.Yield(ctx) // others run, but none of them gets in here
			balance = before + 10
		})
	}
	strands.Wait()
	fmt.Println(balance)
	// Output:
	// 100
}

func ExampleMutex_Lock_cancelled() {
	var mu strand.Mutex
	mu.TryLock() // somebody holds it and does not let go

	ctx, cancel := context.WithCancelCause(context.Background())
	go cancel(fmt.Errorf("the user went home"))
	fmt.Println(mu.Lock(ctx))
	// Output:
	// context canceled: the user went home
}

// A strand that ends with the mutex in its hands leaves nobody waiting for ever.
func ExampleBrokenError() {
	var mu strand.Mutex
	ctx, self := strand.Enter(context.Background())
	go func() {
		defer self.End() // engines do this for the strands that they start
		_ = mu.Lock(ctx) // and forgets to unlock it
	}()
	for !mu.Statistics().Broken {
		_ = strand.Yield(ctx)
	}
	err := mu.Lock(context.Background())
	var broken *strand.BrokenError
	fmt.Println(errors.As(err, &broken), broken.Lock == &mu, broken.Owner == self)
	// Output:
	// true true true
}
