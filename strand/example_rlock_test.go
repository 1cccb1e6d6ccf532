package strand_test

import (
	"context"
	"fmt"

	"github.com/go-braid/braid/strand"
)

type account struct {
	mu      strand.RLock
	balance int
}

func (a *account) deposit(ctx context.Context, sum int) error {
	if err := a.mu.Lock(ctx); err != nil {
		return err
	}
	defer a.mu.Unlock(ctx)
	a.balance += sum
	return nil
}

// refund calls deposit with the lock held.
func (a *account) refund(ctx context.Context, sums ...int) error {
	if err := a.mu.Lock(ctx); err != nil {
		return err
	}
	defer a.mu.Unlock(ctx)
	for _, sum := range sums {
		if err := a.deposit(ctx, sum); err != nil {
			return err
		}
	}
	return nil
}

// A strand that holds an RLock can lock it again. The strands that engines start
// have the identity that this needs; a goroutine of one's own gets it from Enter.
func ExampleRLock() {
	ctx, self := strand.Enter(context.Background())
	defer self.End()

	var a account
	fmt.Println(a.refund(ctx, 1, 2, 3), a.balance)
	fmt.Println(a.mu.Lock(context.Background()))
	// Output:
	// <nil> 6
	// strand: the context belongs to no living strand with an identity: give the goroutine one with strand.Enter, or run it on an engine
}
