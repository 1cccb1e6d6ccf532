package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
)

// A body is the inside of a call in these tests.
type body struct {
	run  func(context.Context) error
	done func(error)
}

func (b *body) Run(ctx context.Context) error { return b.run(ctx) }
func (b *body) Done(err error)                { b.done(err) }

// runOn runs a call to its end and returns its outcome.
func runOn(t *testing.T, ex Executor, spec Spec, run func(context.Context) error) error {
	t.Helper()
	return runUnder(context.Background(), ex, spec, run)
}

func runUnder(ctx context.Context, ex Executor, spec Spec, run func(context.Context) error) error {
	outcome := make(chan error, 1)
	ex.Start(ctx, NewCall(spec, &body{run: run, done: func(err error) { outcome <- err }}))
	return <-outcome
}

// manual is an executor that leaves everything to the test.
type manual struct {
	host   Host
	starts chan start
}

type start struct {
	ctx context.Context
	c   *Call
}

func newManual(l *Listener) *manual {
	m := &manual{starts: make(chan start, 10)}
	m.host = Host{Name: "manual", Listener: l, Executor: m}
	return m
}

func (m *manual) Start(ctx context.Context, c *Call) {
	m.starts <- start{c.Submit(ctx, &m.host), c}
}

func nothing(context.Context) error { return nil }

func TestCallOutcome(t *testing.T) {
	errCustom := errors.New("custom")
	for _, tc := range []struct {
		name string
		run  func(context.Context) error
		is   error
	}{
		{"success", nothing, nil},
		{"failure", func(context.Context) error { return errCustom }, errCustom},
		{"panic with an error", func(context.Context) error { panic(errCustom) }, errCustom},
		{"goexit", func(context.Context) error { runtime.Goexit(); return nil }, ErrGoexit},
		{"own context.Canceled", func(context.Context) error { return context.Canceled }, context.Canceled},
	} {
		for _, ex := range []Executor{NewGoroutines(nil), NewSerial(nil)} {
			t.Run(fmt.Sprintf("%s/%T", tc.name, ex), func(t *testing.T) {
				err := runOn(t, ex, Spec{Task: "probe"}, tc.run)
				if tc.is == nil {
					if err != nil {
						t.Errorf("the outcome is %v, want success", err)
					}
					return
				}
				te, ok := err.(*TaskError)
				if !ok {
					t.Fatalf("the outcome is a %T, want a *TaskError", err)
				}
				if te.Task != "probe" || te.Attempt != 1 || te.Engine == "" {
					t.Errorf("the error says task %q, engine %q, attempt %d", te.Task, te.Engine, te.Attempt)
				}
				if !errors.Is(err, tc.is) {
					t.Errorf("the outcome is %v, want %v", err, tc.is)
				}
				if errors.Is(err, ErrNotStarted) || Cancelled(err) {
					t.Errorf("the outcome %v claims that the task was not started or was cancelled", err)
				}
			})
		}
	}
}

func TestCallMisusePanics(t *testing.T) {
	ctx := context.Background()
	host := &Host{Name: "test"}
	fresh := func() *Call { return NewCall(Spec{}, &body{run: nothing, done: func(error) {}}) }
	const twice = "engine: a call was submitted twice"
	const again = "engine: Run or Refuse of a call that is not submitted, or for the second time"
	for _, tc := range []struct {
		name string
		f    func()
		want string
	}{
		{"Run before Submit", func() { fresh().Run(ctx, 1) }, again},
		{"Refuse before Submit", func() { fresh().Refuse(ErrClosed) }, again},
		{"Submit twice", func() { c := fresh(); c.Submit(ctx, host); c.Submit(ctx, host) }, twice},
		{"Submit after the end", func() { c := fresh(); c.Submit(ctx, host); c.Run(ctx, 1); c.Submit(ctx, host) }, twice},
		{"Run twice", func() { c := fresh(); c.Submit(ctx, host); c.Run(ctx, 1); c.Run(ctx, 1) }, again},
		{"Refuse after Run", func() { c := fresh(); c.Submit(ctx, host); c.Run(ctx, 1); c.Refuse(ErrClosed) }, again},
		{"Run after Refuse", func() { c := fresh(); c.Submit(ctx, host); c.Refuse(ErrClosed); c.Run(ctx, 1) }, again},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer func() {
				if got := recover(); got != tc.want {
					t.Errorf("the panic says %v, want %q", got, tc.want)
				}
			}()
			tc.f()
		})
	}
}

func TestCallDescribesItself(t *testing.T) {
	c := NewCall(Spec{Task: "probe", Index: 4, Policy: Policy{Limit: 7}}, &body{run: nothing, done: func(error) {}})
	if s := c.Spec(); s.Task != "probe" || s.Index != 4 || s.Policy.Limit != 7 {
		t.Errorf("Spec() = %+v", s)
	}
	if c.Attempt() != 1 {
		t.Errorf("Attempt() = %d before the first one, want 1", c.Attempt())
	}
	if c.Host() != nil {
		t.Errorf("Host() = %v before Submit, want nil", c.Host())
	}
	h := &Host{Name: "test"}
	c.Submit(context.Background(), h)
	if c.Host() != h {
		t.Errorf("Host() = %v after Submit, want the engine's", c.Host())
	}
	c.Refuse(ErrClosed)
}

func TestOnDoneOrder(t *testing.T) {
	var order []string
	c := NewCall(Spec{}, &body{run: nothing, done: func(error) { order = append(order, "body") }})
	c.OnDone(func(error) { order = append(order, "first") })
	c.OnDone(func(err error) { order = append(order, fmt.Sprint("second ", errors.Is(err, ErrSaturated))) })
	c.Submit(context.Background(), &Host{Name: "test"})
	c.Refuse(ErrSaturated)
	if want := []string{"body", "first", "second true"}; !slices.Equal(order, want) {
		t.Errorf("called %v, want %v", order, want)
	}
}

func TestDoneContextIsRefused(t *testing.T) {
	cause := errors.New("the cause")
	for _, ex := range []Executor{NewGoroutines(nil), NewSerial(nil)} {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		err := runUnder(ctx, ex, Spec{Policy: Policy{Retry: Retry{Max: 3, Base: -1}}}, func(context.Context) error {
			t.Errorf("%T: the body ran under a done context", ex)
			return nil
		})
		if !errors.Is(err, ErrNotStarted) || !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
			t.Errorf("%T: the outcome is %v, want ErrNotStarted with the cause", ex, err)
		}
		if !Cancelled(err) {
			t.Errorf("%T: Cancelled(%v) = false", ex, err)
		}
		if te := err.(*TaskError); te.Attempt != 1 {
			t.Errorf("%T: it was retried under a done context: attempt %d", ex, te.Attempt)
		}
	}
}
