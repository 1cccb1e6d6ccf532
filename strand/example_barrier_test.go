package strand_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-braid/braid/strand"
)

// Three strands compute a step each and wait for one another; the one that comes
// last adds up the step.
func ExampleBarrier() {
	ctx := context.Background()
	cells := []int{1, 2, 3}
	next := make([]int, len(cells))
	barrier := strand.NewBarrier(len(cells), func(context.Context) error {
		copy(cells, next)
		fmt.Println(cells)
		return nil
	})

	var strands sync.WaitGroup
	for i := range cells {
		strands.Go(func() {
			for range 3 {
				next[i] = cells[i] + cells[(i+1)%len(cells)]
				if _, err := barrier.Wait(ctx); err != nil {
					return // another one has failed: nobody goes on
				}
			}
		})
	}
	strands.Wait()
	// Output:
	// [3 5 4]
	// [8 9 7]
	// [17 16 15]
}

// A strand that cannot do its part says so, and nobody waits for it.
func ExampleBarrier_Abort() {
	barrier := strand.NewBarrier(2, nil)
	go barrier.Abort()
	_, err := barrier.Wait(context.Background())
	fmt.Println(err)
	fmt.Println(errors.Is(err, strand.ErrBarrierBroken))
	// Output:
	// strand: the barrier is broken: it was aborted
	// true
}
