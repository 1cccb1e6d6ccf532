package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/strand"
)

func TestRunDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		err := runOn(t, NewGoroutines(nil), Spec{Policy: Policy{Timeout: time.Second}}, func(ctx context.Context) error {
			return strand.Sleep(ctx, time.Hour)
		})
		if d := time.Since(begin); d != time.Second {
			t.Errorf("it took %v, want 1s", d)
		}
		if !errors.Is(err, context.DeadlineExceeded) || Cancelled(err) || errors.Is(err, ErrNotStarted) {
			t.Errorf("the outcome is %v, want a deadline that is over", err)
		}
		if te, ok := errors.AsType[*TimeoutError](err); !ok || *te != (TimeoutError{Limit: time.Second, Phase: PhaseRun}) {
			t.Errorf("the cause is %+v, want the limit of 1s to run", te)
		}
		if _, ok := errors.AsType[*InterruptedError](err); !ok {
			t.Errorf("the outcome %v has no *InterruptedError", err)
		}
	})
}

func TestRunDeadlineLetsSuccessStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := runOn(t, NewGoroutines(nil), Spec{Policy: Policy{Timeout: time.Second}}, func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
		if err != nil {
			t.Errorf("the outcome is %v, want success: the task came to its end all the same", err)
		}
	})
}

func TestForeignDeadlineIsNotOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := runOn(t, NewGoroutines(nil), Spec{Policy: Policy{Timeout: time.Hour}}, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return strand.Sleep(ctx, time.Minute)
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the outcome is %v, want context.DeadlineExceeded", err)
		}
		if _, ok := errors.AsType[*InterruptedError](err); ok {
			t.Errorf("the outcome %v blames the call's context, which is not done", err)
		}
		if _, ok := errors.AsType[*TimeoutError](err); ok {
			t.Errorf("the outcome %v names a limit that was not over", err)
		}
	})
}

func TestQueueDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManual(nil)
		spec := Spec{Policy: Policy{QueueTimeout: time.Second, Timeout: time.Minute}}
		outcome := make(chan error, 1)
		m.Start(context.Background(), NewCall(spec, &body{
			run:  func(context.Context) error { t.Error("the body ran"); return nil },
			done: func(err error) { outcome <- err },
		}))
		s := <-m.starts
		begin := time.Now()
		<-s.ctx.Done()
		if d := time.Since(begin); d != time.Second {
			t.Errorf("the call's context ended after %v, want 1s", d)
		}
		s.c.Refuse(strand.Err(s.ctx)) // as the contract has it
		err := <-outcome
		if !errors.Is(err, ErrNotStarted) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the outcome is %v, want ErrNotStarted and context.DeadlineExceeded", err)
		}
		if te, ok := errors.AsType[*TimeoutError](err); !ok || *te != (TimeoutError{Limit: time.Second, Phase: PhaseQueue}) {
			t.Errorf("the cause is %+v, want the limit of 1s in the queue", te)
		}
		if errors.Is(err, context.Canceled) || Cancelled(err) {
			t.Errorf("the outcome %v says that somebody has cancelled the call", err)
		}
	})
}

func TestQueueDeadlineSeenByRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManual(nil)
		outcome := make(chan error, 1)
		m.Start(context.Background(), NewCall(Spec{Policy: Policy{QueueTimeout: time.Second}}, &body{
			run:  func(context.Context) error { t.Error("the body ran"); return nil },
			done: func(err error) { outcome <- err },
		}))
		s := <-m.starts
		time.Sleep(time.Second) // both are due now: the limit is over for Run, too
		s.c.Run(s.ctx, 1)
		if err := <-outcome; !errors.Is(err, ErrNotStarted) || !errors.Is(err, context.DeadlineExceeded) || Cancelled(err) {
			t.Errorf("the outcome is %v, want ErrNotStarted and context.DeadlineExceeded", err)
		}
	})
}

func TestQueueDeadlineDoesNotCutARunShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := runOn(t, NewGoroutines(nil), Spec{Policy: Policy{QueueTimeout: time.Second}}, func(ctx context.Context) error {
			return strand.Sleep(ctx, time.Hour)
		})
		if err != nil {
			t.Errorf("the outcome is %v, want success: it did not wait", err)
		}
	})
}

func TestQueueTimeDoesNotCountAsRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManual(nil)
		outcome := make(chan error, 1)
		m.Start(context.Background(), NewCall(Spec{Policy: Policy{Timeout: time.Second}}, &body{
			run:  func(ctx context.Context) error { return strand.Sleep(ctx, 999*time.Millisecond) },
			done: func(err error) { outcome <- err },
		}))
		s := <-m.starts
		time.Sleep(time.Hour)
		s.c.Run(s.ctx, 1)
		if err := <-outcome; err != nil {
			t.Errorf("the outcome is %v, want success", err)
		}
	})
}
