package threading_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func resize(t *testing.T, p *threading.Pool, n int) {
	t.Helper()
	if err := p.Resize(n); err != nil {
		t.Errorf("Resize(%d) = %v", n, err)
	}
	if got := p.Size(); got != n {
		t.Errorf("Size after Resize(%d) = %d", n, got)
	}
}

func TestGrowRunsQueuedCallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1, Queue: 2})
		release := occupy(t, p, 1)
		gate := make(chan struct{})
		var outcomes []func() error
		for range 4 {
			outcomes = append(outcomes, spawn(bg, p, func(context.Context) error { <-gate; return nil }))
		}
		loaded(t, p, load{running: 1, queued: 2, waiting: 2})
		resize(t, p, 3)
		loaded(t, p, load{running: 3, queued: 2})
		resize(t, p, 9)
		loaded(t, p, load{running: 5})
		close(gate)
		for _, outcome := range outcomes {
			if err := outcome(); err != nil {
				t.Error(err)
			}
		}
		release()
		wide(t, p, 9)
	})
}

func TestGrowResumesTheWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		var event strand.Event
		woken := run(p, event.Wait)
		loaded(t, p, load{lent: 1})
		release := occupy(t, p, 1)
		queued := run(p, nothing)
		event.Set()
		loaded(t, p, load{running: 1, lent: 1, queued: 1})
		resize(t, p, 2)
		succeeded(t, woken)
		succeeded(t, queued)
		release()
	})
}

func TestShrinkLetsTheRunningGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 4})
		var releases []func()
		for range 4 {
			releases = append(releases, occupy(t, p, 1))
		}
		queued := run(p, nothing)
		resize(t, p, 2)
		for i, release := range releases[:2] {
			loaded(t, p, load{running: 4 - i, queued: 1})
			release()
		}
		loaded(t, p, load{running: 2, queued: 1})
		releases[2]()
		succeeded(t, queued)
		releases[3]()
		wide(t, p, 2)
	})
}

func TestShrinkEndsIdleGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		workers := 0
		count := func(n int) func(engine.Event) {
			return func(engine.Event) {
				mu.Lock()
				defer mu.Unlock()
				workers += n
			}
		}
		p := open(t, threading.Config{Workers: 8, Listener: &engine.Listener{
			WorkerStarted: count(1), WorkerStopped: count(-1),
		}})
		idle := func(want int) {
			t.Helper()
			if s := settled(t, p); s.Idle != want {
				t.Errorf("%d goroutines are idle, want %d", s.Idle, want)
			}
		}
		release := occupy(t, p, 8)
		release()
		idle(8)
		resize(t, p, 5)
		idle(5)
		release = occupy(t, p, 2)
		idle(3)
		resize(t, p, 3)
		idle(1)
		resize(t, p, 1)
		idle(0)
		release()
		idle(1)
		mu.Lock()
		defer mu.Unlock()
		if workers != 1 {
			t.Errorf("%d workers have started and not stopped, want 1", workers)
		}
	})
}

func TestResizeToNothing(t *testing.T) {
	p := open(t, threading.Config{Workers: 2})
	for _, n := range []int{0, -1} {
		says(t, p.Resize(n), "it needs at least 1")
	}
	if n := p.Size(); n != 2 {
		t.Errorf("Size = %d, want 2 as before", n)
	}
}

// Scenario 54: the number of slots changes while tasks run, and never more run
// than there ever were slots.
func TestResizeUnderLoad(t *testing.T) {
	p := open(t, threading.Config{Workers: 1, Queue: 4})
	var g gauge
	var submitters sync.WaitGroup
	for range 4 {
		submitters.Go(func() {
			for range 100 {
				f := run(p, func(ctx context.Context) error {
					g.enter()
					g.leave()
					_, err := braid.Go(ctx, p, func(context.Context) (int, error) { return 1, nil }).Await(ctx)
					return err
				})
				succeeded(t, f)
			}
		})
	}
	for i := range 200 {
		resize(t, p, 1+i%3)
	}
	submitters.Wait()
	if g.peak > 3 {
		t.Errorf("%d tasks ran at once, want at most 3", g.peak)
	}
	resize(t, p, 2)
	wide(t, p, 2)
}
