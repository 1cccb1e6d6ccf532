package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetryUntilSuccess(t *testing.T) {
	for _, ex := range []Executor{NewGoroutines(nil), NewSerial(nil)} {
		attempts := 0
		err := runOn(t, ex, Spec{Policy: Policy{Retry: Retry{Max: 5, Base: -1}}}, func(context.Context) error {
			if attempts++; attempts < 4 {
				return errTest
			}
			return nil
		})
		if err != nil || attempts != 4 {
			t.Errorf("%T: the outcome is %v after %d attempts, want success after 4", ex, err, attempts)
		}
	}
}

func TestRetryExhausted(t *testing.T) {
	attempts := 0
	err := runOn(t, NewGoroutines(nil), Spec{Policy: Policy{Retry: Retry{Max: 2, Base: -1}}}, func(context.Context) error {
		attempts++
		return fmt.Errorf("attempt %d: %w", attempts, errTest)
	})
	if attempts != 3 {
		t.Errorf("there were %d attempts, want 3", attempts)
	}
	if te, ok := err.(*TaskError); !ok || te.Attempt != 3 || !errors.Is(err, errTest) {
		t.Errorf("the outcome is %v, want the failure of attempt 3", err)
	}
}

// A call that is refused after a restart has run, unless the restart says that it has not.
func TestRefuseAfterRestart(t *testing.T) {
	for _, started := range []bool{false, true} {
		m := newManual(nil)
		outcome := make(chan error, 1)
		m.Start(context.Background(), NewCall(Spec{}, &body{run: nothing, done: func(err error) { outcome <- err }}))
		s := <-m.starts
		if _, ok := s.c.Begin(s.ctx, 1); !ok {
			t.Fatal("the call does not begin")
		}
		var why error = &CrashError{PID: 1, Signal: "SIGKILL"}
		if !started {
			why = &NotStartedError{Err: why}
		}
		s.c.Restart(why)
		s.c.Refuse(context.Canceled)
		err := <-outcome
		if errors.Is(err, ErrNotStarted) == started || !Interrupted(err) {
			t.Errorf("started %v: the outcome is %v, ErrNotStarted %v, interrupted %v", started, err, errors.Is(err, ErrNotStarted), Interrupted(err))
		}
		if _, ok := errors.AsType[*CrashError](err); ok != started {
			t.Errorf("started %v: the outcome %v tells of the crash: %v", started, err, ok)
		}
	}
}

func TestRetryPausesWithoutASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManual(nil)
		policy := Policy{Retry: Retry{Max: 1, Base: time.Hour, Cap: time.Hour}}
		outcome := make(chan error, 1)
		m.Start(context.Background(), NewCall(Spec{Policy: policy}, &body{
			run:  func(context.Context) error { return errTest },
			done: func(err error) { outcome <- err },
		}))
		s := <-m.starts
		s.c.Run(s.ctx, 1) // returns: the slot is free during the pause
		s = <-m.starts    // after the pause, on the fake clock
		if s.c.Attempt() != 2 {
			t.Errorf("the engine got attempt %d, want 2", s.c.Attempt())
		}
		s.c.Run(s.ctx, 1)
		if err := <-outcome; !errors.Is(err, errTest) {
			t.Errorf("the outcome is %v, want the task's failure", err)
		}
	})
}

func TestRetryCancelledInThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		cause := errors.New("the cause")
		attempts := 0
		var l log
		policy := Policy{Retry: Retry{Max: 5, Base: 1000 * time.Hour, Cap: 1000 * time.Hour}}
		outcome := make(chan error, 1)
		begin := time.Now()
		NewGoroutines(l.listener()).Start(ctx, NewCall(Spec{Policy: policy}, &body{
			run:  func(context.Context) error { attempts++; return errTest },
			done: func(err error) { outcome <- err },
		}))
		synctest.Wait()
		cancel(cause)
		err := <-outcome
		if time.Since(begin) != 0 || attempts != 1 {
			t.Errorf("the call ended after %v and %d attempts, want at once and 1", time.Since(begin), attempts)
		}
		for _, target := range []error{errTest, context.Canceled, cause} {
			if !errors.Is(err, target) {
				t.Errorf("the outcome %v is not %v", err, target)
			}
		}
		if errors.Is(err, ErrNotStarted) {
			t.Errorf("the outcome %v says that the task has not run, but it has", err)
		}
		if !Cancelled(err) {
			t.Errorf("Cancelled(%v) = false", err)
		}
		want := []string{"submitted 1", "started 1", "retrying 1", "submitted 2", "finished 2"}
		if !slices.Equal(l.lines, want) {
			t.Errorf("the listener heard %v, want %v", l.lines, want)
		}
	})
}

// attemptsThat refuses or runs each attempt of a call as told, and returns the
// outcome.
func attemptsThat(t *testing.T, run func(context.Context) error, steps ...error) error {
	t.Helper()
	m := newManual(nil)
	outcome := make(chan error, 1)
	policy := Policy{Retry: Retry{Max: len(steps) - 1, Base: -1}}
	m.Start(context.Background(), NewCall(Spec{Policy: policy}, &body{run: run, done: func(err error) { outcome <- err }}))
	for _, why := range steps {
		s := <-m.starts
		if why == nil {
			s.c.Run(s.ctx, 1)
		} else {
			s.c.Refuse(why)
		}
	}
	return <-outcome
}

func TestRefusedAttempts(t *testing.T) {
	fails := func(context.Context) error { return errTest }
	for _, tc := range []struct {
		name       string
		steps      []error // nil: it runs and fails
		notStarted bool
		is         []error
	}{
		{"once", []error{ErrSaturated}, true, []error{ErrSaturated}},
		{"every time", []error{ErrSaturated, ErrSaturated, ErrSaturated}, true, []error{ErrSaturated}},
		{"after it has run", []error{nil, ErrSaturated}, false, []error{errTest, ErrSaturated}},
		{"twice after it has run", []error{nil, ErrSaturated, ErrSaturated}, false, []error{errTest, ErrSaturated}},
		{"before it has run", []error{ErrSaturated, nil}, false, []error{errTest}},
		{"closed after it was refused", []error{ErrSaturated, ErrClosed}, true, []error{ErrClosed}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := attemptsThat(t, fails, tc.steps...)
			if got := errors.Is(err, ErrNotStarted); got != tc.notStarted {
				t.Errorf("the outcome is %v; errors.Is(err, ErrNotStarted) = %v, want %v", err, got, tc.notStarted)
			}
			for _, target := range tc.is {
				if !errors.Is(err, target) {
					t.Errorf("the outcome %v is not %v", err, target)
				}
			}
			if te := err.(*TaskError); te.Attempt != len(tc.steps) {
				t.Errorf("the error says attempt %d, want %d", te.Attempt, len(tc.steps))
			}
		})
	}
}
