package enginetest

import (
	"context"
	"errors"
	"iter"

	"github.com/go-braid/braid"
)

// The named tasks of the suite: what engines can run that take no closures. They
// are exported to nobody, but a worker process finds them by name.
var (
	double = braid.Define("enginetest.double", func(_ context.Context, n int) (int, error) {
		return 2 * n, nil
	})
	fail = braid.Define("enginetest.fail", func(_ context.Context, text string) (int, error) {
		return 0, errors.New(text)
	})
)

// numbers yields the numbers from 0 to n-1.
func numbers(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}
