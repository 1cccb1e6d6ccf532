package braid_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
)

// TestSharedByCoroutines: what processes share is also for coroutines, which do not hold
// up their loop when they wait, and for coroutines and goroutines at the same time.
func TestSharedByCoroutines(t *testing.T) {
	proctest.Check(t)
	q, err := multiprocessing.NewQueue[int](2)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	m, err := multiprocessing.NewMutex()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const n, each = 3, 50
	sums := make(chan int)
	go func() {
		sum := 0
		for range n * each {
			v, err := q.Get(t.Context())
			if err != nil {
				t.Error(err)
			}
			sum += v
		}
		sums <- sum
	}()
	inside := 0
	err = asyncio.Run(t.Context(), func(ctx context.Context) error {
		var cs []*asyncio.Coroutine
		for range n {
			cs = append(cs, asyncio.Go(ctx, func(ctx context.Context) error {
				for i := range each {
					if err := m.Lock(ctx); err != nil {
						return err
					}
					if inside++; inside != 1 {
						return fmt.Errorf("%d coroutines hold the mutex", inside)
					}
					if err := strand.Yield(ctx); err != nil {
						return err
					}
					inside--
					m.Unlock()
					if err := q.Put(ctx, i); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		for _, c := range cs {
			if err := c.Join(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-sums; got != n*each*(each-1)/2 {
		t.Errorf("the sum is %d", got)
	}
}
