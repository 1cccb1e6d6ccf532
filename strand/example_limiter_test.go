package strand_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-braid/braid/strand"
)

// Two requests may go out at once, and one every ten milliseconds after that.
func ExampleLimiter() {
	ctx := context.Background()
	limit := strand.NewLimiter(100, time.Second, 2)
	start := strand.Now(ctx)
	for range 4 {
		if err := limit.Wait(ctx, 1); err != nil {
			fmt.Println(err)
			return
		}
		// Send the request.
	}
	fmt.Println("it took at least 20ms:", strand.Now(ctx).Sub(start) >= 20*time.Millisecond)
	// Output:
	// it took at least 20ms: true
}

// Who has a deadline learns at once that it cannot be met.
func ExampleLimiter_Wait_deadline() {
	limit := strand.NewLimiter(1, time.Hour, 1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(limit.Wait(ctx, 1))
	fmt.Println(errors.Is(limit.Wait(ctx, 1), context.DeadlineExceeded), ctx.Err())
	// Output:
	// <nil>
	// true <nil>
}
