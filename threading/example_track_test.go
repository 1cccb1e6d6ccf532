package threading_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/threading"
)

// A listener that wants to know how long attempts have waited, but not at once, takes them from
// the tracks of the workers. Of failures, events tell it.
func ExamplePool_tracks() {
	var submitted, succeeded, failed atomic.Int64
	never := func(engine.Event) {} // of threads, only attempts that are not the first, or nested ones
	pool := threading.NewPool(threading.Config{Workers: 2, Listener: &engine.Listener{
		Submitted: never, Started: never,
		Queued: &submitted,
		Track: func(string, int) *engine.Track {
			var t *engine.Track
			t = engine.NewTrack(func() {
				t.Take(func(all []engine.Attempt) {
					for _, a := range all {
						if a.Start >= a.Queued && a.End >= a.Start {
							succeeded.Add(1)
						}
					}
				})
			})
			return t
		},
		Finished: func(e engine.Event) {
			if e.Err != nil {
				failed.Add(1)
			} else {
				succeeded.Add(1)
			}
		},
	}})
	half := braid.Func(func(_ context.Context, n int) (int, error) {
		if n%100 == 99 {
			return 0, fmt.Errorf("%d is odd", n)
		}
		return n / 2, nil
	})
	ctx := context.Background()
	var futures []*braid.Future[int]
	for n := range 1000 {
		futures = append(futures, braid.Submit(ctx, pool, half, n))
	}
	for _, f := range futures {
		_, _ = f.Await(ctx)
	}
	if err := pool.Close(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(submitted.Load(), "submitted,", succeeded.Load(), "succeeded,", failed.Load(), "failed")
	// Output: 1000 submitted, 990 succeeded, 10 failed
}
