package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// A front forwards calls and notes what it hears of them.
type front struct {
	name  string
	inner engine.Executor
	host  engine.Host
	notes *[]string
	pass  func(ctx context.Context, c *engine.Call, forward func(context.Context))
}

func newFront(name string, inner engine.Executor, notes *[]string) *front {
	f := &front{name: name, inner: inner, notes: notes}
	f.host = engine.Host{Name: name, Executor: f}
	return f
}

func (f *front) Start(ctx context.Context, c *engine.Call) {
	ctx = c.Submit(ctx, &f.host)
	forward := func(ctx context.Context) { c.Forward(ctx, f.inner, f) }
	if f.pass != nil {
		f.pass(ctx, c, forward)
		return
	}
	forward(ctx)
}

func (f *front) note(format string, args ...any) {
	*f.notes = append(*f.notes, f.name+" "+fmt.Sprintf(format, args...))
}

func (f *front) Lend()                    { f.note("lend") }
func (f *front) Reclaim(strand.Parker)    { f.note("reclaim") }
func (f *front) Over(ran bool, err error) { f.note("over %t %v", ran, err) }
func (f *front) Settled()                 { f.note("settled") }

// A noting is a body that notes its outcome.
type noting struct {
	run   func(context.Context) error
	notes *[]string
	done  chan error
}

func (b *noting) Run(ctx context.Context) error { return b.run(ctx) }
func (b *noting) Done(err error) {
	*b.notes = append(*b.notes, fmt.Sprintf("done %t", err == nil))
	b.done <- err
}

// forwarded runs a body in front of inner, behind two fronts, and returns its outcome and
// all that was noted.
func forwarded(t *testing.T, inner engine.Executor, policy engine.Policy, run func(context.Context) error, pass func(context.Context, *engine.Call, func(context.Context))) ([]string, error) {
	var err error
	notes := new([]string)
	synctest.Test(t, func(t *testing.T) {
		in := newFront("in", inner, notes)
		out := newFront("out", in, notes)
		in.pass = pass
		b := &noting{run, notes, make(chan error, 1)}
		go out.Start(context.Background(), engine.NewCall(engine.Spec{Policy: policy}, b))
		err = <-b.done
		synctest.Wait()
	})
	return *notes, err
}

var bothEngines = map[string]func() engine.Executor{
	"goroutines": func() engine.Executor { return engine.NewGoroutines(nil) },
	"serial":     func() engine.Executor { return engine.NewSerial(nil) },
}

func TestForward(t *testing.T) {
	boom := errors.New("boom")
	var event strand.Event
	for name, inner := range bothEngines {
		for _, tc := range []struct {
			name   string
			policy engine.Policy
			run    func(context.Context) error
			want   []string
		}{
			{"success", engine.Policy{}, func(context.Context) error { return nil }, []string{
				"in over true <nil>", "out over true <nil>", "done true", "in settled", "out settled"}},
			{"failure", engine.Policy{}, func(context.Context) error { return boom }, []string{
				"in over true boom", "out over true boom", "done false", "in settled", "out settled"}},
			{"retry", engine.Policy{Retry: engine.Retry{Max: 1, Base: -1}}, func(context.Context) error { return boom }, []string{
				"in over true boom", "out over true boom", "in settled", "out settled",
				"in over true boom", "out over true boom", "done false", "in settled", "out settled"}},
			{"park", engine.Policy{}, func(ctx context.Context) error {
				event.Clear()
				time.AfterFunc(time.Second, event.Set)
				return event.Wait(ctx)
			}, []string{"in lend", "out lend", "out reclaim", "in reclaim",
				"in over true <nil>", "out over true <nil>", "done true", "in settled", "out settled"}},
			{"sleep", engine.Policy{}, func(ctx context.Context) error { return strand.Sleep(ctx, time.Second) }, []string{
				"in over true <nil>", "out over true <nil>", "done true", "in settled", "out settled"}},
		} {
			t.Run(tc.name+" on "+name, func(t *testing.T) {
				notes, err := forwarded(t, inner(), tc.policy, tc.run, nil)
				if te, ok := errors.AsType[*engine.TaskError](err); ok && te.Engine != "out" {
					t.Errorf("the error %v is not of the first executor", err)
				}
				if !slices.Equal(notes, tc.want) {
					t.Errorf("noted %q, want %q", notes, tc.want)
				}
			})
		}
	}
}

