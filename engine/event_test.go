package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/internal/cancel"
	"github.com/go-braid/braid/strand"
)

// log is a listener that writes down what it hears.
type log struct {
	mu     sync.Mutex
	events []Event
	lines  []string
}

func (l *log) listener() *Listener {
	note := func(what string) func(Event) {
		return func(e Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.events = append(l.events, e)
			l.lines = append(l.lines, fmt.Sprintf("%s %d", what, e.Attempt))
		}
	}
	return &Listener{
		Submitted: note("submitted"), Started: note("started"), Parked: note("parked"), Resumed: note("resumed"),
		Retrying: note("retrying"), Finished: note("finished"),
	}
}

func TestEventsOfARetriedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		attempts := 0
		policy := Policy{Retry: Retry{Max: 3, Base: time.Second}}
		begin := time.Now()
		err := runOn(t, NewGoroutines(l.listener()), Spec{Task: "probe", Index: 5, Policy: policy}, func(context.Context) error {
			if attempts++; attempts < 3 {
				return errTest
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"submitted 1", "started 1", "retrying 1",
			"submitted 2", "started 2", "retrying 2",
			"submitted 3", "started 3", "finished 3",
		}
		if !slices.Equal(l.lines, want) {
			t.Fatalf("the listener heard %v, want %v", l.lines, want)
		}
		var pauses time.Duration
		for i, e := range l.events {
			if e.Task != "probe" || e.Index != 5 || e.Engine != "goroutines" {
				t.Errorf("event %d is of task %q, index %d, engine %q", i, e.Task, e.Index, e.Engine)
			}
			if e.Call == 0 || e.Call != l.events[0].Call {
				t.Errorf("event %d has the call number %d, the first %d", i, e.Call, l.events[0].Call)
			}
			if retrying := i == 2 || i == 5; retrying != (e.Err != nil) {
				t.Errorf("event %d, %s, has the error %v", i, l.lines[i], e.Err)
			} else if !retrying && e.Delay != 0 {
				t.Errorf("event %d has the delay %v", i, e.Delay)
			}
			pauses += e.Delay
		}
		if d := l.events[8].Time().Sub(begin); d != pauses {
			t.Errorf("the call took %v, its pauses %v", d, pauses)
		}
	})
}

func TestParkedAndResumed(t *testing.T) {
	var l log
	c := NewCall(Spec{}, &body{run: nothing, done: func(error) {}})
	m := newManual(l.listener())
	m.Start(context.Background(), c)
	s := <-m.starts
	op := strand.Op{Kind: strand.OpSleep}
	c.body.(*body).run = func(ctx context.Context) error {
		c.Parked(ctx, 3, op)
		c.Resumed(ctx, 3)
		return nil
	}
	c.Run(s.ctx, 3)
	want := []string{"submitted 1", "started 1", "parked 1", "resumed 1", "finished 1"}
	if !slices.Equal(l.lines, want) {
		t.Fatalf("the listener heard %v, want %v", l.lines, want)
	}
	if e := l.events[2]; e.Op != op || e.Worker != 3 {
		t.Errorf("Parked told of %v on worker %d, want %v on 3", e.Op, e.Worker, op)
	}
	if e := l.events[3]; e.Op != (strand.Op{}) {
		t.Errorf("Resumed told of %v", e.Op)
	}
}

func TestFinishedBeforeDone(t *testing.T) {
	var order []string
	l := &Listener{Finished: func(Event) { order = append(order, "finished") }}
	c := NewCall(Spec{}, &body{run: nothing, done: func(error) { order = append(order, "done") }})
	ctx := c.Submit(context.Background(), &Host{Name: "test", Listener: l})
	c.Run(ctx, 1)
	if !slices.Equal(order, []string{"finished", "done"}) {
		t.Errorf("the order is %v, want the event before the result", order)
	}
}

type greeting struct{}

// Each attempt has the context that the listener gives it, which comes from the one that
// the call was submitted with.
func TestContextOfAnAttempt(t *testing.T) {
	var l Listener
	l.Context = func(ctx context.Context, e Event) context.Context {
		return context.WithValue(ctx, greeting{}, fmt.Sprint(ctx.Value(greeting{}), ", attempt ", e.Attempt))
	}
	var bodies []any
	c := NewCall(Spec{Policy: Policy{Retry: Retry{Max: 1, Base: -1}, Timeout: time.Hour}}, &body{
		run: func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("the timeout is lost")
			}
			bodies = append(bodies, ctx.Value(greeting{}))
			return errTest
		},
		done: func(error) {},
	})
	NewSerial(&l).Start(context.WithValue(context.Background(), greeting{}, "hello"), c)
	if want := []any{"hello, attempt 1", "hello, attempt 2"}; !slices.Equal(bodies, want) {
		t.Errorf("the bodies found %v, want %v", bodies, want)
	}
}

// bench is a Place that nothing happens at.
type bench struct{}

func (bench) Park(ctx context.Context, _ *Call, op strand.Op, w strand.Waitable) error {
	return strand.Goroutine{}.Park(ctx, op, w)
}
func (bench) Over(*Call)                             {}
func (bench) Join(context.Context, *Call, *Call)     {}
func (bench) JoinAll(context.Context, *Call, Family) {}

// TestStraightOn has a worker go straight on to the next call: that begins when the one before
// has ended, but not before it was submitted.
func TestStraightOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		life := new(cancel.Context)
		life.Init(context.Background(), nil)
		host := Host{Name: "bench", Listener: l.listener(), Life: life}
		place := Station{Place: bench{}}
		submit := func() *Call {
			c := NewCall(Spec{}, &body{
				run:  func(context.Context) error { time.Sleep(time.Second); return nil }, // virtual time
				done: func(error) { time.Sleep(time.Minute) },                             // virtual time
			})
			c.Submit(c.Derive(context.Background()), &host)
			return c
		}
		begin := time.Since(Epoch())
		first, second := submit(), submit()
		ended := first.RunAt(&place, 1, 0)
		late := submit()
		again := second.RunAt(&place, 1, ended)
		last := late.RunAt(&place, 1, again)
		want := []time.Duration{
			0, 0, // two are submitted
			0, time.Second, // the first one runs
			61 * time.Second,              // the last one is submitted
			time.Second, 62 * time.Second, // the second one runs
			62 * time.Second, 123 * time.Second, // and the last one
		}
		for i, e := range l.events {
			if at := e.At - begin; at != want[i] {
				t.Errorf("event %d, %s, was at %v; want %v", i, l.lines[i], at, want[i])
			}
		}
		if len(l.events) != len(want) || last-begin != 123*time.Second {
			t.Errorf("there are %d events, the last at %v; want %d", len(l.events), last-begin, len(want))
		}

		early := submit()
		if e := l.events[len(l.events)-1]; !e.Time().Equal(time.Now()) {
			t.Errorf("an event is said to be at %v; it was now, at %v", e.Time(), time.Now())
		}
		early.RunAt(&place, 1, begin)
		if e := l.events[len(l.events)-2]; e.At != l.events[len(l.events)-3].At || e.Waited != 0 {
			t.Errorf("a call that was submitted after the one before began at %v and waited %v", e.At-begin, e.Waited)
		}
	})
}
