package lane_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/lane"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// Calls go on in the order of their arrival, in front of an engine that keeps it.
func TestFirstInFirstOut(t *testing.T) {
	for name, workers := range map[string]int{"free": 4, "full": 1} {
		t.Run(name, func(t *testing.T) {
			p := pool(t, threading.Config{Workers: workers, Queue: -1})
			l := open(t, p, lane.Config{Limit: 1})
			release := occupy(t, l, 1)
			var d diary[int]
			var fs []*braid.Future[int]
			var want []int
			for i := range 50 {
				want = append(want, i)
				fs = append(fs, run(l, func(context.Context) error { d.add(i); return nil }))
			}
			release()
			for _, f := range fs {
				succeeded(t, f)
			}
			d.is(t, want...)
		})
	}
}

// A lane has its limit, however many workers there are, and leaves the others to others.
func TestLanesShareWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool(t, threading.Config{Workers: 5})
		a, b := open(t, p, lane.Config{Limit: 2}), open(t, p, lane.Config{Limit: 2})
		gate := make(chan struct{})
		hold := func(context.Context) error { <-gate; return nil }
		var fs []*braid.Future[int]
		for range 4 {
			fs = append(fs, run(a, hold), run(b, hold))
		}
		loaded(t, a, load{running: 2, queued: 2})
		loaded(t, b, load{running: 2, queued: 2})
		succeeded(t, run(p, nothing)) // the fifth worker
		synctest.Wait()               // it looks for more
		if s := p.Statistics(); s.Running != 4 || s.Queued != 0 {
			t.Errorf("the pool has %+v", s)
		}
		close(gate)
		for _, f := range fs {
			succeeded(t, f)
		}
	})
}

func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Limit: 1, Queue: 1})
		release := occupy(t, l, 1)
		queued := run(l, nothing)
		first, second := spawn(bg, l, nothing), spawn(bg, l, nothing)
		loaded(t, l, load{running: 1, queued: 1, waiting: 2})
		release()
		succeeded(t, queued)
		for _, outcome := range []func() error{first, second} {
			if err := outcome(); err != nil {
				t.Error(err)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Limit: 1, Queue: 1, Full: lane.Refuse})
		release := occupy(t, l, 1)
		queued := run(l, nothing)
		isAll(t, outcomeOf(run(l, nothing)), engine.ErrSaturated, engine.ErrNotStarted)
		loaded(t, l, load{running: 1, queued: 1})
		release()
		succeeded(t, queued)
	})
}

// Who hears that a call is complete finds its place free.
func TestPlaceIsFreeBeforeTheOutcome(t *testing.T) {
	for name, inner := range engines {
		t.Run(name, func(t *testing.T) {
			l := open(t, inner(t), lane.Config{Limit: 1, Queue: -1, Full: lane.Refuse})
			for range 1000 {
				if err := outcomeOf(run(l, nothing)); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// However a call comes to its end, its place is free.
func TestPlaceComesBack(t *testing.T) {
	p := pool(t, threading.Config{Workers: 1, Queue: -1, Full: threading.Refuse})
	l := open(t, p, lane.Config{Limit: 1, Queue: -1, Full: lane.Refuse})
	release := occupy(t, p, 1)
	isAll(t, outcomeOf(run(l, nothing)), engine.ErrSaturated, engine.ErrNotStarted) // by the pool
	release()
	ctx, cancel := context.WithCancel(bg)
	cancel()
	isAll(t, outcomeOf(runWith(ctx, l, nothing)), context.Canceled, engine.ErrNotStarted)
	isAll(t, outcomeOf(run(l, func(context.Context) error { return errWhy })), errWhy)
	if _, ok := errors.AsType[*engine.PanicError](outcomeOf(run(l, func(context.Context) error { panic(1) }))); !ok {
		t.Error("the panic is gone")
	}
	succeeded(t, run(l, nothing))
	s := l.Statistics()
	if s.Submitted != 5 || s.Refused != 2 || s.Completed != 3 {
		t.Errorf("the lane has counted %+v", s)
	}
}

func TestCancelInQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Limit: 1, Queue: 2})
		release := occupy(t, l, 1)
		ctx, cancel := context.WithCancelCause(bg)
		f := runWith(ctx, l, nothing)
		other := run(l, nothing)
		putter := spawn(ctx, l, nothing)
		loaded(t, l, load{running: 1, queued: 2, waiting: 1})
		cancel(errWhy)
		isAll(t, outcomeOf(f), errWhy, context.Canceled, engine.ErrNotStarted)
		isAll(t, putter(), errWhy, context.Canceled, engine.ErrNotStarted)
		loaded(t, l, load{running: 1, queued: 1})
		release()
		succeeded(t, other)
	})
}

