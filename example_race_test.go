package braid_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-braid/braid"
)

// Race gives the first value that there is, and cancels the others.
func ExampleRace() {
	ctx := context.Background()
	answer, err := braid.Race(ctx,
		fetch(ctx, "from far away", time.Hour),
		fetch(ctx, "from near by", 0),
	)
	fmt.Println(answer, err)
	// Output:
	// from near by <nil>
}

// A failure wins no race; only if all fail does Race.
func ExampleRace_failures() {
	ctx := context.Background()
	broken := func(what string) *braid.Future[string] {
		f := braid.Go(ctx, nil, func(context.Context) (string, error) {
			return "", errors.New(what + " is broken")
		})
		<-f.Done() // one after the other, for the example's sake
		return f
	}
	answer, err := braid.Race(ctx, broken("this one"), fetch(ctx, "that one works", 0))
	fmt.Println(answer, err)

	_, err = braid.Race(ctx, broken("this one"), broken("that one"))
	fmt.Println(err)
	// Output:
	// that one works <nil>
	// braid: on goroutines: this one is broken
	// braid: on goroutines: that one is broken
}
