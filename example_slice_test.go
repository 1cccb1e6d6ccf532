package braid_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/threading"
)

// MapSlice is for many small items: a pool's workers share them out in chunks, and the
// results are in the places of their inputs.
func ExampleMapSlice() {
	ctx := context.Background()
	pool := threading.NewPool(threading.Config{})
	defer pool.Close(ctx)

	square := braid.Func(func(_ context.Context, n int) (int, error) { return n * n, nil })
	in := make([]int, 1_000_000)
	for i := range in {
		in[i] = i
	}
	out, err := braid.MapSlice(ctx, pool, square, in)
	fmt.Println(len(out), out[999], err)
	// Output:
	// 1000000 998001 <nil>
}

// With Settle all items run. The results of those that succeed are there, and ItemErrors
// lists the failures of the others.
func ExampleMapSlice_settle() {
	parse := braid.Func(func(_ context.Context, s string) (int, error) { return strconv.Atoi(s) }, braid.Name("parse"))

	in := []string{"1", "two", "3", "four"}
	out, err := braid.MapSlice(context.Background(), nil, parse, in, braid.Join(braid.Settle))
	fmt.Println(out)
	for i, err := range braid.ItemErrors(err) {
		fmt.Printf("%q: %v\n", in[i], errors.Is(err, strconv.ErrSyntax))
	}
	// Output:
	// [1 0 3 0]
	// "two": true
	// "four": true
}

// ForEach is a loop whose rounds run at the same time. The first failure ends it.
func ExampleForEach() {
	matrix := [][]float64{{1, 2}, {3, 4}, {5, 6}}
	sums := make([]float64, len(matrix))
	err := braid.ForEach(context.Background(), nil, len(matrix), func(_ context.Context, row int) error {
		for _, v := range matrix[row] {
			sums[row] += v
		}
		return nil
	})
	fmt.Println(sums, err)
	// Output:
	// [3 7 11] <nil>
}

// All errors of an operation: those of Map come with the results.
func ExampleMap_allErrors() {
	parse := braid.Func(func(_ context.Context, s string) (int, error) { return strconv.Atoi(s) })

	words := func(yield func(string) bool) {
		for _, w := range []string{"1", "two", "3", "four"} {
			if !yield(w) {
				return
			}
		}
	}
	var sum int
	var errs []error
	for n, err := range braid.Map(context.Background(), nil, parse, words) {
		sum += n
		if err != nil {
			errs = append(errs, err)
		}
	}
	fmt.Println(sum, len(errs), errors.Is(errors.Join(errs...), strconv.ErrSyntax))
	// Output:
	// 4 2 true
}

// ItemErrors finds the failures in an error that wraps that of MapSlice or ForEach.
func ExampleItemErrors() {
	err := braid.ForEach(context.Background(), nil, 4, func(_ context.Context, i int) error {
		if i%2 == 1 {
			return errors.New("odd")
		}
		return nil
	}, braid.Join(braid.Settle))

	err = fmt.Errorf("the second step: %w", err)
	for i, err := range braid.ItemErrors(err) {
		fmt.Println(i, err)
	}
	// Output:
	// 1 braid: on goroutines: odd
	// 3 braid: on goroutines: odd
}
