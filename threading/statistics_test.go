package threading_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// TestStatisticsAddUp brings calls to every place and to every end.
func TestStatisticsAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 2, Queue: 2})
		if s := p.Statistics(); s != (threading.Statistics{Workers: 2}) {
			t.Errorf("a new pool has %+v", s)
		}
		count := func(what string, submitted, refused, completed uint64) {
			t.Helper()
			s := settled(t, p)
			if s.Submitted != submitted || s.Refused != refused || s.Completed != completed {
				t.Errorf("%s: %+v, want %d submitted, %d refused, %d completed", what, s, submitted, refused, completed)
			}
		}
		var event strand.Event
		parked := run(p, event.Wait)
		loaded(t, p, load{lent: 1})
		release := occupy(t, p, 2)
		queued := []*braid.Future[int]{run(p, nothing), run(p, nothing)}
		ctx, cancel := context.WithCancel(bg)
		waiting := []func() error{spawn(ctx, p, nothing), spawn(bg, p, nothing), spawn(bg, p, nothing)}
		loaded(t, p, load{running: 2, lent: 1, queued: 2, waiting: 3})
		count("all are there", 8, 0, 0)
		if s := p.Statistics(); s.Workers != 2 || s.Idle != 0 {
			t.Errorf("the statistics are %+v, want 2 workers, none idle", s)
		}

		cancel()
		isAll(t, waiting[0](), context.Canceled)
		count("cancelled while it waited for room", 8, 1, 0)
		isAll(t, outcomeOf(runWith(ctx, p, nothing)), context.Canceled)
		count("cancelled before", 9, 2, 0)
		queued[0].Cancel(nil)
		isAll(t, outcomeOf(queued[0]), context.Canceled)
		loaded(t, p, load{running: 2, lent: 1, queued: 2, waiting: 1})
		count("cancelled in the queue", 9, 3, 0)
		p.Withdraw(errTest)
		for _, err := range []error{outcomeOf(queued[1]), waiting[1](), waiting[2]()} {
			isAll(t, err, braid.ErrNotStarted, errTest)
		}
		count("withdrawn", 9, 6, 0)
		panics := run(p, func(context.Context) error { panic(1) })
		event.Set()
		release()
		succeeded(t, parked)
		if outcomeOf(panics) == nil {
			t.Error("a panic is no error")
		}
		count("run", 10, 6, 4)
		if s := p.Statistics(); s.Idle != 2 {
			t.Errorf("%d goroutines are idle, want 2", s.Idle)
		}
		if err := p.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
		isAll(t, outcomeOf(run(p, nothing)), braid.ErrClosed)
		count("closed", 11, 7, 4)
	})
}

func TestStatisticsCountAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1, Queue: -1, Full: threading.Refuse})
		release := occupy(t, p, 1)
		f := run(p, nothing, braid.Retry(2), braid.Backoff(-1, 0))
		isAll(t, outcomeOf(f), braid.ErrSaturated)
		release()
		if s := settled(t, p); s.Submitted != 4 || s.Refused != 3 || s.Completed != 1 {
			t.Errorf("the statistics are %+v, want 3 attempts refused and 1 call completed", s)
		}
	})
}
