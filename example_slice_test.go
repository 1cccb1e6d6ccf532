package braid_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-braid/braid"
)

func ExampleMapSlice() {
	parse := braid.Func(func(_ context.Context, s string) (int, error) { return strconv.Atoi(s) })
	numbers, err := braid.MapSlice(context.Background(), nil, parse, []string{"1", "two", "3", "four"},
		braid.Join(braid.Settle)) // all of them run, whatever fails
	fmt.Println(numbers)
	if failures, ok := err.(interface{ Unwrap() []error }); ok {
		for _, f := range failures.Unwrap() {
			var item *braid.ItemError
			if errors.As(f, &item) {
				fmt.Println(item.Index, item.Err)
			}
		}
	}
	// Output:
	// [1 0 3 0]
	// 1 strconv.Atoi: parsing "two": invalid syntax
	// 3 strconv.Atoi: parsing "four": invalid syntax
}

func ExampleForEach() {
	squares := make([]int, 5)
	err := braid.ForEach(context.Background(), nil, len(squares), func(_ context.Context, i int) error {
		squares[i] = i * i
		return nil
	})
	fmt.Println(squares, err)
	// Output: [0 1 4 9 16] <nil>
}
