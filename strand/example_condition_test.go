package strand_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-braid/braid/strand"
)

// Strands wait until a stock is large enough for what each of them wants.
func ExampleCondition() {
	ctx := context.Background()
	var stock strand.Condition // its lock protects apples
	apples := 0

	take := func(n int) error {
		if err := stock.Lock(ctx); err != nil {
			return err
		}
		defer stock.Unlock(ctx)
		if err := stock.WaitFor(ctx, func() bool { return apples >= n }); err != nil {
			return err // ctx is done; we hold the lock, but there are too few apples
		}
		apples -= n
		return nil
	}

	var strands sync.WaitGroup
	for n := range 4 {
		strands.Go(func() { _ = take(n) })
	}
	for range 7 {
		_ = stock.Lock(ctx)
		apples++
		stock.NotifyAll() // they want different numbers
		stock.Unlock(ctx)
	}
	strands.Wait()
	fmt.Println(apples, "left")
	// Output:
	// 1 left
}
