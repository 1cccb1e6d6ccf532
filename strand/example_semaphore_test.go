package strand_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-braid/braid/strand"
)

// Copies take memory according to their size, and wait while there is too little
// of it.
func ExampleSemaphore() {
	ctx := context.Background()
	const total = 100
	memory := strand.NewSemaphore(total)

	var mu sync.Mutex
	used, exceeded := 0, false

	var copies sync.WaitGroup
	for _, size := range []int{60, 10, 50, 40, 100, 20} {
		copies.Go(func() {
			if err := memory.Acquire(ctx, size); err != nil {
				return
			}
			defer memory.Release(size)

			mu.Lock()
			used += size
			exceeded = exceeded || used > total
			mu.Unlock()

			_ = strand.Yield(ctx) // copy

			mu.Lock()
			used -= size
			mu.Unlock()
		})
	}
	copies.Wait()
	fmt.Println("too much at once:", exceeded)
	fmt.Println("free:", memory.Statistics().Free)
	// Output:
	// too much at once: false
	// free: 100
}

// A bounded semaphore finds a release too many where it happens.
func ExampleNewBoundedSemaphore() {
	slots := strand.NewBoundedSemaphore(2)
	fmt.Println(slots.TryAcquire(2), slots.TryAcquire(1))
	slots.Release(2)

	defer func() { fmt.Println(recover()) }()
	slots.Release(1)
	// Output:
	// true false
	// strand: cannot release 1 permits: 2 of 2 are free, so fewer are held
}