// A call that has its place, and waits for a worker of the pool, is refused at once too.
func TestCancelBehindTheLane(t *testing.T) {
	for name, queue := range map[string]int{"in the queue": 1, "for room": -1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool(t, threading.Config{Workers: 1, Queue: queue})
				l := open(t, p, lane.Config{Limit: 1})
				busy := occupy(t, p, 1)
				ctx, cancel := context.WithCancelCause(bg)
				outcome := spawn(ctx, l, nothing)
				loaded(t, l, load{running: 1})
				next := spawn(bg, l, nothing)
				loaded(t, l, load{running: 1, queued: 1})
				cancel(errWhy)
				isAll(t, outcome(), errWhy, context.Canceled, engine.ErrNotStarted)
				loaded(t, l, load{running: 1})
				busy()
				if err := next(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// QueueTimeout counts from the submission to the lane, wherever the call waits.
func TestQueueTimeout(t *testing.T) {
	isOver := func(t *testing.T, err error, begin time.Time) {
		t.Helper()
		isAll(t, err, context.DeadlineExceeded, engine.ErrNotStarted)
		isNone(t, err, context.Canceled)
		if te, ok := errors.AsType[*engine.TimeoutError](err); !ok || te.Phase != engine.PhaseQueue || te.Limit != time.Minute {
			t.Errorf("the error is %v, and does not say that the queue was too long", err)
		}
		if d := time.Since(begin); d != time.Minute {
			t.Errorf("the call was refused after %v, want a minute", d)
		}
	}
	limit := braid.QueueTimeout(time.Minute)
	t.Run("in the lane", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := open(t, nil, lane.Config{Limit: 1})
			release := occupy(t, l, 1)
			begin := time.Now()
			isOver(t, outcomeOf(run(l, nothing, limit)), begin)
			release()
		})
	})
	t.Run("for room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := open(t, nil, lane.Config{Limit: 1, Queue: -1})
			release := occupy(t, l, 1)
			begin := time.Now()
			isOver(t, spawn(bg, l, nothing, limit)(), begin)
			release()
		})
	})
	t.Run("half in the lane, half in the pool", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := pool(t, threading.Config{Workers: 2})
			inner := open(t, p, lane.Config{Limit: 2})
			l := open(t, inner, lane.Config{Limit: 1})
			inLane, inPool := occupy(t, l, 1), occupy(t, p, 1)
			begin := time.Now()
			outcome := spawn(bg, l, nothing, limit)
			loaded(t, l, load{running: 1, queued: 1})
			<-time.After(30 * time.Second)
			more := run(p, func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) })
			inLane() // and the worker is taken by the other call
			isOver(t, outcome(), begin)
			inPool()
			succeeded(t, more)
		})
	})
	t.Run("not while it runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := open(t, nil, lane.Config{Limit: 1})
			release := occupy(t, l, 1)
			f := run(l, func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) }, limit)
			<-time.After(30 * time.Second)
			release()
			succeeded(t, f)
		})
	})
}

// Attempts come to the lane anew: between two, the call has no place.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool(t, threading.Config{Workers: 4})
		l := open(t, p, lane.Config{Limit: 1})
		var tries atomic.Int32
		f := run(l, func(context.Context) error {
			if tries.Add(1) < 3 {
				return errWhy
			}
			return nil
		}, braid.Retry(2), braid.Backoff(time.Hour, time.Hour))
		loaded(t, l, load{})
		release := occupy(t, l, 1)
		<-time.After(2 * time.Hour)
		loaded(t, l, load{running: 1, queued: 1}) // the second attempt
		if err := l.Drain(canceled()); !errors.Is(err, context.Canceled) {
			t.Errorf("Drain = %v", err)
		}
		release()
		if err := l.Drain(bg); err != nil { // does not wait for the third
			t.Error(err)
		}
		if n := tries.Load(); n != 2 {
			t.Errorf("there were %d attempts", n)
		}
		succeeded(t, f)
		if s := l.Statistics(); s.Submitted != 4 || s.Completed != 4 {
			t.Errorf("the lane has counted %+v", s)
		}
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	return ctx
}

// Withdraw finds the calls of the lane wherever they wait, and touches no other.
func TestWithdraw(t *testing.T) {
	for name, why := range map[string]error{"why": errWhy, "nil": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pool(t, threading.Config{Workers: 2, Queue: 1})
				inner := open(t, p, lane.Config{Limit: 4})
				l := open(t, inner, lane.Config{Limit: 3, Queue: 1})
				release := occupy(t, l, 1)
				busy := occupy(t, p, 1)
				outcomes := []func() error{spawn(bg, l, nothing)} // in the pool's queue
				loaded(t, l, load{running: 2})
				outcomes = append(outcomes, spawn(bg, l, nothing)) // waits for room in it
				loaded(t, l, load{running: 3})
				outcomes = append(outcomes, spawn(bg, l, nothing)) // in the lane's queue
				loaded(t, l, load{running: 3, queued: 1})
				outcomes = append(outcomes, spawn(bg, l, nothing)) // waits for room in that
				loaded(t, l, load{running: 3, queued: 1, waiting: 1})
				other := spawn(bg, p, nothing)
				synctest.Wait()
				if n := l.Withdraw(why); n != 4 {
					t.Errorf("Withdraw = %d, want 4", n)
				}
				want := why
				if why == nil {
					want = context.Canceled
				} else {
					defer func() { isNone(t, outcomes[0](), context.Canceled) }()
				}
				for _, outcome := range outcomes {
					isAll(t, outcome(), want, engine.ErrNotStarted)
				}
				loaded(t, l, load{running: 1})
				busy()
				if err := other(); err != nil {
					t.Errorf("a call that is not the lane's: %v", err)
				}
				release()
				succeeded(t, run(l, nothing))
			})
		})
	}
}

// When the pool is full, the lane waits for room in it, in order, and no goroutine but
// one does.
func TestWaitsForThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool(t, threading.Config{Workers: 1, Queue: -1})
		l := open(t, p, lane.Config{Rate: 1e6, Queue: 2})
		busy := occupy(t, p, 1)
		var d diary[int]
		var outcomes []func() error
		for i := range 6 {
			outcomes = append(outcomes, spawn(bg, l, func(context.Context) error { d.add(i); return nil }))
			<-time.After(time.Second)
		}
		loaded(t, l, load{running: 6}) // without a limit nothing waits in the lane itself
		busy()
		for _, outcome := range outcomes {
			if err := outcome(); err != nil {
				t.Error(err)
			}
		}
		d.is(t, 0, 1, 2, 3, 4, 5)
	})
}
