package braid_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
)

// Map runs a task for every input, several at a time, and gives the results in
// the order of the inputs.
func ExampleMap() {
	shout := braid.Func(func(_ context.Context, word string) (string, error) {
		return strings.ToUpper(word) + "!", nil
	})

	words := slices.Values([]string{"ready", "steady", "go"})
	for loud, err := range braid.Map(context.Background(), nil, shout, words) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(loud)
	}
	// Output:
	// READY!
	// STEADY!
	// GO!
}

// A failed call is an error at its place, and ends nothing.
func ExampleMap_errors() {
	parse := braid.Func(func(_ context.Context, s string) (int, error) {
		var n int
		if _, err := fmt.Sscan(s, &n); err != nil {
			return 0, fmt.Errorf("%q is no number", s)
		}
		return n, nil
	}, braid.Name("parse"))

	words := slices.Values([]string{"1", "two", "3"})
	for n, err := range braid.Map(context.Background(), nil, parse, words) {
		if err != nil {
			fmt.Println(err)
			continue // the others go on
		}
		fmt.Println(n)
	}
	// Output:
	// 1
	// braid: task parse on goroutines: "two" is no number
	// 3
}

// The input may have no end: Map takes it only as far ahead as Limit says, and
// leaving the loop cancels what is still running.
func ExampleMap_endless() {
	isPrime := braid.Func(func(_ context.Context, n int) (int, error) {
		for d := 2; d*d <= n; d++ {
			if n%d == 0 {
				return 0, nil
			}
		}
		return n, nil
	})

	from2 := func(yield func(int) bool) {
		for n := 2; yield(n); n++ {
		}
	}
	for p, err := range braid.Map(context.Background(), nil, isPrime, from2, braid.Limit(8)) {
		if err != nil || p > 20 {
			break
		}
		if p != 0 {
			fmt.Print(p, " ")
		}
	}
	fmt.Println()
	// Output:
	// 2 3 5 7 11 13 17 19
}

// With Ordered(false) a slow call holds up nobody.
func ExampleOrdered() {
	nap := braid.Func(func(ctx context.Context, d time.Duration) (time.Duration, error) {
		return d, strand.Sleep(ctx, d)
	})

	naps := slices.Values([]time.Duration{300 * time.Millisecond, 0})
	for d, err := range braid.Map(context.Background(), nil, nap, naps, braid.Ordered(false), braid.Limit(2)) {
		fmt.Println(d, err)
	}
	// Output:
	// 0s <nil>
	// 300ms <nil>
}
