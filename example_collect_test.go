package braid_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
)

// fetch stands for something that takes time.
func fetch(ctx context.Context, what string, d time.Duration) *braid.Future[string] {
	return braid.Go(ctx, nil, func(ctx context.Context) (string, error) {
		return what, strand.Sleep(ctx, d)
	})
}

// Gather waits for all and gives their values in order.
func ExampleGather() {
	ctx := context.Background()
	pages, err := braid.Gather(ctx,
		fetch(ctx, "first", 20*time.Millisecond),
		fetch(ctx, "second", 0),
	)
	fmt.Println(pages, err)
	// Output:
	// [first second] <nil>
}

// AsCompleted gives the futures in the order in which they are ready.
func ExampleAsCompleted() {
	ctx := context.Background()
	slow := fetch(ctx, "slow", 300*time.Millisecond)
	fast := fetch(ctx, "fast", 0)
	for f, err := range braid.AsCompleted(ctx, slow, fast) {
		if err != nil { // ctx is done
			fmt.Println(err)
			return
		}
		fmt.Println(f.Await(ctx))
	}
	// Output:
	// fast <nil>
	// slow <nil>
}

// Wait with FirstCompleted tells the futures that are complete from the others,
// which go on.
func ExampleWait() {
	ctx := context.Background()
	slow := fetch(ctx, "slow", time.Hour)
	fast := fetch(ctx, "fast", 0)
	done, pending, err := braid.Wait(ctx, braid.FirstCompleted, slow, fast)
	fmt.Println(len(done), "done,", len(pending), "pending,", err)

	for _, f := range pending {
		f.Cancel(nil)
		_, err := f.Await(ctx)
		fmt.Println(errors.Is(err, context.Canceled))
	}
	// Output:
	// 1 done, 1 pending, <nil>
	// true
}
