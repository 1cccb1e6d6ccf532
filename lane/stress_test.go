package lane_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/lane"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// TestStress has many submit to lanes of one pool, nest, park, cancel, resize, pause
// and withdraw at the same time. Each call comes to its end once, no more run at once
// than may, and afterwards every place is there.
func TestStress(t *testing.T) {
	for name, inner := range map[string]func(t *testing.T) engine.Executor{
		"pool":       func(t *testing.T) engine.Executor { return pool(t, threading.Config{Workers: 4, Queue: 2}) },
		"small pool": func(t *testing.T) engine.Executor { return pool(t, threading.Config{Workers: 1, Queue: -1}) },
		"lane": func(t *testing.T) engine.Executor {
			return open(t, pool(t, threading.Config{Workers: 3}), lane.Config{Limit: 2, Queue: 1})
		},
		"goroutines": func(*testing.T) engine.Executor { return nil },
	} {
		t.Run(name, func(t *testing.T) { stress(t, inner(t)) })
	}
}

func stress(t *testing.T, inner engine.Executor) {
	const most = 3
	lanes := []*lane.Lane{
		open(t, inner, lane.Config{Limit: most, Queue: 3}),
		open(t, inner, lane.Config{Limit: 1, Queue: -1}),
		open(t, inner, lane.Config{Adaptive: &lane.Gradient{Max: most}, Queue: 2}),
		open(t, inner, lane.Config{Rate: 1e6, Burst: 10, Limit: 2, Full: lane.Refuse}),
	}
	running := make([]atomic.Int64, len(lanes))
	var peak, ran, done atomic.Int64
	var body func(ctx context.Context, which, depth int) error
	body = func(ctx context.Context, which, depth int) error {
		ran.Add(1)
		n := running[which].Add(1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		if rand.IntN(4) == 0 {
			runtime.Gosched()
		}
		running[which].Add(-1) // it may park now
		if depth == 0 {
			return nil
		}
		next := rand.IntN(len(lanes))
		f := runWith(ctx, lanes[next], func(ctx context.Context) error { return body(ctx, next, depth-1) })
		_, err := f.Await(ctx)
		if err != nil {
			_, _ = f.Await(context.WithoutCancel(ctx)) // so that its failure is known
		}
		return err
	}
	over := make(chan struct{})
	var disturbing, working sync.WaitGroup
	disturbing.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
			}
			l := lanes[rand.IntN(len(lanes))]
			switch rand.IntN(4) {
			case 0:
				_ = l.Resize(1 + rand.IntN(most))
			case 1:
				l.Pause()
				runtime.Gosched()
				l.Resume()
			case 2:
				l.Withdraw(errWhy)
			case 3:
				balanced(t, l.Statistics())
			}
			runtime.Gosched()
		}
	})
	calls := 400
	if testing.Short() {
		calls /= 10
	}
	for range 4 {
		working.Go(func() {
			for range calls {
				which := rand.IntN(len(lanes))
				ctx, cancel := context.WithCancel(bg)
				f := braid.Go(ctx, lanes[which], func(ctx context.Context) (int, error) {
					return 0, body(ctx, which, 3)
				}, braid.Retry(rand.IntN(2)), braid.Backoff(-1, 0))
				if rand.IntN(3) == 0 {
					cancel()
				}
				err := outcomeOf(f)
				done.Add(1)
				if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errWhy) && !errors.Is(err, engine.ErrSaturated) {
					t.Errorf("a call failed: %v", err)
				}
				cancel()
			}
		})
	}
	working.Wait()
	close(over)
	disturbing.Wait()
	if n := done.Load(); n != int64(4*calls) {
		t.Errorf("%d of %d calls are complete", n, 4*calls)
	}
	if n := peak.Load(); n > most {
		t.Errorf("%d calls of one lane ran at once, want at most %d", n, most)
	}
	for i, l := range lanes {
		if err := l.Drain(bg); err != nil {
			t.Error(err)
		}
		_ = l.Resize(1)
		// Its place is there, and one only.
		var event strand.Event
		first := run(l, func(context.Context) error { return event.Wait(bg) })
		event.Set()
		succeeded(t, first)
		s := l.Statistics()
		balanced(t, s)
		if s.Running+s.Lent+s.Queued+s.Waiting != 0 {
			t.Errorf("lane %d, which is drained, has %+v", i, s)
		}
	}
}
