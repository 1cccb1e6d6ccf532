package braid_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-braid/braid"
)

// Retry makes failed attempts again, after pauses that grow.
func ExampleRetry() {
	ctx := context.Background()
	attempts := 0
	future := braid.Go(ctx, nil, func(context.Context) (string, error) {
		attempts++
		if attempts < 3 {
			return "", errors.New("the network is down")
		}
		return "connected", nil
	}, braid.Retry(5), braid.Backoff(time.Millisecond, 10*time.Millisecond))

	fmt.Println(future.Await(ctx))
	fmt.Println("attempts:", attempts)
	// Output:
	// connected <nil>
	// attempts: 3
}

// RetryOn says which failures are worth another attempt.
func ExampleRetryOn() {
	ctx := context.Background()
	errBusy := errors.New("busy, come back later")
	errForbidden := errors.New("you may not do that")

	answers := []error{errBusy, errForbidden}
	future := braid.Go(ctx, nil, func(context.Context) (string, error) {
		err := answers[0]
		answers = answers[1:]
		return "", err
	},
		braid.Name("upload"),
		braid.Retry(5),
		braid.Backoff(-1, 0), // no pauses
		braid.RetryOn(func(err error) bool { return errors.Is(err, errBusy) }))

	_, err := future.Await(ctx)
	fmt.Println(err)
	// Output:
	// braid: task upload on goroutines, attempt 2: you may not do that
}
