package threading_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func TestQueueIsFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		release := occupy(t, p, 1)
		var d diary
		var want []string
		var fs []*braid.Future[int]
		for i := range 20 {
			name := strconv.Itoa(i)
			f := run(p, func(context.Context) error { d.add(name); return nil })
			if i%5 == 3 {
				f.Cancel(nil)
				continue
			}
			want = append(want, name)
			fs = append(fs, f)
		}
		loaded(t, p, load{running: 1, queued: 16})
		release()
		for _, f := range fs {
			succeeded(t, f)
		}
		d.is(t, want...)
	})
}

func TestQueueCapacity(t *testing.T) {
	for _, c := range []struct{ workers, queue, room int }{
		{1, 3, 3},
		{2, 1, 1},
		{2, 0, 128}, // 64 for each worker
		{2, -1, 0},
		{2, -100, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := open(t, threading.Config{Workers: c.workers, Queue: c.queue, Full: threading.Refuse})
			release := occupy(t, p, c.workers)
			var fs []*braid.Future[int]
			for range c.room {
				fs = append(fs, run(p, nothing))
			}
			loaded(t, p, load{running: c.workers, queued: c.room})
			err := outcomeOf(run(p, nothing))
			isAll(t, err, braid.ErrSaturated, braid.ErrNotStarted)
			loaded(t, p, load{running: c.workers, queued: c.room})
			release()
			for _, f := range fs {
				succeeded(t, f)
			}
			synctest.Wait()
			succeeded(t, run(p, nothing))
		})
	}
}

// A pool that refuses tells so even a task of its own.
func TestRefusesItsOwnTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1, Queue: -1, Full: threading.Refuse})
		f := run(p, func(ctx context.Context) error { return outcomeOf(runWith(ctx, p, nothing)) })
		isAll(t, outcomeOf(f), braid.ErrSaturated)
	})
}

func TestSubmittersAreServedInOrder(t *testing.T) {
	for _, queue := range []int{-1, 1} {
		synctest.Test(t, func(t *testing.T) {
			p := open(t, threading.Config{Workers: 1, Queue: queue})
			release := occupy(t, p, 1)
			var d diary
			want := []string{"queued", "0", "1", "3", "4"}
			if queue > 0 {
				run(p, func(context.Context) error { d.add("queued"); return nil })
			} else {
				want = want[1:]
			}
			var outcomes []func() error
			leave, cancel := context.WithCancelCause(bg)
			for i := range 5 {
				ctx := bg
				if i == 2 {
					ctx = leave
				}
				outcomes = append(outcomes, spawn(ctx, p, func(context.Context) error {
					d.add(strconv.Itoa(i))
					return nil
				}))
				loaded(t, p, load{running: 1, queued: max(queue, 0), waiting: i + 1})
			}
			cancel(errWhy)
			loaded(t, p, load{running: 1, queued: max(queue, 0), waiting: 4})
			isAll(t, outcomes[2](), braid.ErrNotStarted, context.Canceled, errWhy)
			release()
			for i, outcome := range outcomes {
				if err := outcome(); err != nil && i != 2 {
					t.Errorf("call %d failed: %v", i, err)
				}
			}
			synctest.Wait()
			d.is(t, want...)
		})
	}
}

// A call that is cancelled in the queue fails at once, and its place is free at
// once, though the worker is busy.
func TestCancelFreesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1, Queue: 2})
		release := occupy(t, p, 1)
		first, second := run(p, nothing), run(p, nothing)
		third, fourth := spawn(bg, p, nothing), spawn(bg, p, nothing)
		loaded(t, p, load{running: 1, queued: 2, waiting: 2})
		first.Cancel(errWhy)
		isAll(t, outcomeOf(first), braid.ErrNotStarted, context.Canceled, errWhy)
		loaded(t, p, load{running: 1, queued: 2, waiting: 1})
		second.Cancel(nil)
		isAll(t, outcomeOf(second), braid.ErrNotStarted, context.Canceled)
		loaded(t, p, load{running: 1, queued: 2})
		release()
		if err := third(); err != nil {
			t.Error(err)
		}
		if err := fourth(); err != nil {
			t.Error(err)
		}
	})
}

// A submitter's context may end at the moment when its call is admitted: the call
// is either run or refused, and nobody waits for ever.
func TestCancelRacesWithAdmission(t *testing.T) {
	p := open(t, threading.Config{Workers: 1, Queue: -1})
	for range 300 {
		release := occupy(t, p, 1)
		ctx, cancel := context.WithCancel(bg)
		ran := false
		outcome := spawn(ctx, p, func(context.Context) error { ran = true; return nil })
		done := make(chan struct{})
		go func() { cancel(); close(done) }()
		release()
		if err := outcome(); err != nil {
			isAll(t, err, braid.ErrNotStarted, context.Canceled)
			if ran {
				t.Error("the call has run, and says that it was not started")
			}
		} else if !ran {
			t.Error("the call has not run, and says that it succeeded")
		}
		<-done
	}
}

func TestContextDoneBeforeStart(t *testing.T) {
	p := open(t, threading.Config{})
	ctx, cancel := context.WithCancelCause(bg)
	cancel(errWhy)
	isAll(t, outcomeOf(runWith(ctx, p, nothing)), braid.ErrNotStarted, context.Canceled, errWhy)
	if s := p.Statistics(); s.Submitted != 1 || s.Refused != 1 {
		t.Errorf("the statistics are %+v, want one call submitted and refused", s)
	}
}

func TestWithdraw(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 2, Queue: 2})
		if n := p.Withdraw(errWhy); n != 0 {
			t.Errorf("Withdraw of an idle pool = %d, want 0", n)
		}
		var event strand.Event
		parked := run(p, event.Wait)
		loaded(t, p, load{lent: 1})
		release := occupy(t, p, 2)
		outcomes := []func() error{spawn(bg, p, nothing), spawn(bg, p, nothing), spawn(bg, p, nothing)}
		loaded(t, p, load{running: 2, lent: 1, queued: 2, waiting: 1})
		w, ok := engine.As[engine.Withdrawer](p)
		if !ok {
			t.Fatal("the pool is no engine.Withdrawer")
		}
		if n := w.Withdraw(errWhy); n != 3 {
			t.Errorf("Withdraw = %d, want 3", n)
		}
		for _, outcome := range outcomes {
			isAll(t, outcome(), braid.ErrNotStarted, errWhy)
		}
		loaded(t, p, load{running: 2, lent: 1})
		later := run(p, nothing)
		release()
		event.Set()
		succeeded(t, parked)
		succeeded(t, later)
	})
}

func TestWithdrawWithoutReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1, Queue: 1})
		release := occupy(t, p, 1)
		queued, waiting := run(p, nothing), spawn(bg, p, nothing)
		loaded(t, p, load{running: 1, queued: 1, waiting: 1})
		if n := p.Withdraw(nil); n != 2 {
			t.Errorf("Withdraw = %d, want 2", n)
		}
		for _, err := range []error{outcomeOf(queued), waiting()} {
			isAll(t, err, braid.ErrNotStarted, context.Canceled)
			if !engine.Cancelled(err) {
				t.Errorf("the error %v is no cancelling", err)
			}
		}
		release()
	})
}
