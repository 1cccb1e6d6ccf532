package threading_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// Scenario 59 (run after shutdown): Close waits for everything that was admitted,
// whatever place it is in.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 1, Queue: 1})
		var event strand.Event
		parked := run(p, event.Wait)
		loaded(t, p, load{lent: 1})
		sleeping := run(p, func(ctx context.Context) error { return strand.Sleep(ctx, time.Second) })
		queued := run(p, func(ctx context.Context) error {
			event.Set()
			return nil
		})
		waiting := spawn(bg, p, nothing)
		loaded(t, p, load{running: 1, lent: 1, queued: 1, waiting: 1})
		begin := time.Now()
		closed := make(chan error, 1)
		go func() { closed <- p.Close(bg) }()
		isAll(t, waiting(), braid.ErrClosed, braid.ErrNotStarted) // at once
		isAll(t, outcomeOf(run(p, nothing)), braid.ErrClosed, braid.ErrNotStarted)
		if d := time.Since(begin); d != 0 {
			t.Errorf("calls were refused after %v, want at once", d)
		}
		loaded(t, p, load{running: 1, lent: 1, queued: 1})
		if err := <-closed; err != nil {
			t.Errorf("Close = %v", err)
		}
		if d := time.Since(begin); d != time.Second {
			t.Errorf("Close took %v, want 1 s, as the tasks did", d)
		}
		for _, f := range []*braid.Future[int]{parked, sleeping, queued} {
			succeeded(t, f)
		}
	})
}

func TestCloseAtItsDeadlineCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 2, Queue: 1})
		var never strand.Event
		lent := run(p, never.Wait)
		synctest.Wait()
		var fs []*braid.Future[int]
		for range 2 {
			fs = append(fs, run(p, func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) }))
		}
		queued := run(p, nothing)
		loaded(t, p, load{running: 2, lent: 1, queued: 1})
		begin := time.Now()
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		err := p.Close(ctx)
		isAll(t, err, context.DeadlineExceeded)
		says(t, err, "closing the pool cancelled 4 calls: context deadline exceeded")
		if d := time.Since(begin); d != time.Second {
			t.Errorf("Close took %v, want 1 s: all tasks listen", d)
		}
		for _, f := range append(fs, lent) {
			isAll(t, outcomeOf(f), context.Canceled, braid.ErrClosed)
			isNone(t, outcomeOf(f), braid.ErrNotStarted)
		}
		isAll(t, outcomeOf(queued), braid.ErrNotStarted, braid.ErrClosed)
		loaded(t, p, load{})
		if err := p.Close(ctx); err != nil {
			t.Errorf("Close of a closed pool, with a context that is done, = %v", err)
		}
	})
}

func TestCloseGivesUpOnTheDeaf(t *testing.T) {
	for _, c := range []struct{ grace, want time.Duration }{
		{0, 5 * time.Second},
		{time.Minute, time.Minute},
		{-1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := threading.NewPool(threading.Config{Workers: 2, Grace: c.grace})
			release := occupy(t, p, 1) // does not listen
			listens := run(p, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			synctest.Wait()
			begin := time.Now()
			ctx, cancel := context.WithCancelCause(bg)
			cancel(errWhy)
			err := p.Close(ctx)
			isAll(t, err, context.Canceled, errWhy)
			if c.grace >= 0 {
				says(t, err, "closing the pool cancelled 2 calls, of which 1 still run: ")
			} else {
				says(t, err, "closing the pool cancelled 2 calls, of which ")
			}
			if d := time.Since(begin); d != c.want {
				t.Errorf("with a Grace of %v Close took %v, want %v", c.grace, d, c.want)
			}
			isAll(t, outcomeOf(listens), braid.ErrClosed)
			release()
			if err := p.Close(bg); err != nil { // waits again
				t.Errorf("Close = %v", err)
			}
		})
	}
}

// When there is nothing to cancel a context that is done is no reason to fail.
func TestCloseOfAnIdlePoolWithADoneContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(bg)
		cancel()
		unused := threading.NewPool(threading.Config{Grace: -1})
		if err := unused.Drain(ctx); err != nil {
			t.Errorf("Drain = %v", err)
		}
		if err := unused.Close(ctx); err != nil {
			t.Errorf("Close = %v", err)
		}
		idle := threading.NewPool(threading.Config{Workers: 4})
		wide(t, idle, 4)
		synctest.Wait()
		if err := idle.Drain(ctx); err != nil {
			t.Errorf("Drain = %v", err)
		}
		if err := idle.Close(ctx); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}

func TestCloseByMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 2})
		release := occupy(t, p, 2)
		queued := run(p, nothing)
		var closers sync.WaitGroup
		for range 5 {
			closers.Go(func() {
				if err := p.Close(bg); err != nil {
					t.Errorf("Close = %v", err)
				}
				if s := p.Statistics(); s.Running+s.Queued > 0 {
					t.Errorf("Close has returned, and there is %+v", s)
				}
			})
		}
		synctest.Wait()
		release()
		closers.Wait()
		succeeded(t, queued)
	})
}

func TestOneCloseCancelsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 1})
		f := run(p, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		patient := make(chan error, 1)
		go func() { patient <- p.Close(bg) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(bg)
		cancel()
		isAll(t, p.Close(ctx), context.Canceled)
		if err := <-patient; err != nil {
			t.Errorf("the other Close = %v", err)
		}
		isAll(t, outcomeOf(f), braid.ErrClosed)
	})
}

func TestCloseAndDrainFromATask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 1})
		other := open(t, threading.Config{Workers: 1})
		succeeded(t, run(p, func(ctx context.Context) error {
			says(t, p.Drain(ctx), "Drain called from a task of the pool")
			if err := other.Drain(ctx); err != nil {
				t.Errorf("Drain of another pool = %v", err)
			}
			says(t, p.Close(ctx), "Close called from a task of the pool")
			return nil
		}))
		isAll(t, outcomeOf(run(p, nothing)), braid.ErrClosed)
		if err := p.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}

// A task that is woken while the pool closes goes on; a task that submits to the
// closing pool is told.
func TestNestedSubmitWhileClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 1})
		var event strand.Event
		f := run(p, func(ctx context.Context) error {
			if err := event.Wait(ctx); err != nil {
				return err
			}
			return outcomeOf(runWith(ctx, p, nothing))
		})
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- p.Close(bg) }()
		synctest.Wait()
		event.Set()
		isAll(t, outcomeOf(f), braid.ErrClosed)
		if err := <-closed; err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}

// Scenario 59 (cancel_futures, hang_gh94440): some calls are cancelled, the pool
// is closed at once, and no call is pending.
func TestCancelRightBeforeClose(t *testing.T) {
	for i := range 50 {
		p := threading.NewPool(threading.Config{Workers: 2, Queue: 20})
		var fs []*braid.Future[int]
		for range 20 {
			fs = append(fs, run(p, strand.Yield))
		}
		for _, f := range fs[i%20:] {
			f.Cancel(nil)
		}
		if i%2 == 0 {
			p.Withdraw(braid.ErrClosed)
		}
		if err := p.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
		for _, f := range fs {
			select {
			case <-f.Done():
			default:
				t.Error("a call is pending though the pool is closed")
			}
			if err := outcomeOf(f); err != nil && !errors.Is(err, context.Canceled) {
				isAll(t, err, braid.ErrClosed)
			}
		}
		balanced(t, p.Statistics())
	}
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1, Queue: 1})
		if err := p.Drain(bg); err != nil {
			t.Errorf("Drain of an idle pool = %v", err)
		}
		var event strand.Event
		parked := run(p, event.Wait)
		loaded(t, p, load{lent: 1})
		release := occupy(t, p, 1)
		queued, waiting := run(p, nothing), spawn(bg, p, nothing)
		loaded(t, p, load{running: 1, lent: 1, queued: 1, waiting: 1})

		ctx, cancel := context.WithTimeoutCause(bg, time.Second, errWhy)
		defer cancel()
		isAll(t, p.Drain(ctx), context.DeadlineExceeded, errWhy)

		drained := make(chan error, 2)
		for range 2 {
			go func() { drained <- p.Drain(bg) }()
		}
		synctest.Wait()
		release()
		synctest.Wait()
		if len(drained) > 0 {
			t.Error("Drain has returned while a task is parked")
		}
		later := run(p, nothing) // a pool that is drained is open
		event.Set()
		for range 2 {
			if err := <-drained; err != nil {
				t.Errorf("Drain = %v", err)
			}
		}
		for _, f := range []*braid.Future[int]{parked, queued, later} {
			succeeded(t, f)
		}
		if err := waiting(); err != nil {
			t.Error(err)
		}
		succeeded(t, run(p, nothing))
	})
}

// A pool leaves no goroutine and no descriptor behind.
func TestCloseLeavesNothing(t *testing.T) {
	proctest.Check(t)
	p := threading.NewPool(threading.Config{Workers: 8})
	wide(t, p, 8)
	isAll(t, outcomeOf(run(p, func(context.Context) error { runtime.Goexit(); return nil })), braid.ErrGoexit)
	if err := p.Close(bg); err != nil {
		t.Errorf("Close = %v", err)
	}
}
