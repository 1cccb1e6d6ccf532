package threading_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func TestSizeIsWorkers(t *testing.T) {
	if n, want := open(t, threading.Config{}).Size(), runtime.GOMAXPROCS(0); n != want {
		t.Errorf("Size of the zero Config = %d, want GOMAXPROCS, %d", n, want)
	}
	p := open(t, threading.Config{Workers: 3})
	if n := engine.Size(p); n != 3 || p.Statistics().Workers != 3 {
		t.Errorf("Size = %d, Statistics %+v, want 3", n, p.Statistics())
	}
}

// Scenario 54 (saturation): with more tasks than slots, all slots are used and no
// more. A task that sleeps keeps its slot, so the time tells how many run.
func TestSaturation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 3})
		begin := time.Now()
		var g gauge
		var fs []*braid.Future[int]
		for range 51 {
			fs = append(fs, run(p, func(ctx context.Context) error {
				g.enter()
				defer g.leave()
				return strand.Sleep(ctx, time.Second)
			}))
		}
		loaded(t, p, load{running: 3, queued: 48})
		for _, f := range fs {
			succeeded(t, f)
		}
		if g.peak != 3 {
			t.Errorf("%d tasks ran at once, want 3", g.peak)
		}
		if d := time.Since(begin); d != 17*time.Second {
			t.Errorf("51 tasks of 1 s on 3 workers took %v, want 17 s", d)
		}
	})
}

// Scenario 54 (idle thread reuse): a worker without work is used before another
// one is made.
func TestIdleWorkerIsReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var workers atomic.Int32
		p := open(t, threading.Config{Workers: 4, Listener: &engine.Listener{
			WorkerStarted: func(engine.Event) { workers.Add(1) },
		}})
		for range 10 {
			succeeded(t, run(p, nothing))
			if s := settled(t, p); s.Idle != 1 {
				t.Errorf("%d goroutines are idle, want 1", s.Idle)
			}
		}
		if n := workers.Load(); n != 1 {
			t.Errorf("%d workers were made for jobs one after the other, want 1", n)
		}
	})
}

func TestNoMoreGoroutinesThanSlotsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 2})
		var event strand.Event
		var fs []*braid.Future[int]
		for range 20 {
			fs = append(fs, run(p, event.Wait))
		}
		loaded(t, p, load{lent: 20})
		event.Set()
		for _, f := range fs {
			succeeded(t, f)
		}
		if s := settled(t, p); s.Idle != 2 {
			t.Errorf("%d goroutines are idle, want 2", s.Idle)
		}
	})
}

func TestPanicAndGoexitAtFullWidth(t *testing.T) {
	const workers = 4
	var cleanups atomic.Int32
	p := open(t, threading.Config{
		Workers: workers,
		Init:    func(context.Context, int) (any, error) { return nil, nil },
		Cleanup: func(any) { cleanups.Add(1) },
	})
	for i := range 200 {
		var fs []*braid.Future[int]
		for range workers {
			fs = append(fs, run(p, func(context.Context) error {
				if i%2 == 0 {
					runtime.Goexit()
				}
				panic(errTest)
			}))
		}
		for _, f := range fs {
			err := outcomeOf(f)
			if i%2 == 0 {
				isAll(t, err, braid.ErrGoexit)
			} else {
				isAll(t, err, errTest)
			}
			isNone(t, err, braid.ErrNotStarted)
		}
	}
	wide(t, p, workers)
	// A panic leaves the worker alive, a Goexit ends it: 100 × 4.
	if n := cleanups.Load(); n < 400 || n > 400+workers {
		t.Errorf("%d workers have ended, want the 400 that tasks ended and few more", n)
	}
}

func TestGoexitWhileOthersAreQueuedOrParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		var event strand.Event
		parked := run(p, event.Wait)
		loaded(t, p, load{lent: 1})
		gate := make(chan struct{})
		exit := run(p, func(context.Context) error { <-gate; runtime.Goexit(); return nil })
		queued := run(p, nothing)
		event.Set() // the parked one wants the slot of the one that will exit
		loaded(t, p, load{running: 1, lent: 1, queued: 1})
		close(gate)
		isAll(t, outcomeOf(exit), braid.ErrGoexit)
		succeeded(t, parked)
		succeeded(t, queued)
	})
}

// Scenario 56: calls are submitted while others close the pool.
func TestSubmitRacesWithClose(t *testing.T) {
	for range 100 {
		p := threading.NewPool(threading.Config{Workers: 2, Queue: 1})
		outcomes := make(chan error, 8)
		for range cap(outcomes) {
			go func() { outcomes <- outcomeOf(run(p, nothing)) }()
		}
		if err := p.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
		for range cap(outcomes) {
			if err := <-outcomes; err != nil {
				isAll(t, err, braid.ErrClosed, braid.ErrNotStarted)
			}
		}
		balanced(t, p.Statistics())
	}
}