// The time to queue began with the first submission.
func TestForwardQueueTimeout(t *testing.T) {
	policy := engine.Policy{QueueTimeout: time.Minute}
	begin := time.Now()
	var late time.Duration
	notes, err := forwarded(t, engine.NewGoroutines(nil), policy, func(context.Context) error { return nil },
		func(ctx context.Context, c *engine.Call, forward func(context.Context)) {
			begin = time.Now()
			<-ctx.Done()
			late = time.Since(begin)
			forward(ctx)
		})
	if te, ok := errors.AsType[*engine.TimeoutError](err); !ok || te.Phase != engine.PhaseQueue || late != time.Minute {
		t.Errorf("after %v the error is %v", late, err)
	}
	if !errors.Is(err, engine.ErrNotStarted) || !slices.Contains(notes, "done false") {
		t.Errorf("the error is %v, noted %q", err, notes)
	}
}

func TestWithdraw(t *testing.T) {
	why, other := errors.New("why"), errors.New("other")
	notNow := func(context.Context) error { panic("it runs all the same") }
	for name, pass := range map[string]func(context.Context, *engine.Call, func(context.Context)){
		"before Forward": func(ctx context.Context, c *engine.Call, forward func(context.Context)) {
			if !c.Withdraw(why) || c.Withdraw(other) {
				panic("Withdraw counts wrong")
			}
			forward(ctx)
		},
		"with its context": func(ctx context.Context, c *engine.Call, forward func(context.Context)) {
			ctx, cancel := context.WithCancel(ctx)
			c.Withdraw(why)
			cancel()
			forward(ctx)
		},
	} {
		for engineName, inner := range bothEngines {
			t.Run(name+" on "+engineName, func(t *testing.T) {
				notes, err := forwarded(t, inner(), engine.Policy{}, notNow, pass)
				if !errors.Is(err, why) || !errors.Is(err, engine.ErrNotStarted) || errors.Is(err, context.Canceled) {
					t.Errorf("the error is %v", err)
				}
				want := []string{"in over false why", "out over false why", "done false", "in settled", "out settled"}
				if !slices.Equal(notes, want) {
					t.Errorf("noted %q, want %q", notes, want)
				}
			})
		}
	}
}

func TestWithdrawTooLate(t *testing.T) {
	notes := new([]string)
	f := newFront("front", engine.NewGoroutines(nil), notes)
	b := &noting{notes: notes, done: make(chan error, 1)}
	c := engine.NewCall(engine.Spec{}, b)
	b.run = func(context.Context) error {
		for range 2 {
			if c.Withdraw(errors.New("why")) {
				t.Error("a call that runs was withdrawn")
			}
		}
		return nil
	}
	f.Start(context.Background(), c)
	if err := <-b.done; err != nil {
		t.Error(err)
	}
}

func TestForwardPanics(t *testing.T) {
	mustPanic := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s does not panic", what)
			}
		}()
		f()
	}
	f := newFront("front", nil, new([]string))
	b := &noting{notes: f.notes, done: make(chan error, 1)}
	c := engine.NewCall(engine.Spec{}, b)
	mustPanic("Forward of a call that was not submitted", func() { c.Forward(context.Background(), f, f) })
	c.Submit(context.Background(), &f.host)
	mustPanic("a second Submit", func() { c.Submit(context.Background(), &f.host) })
	c.Refuse(errors.New("no"))
	mustPanic("Forward of a call that is complete", func() { c.Forward(context.Background(), f, f) })
}
