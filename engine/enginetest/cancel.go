package enginetest

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
)

var cancelRules = []rule{
	{"Queued", "a queued call whose context ends is complete at once, without a worker", bounded, cancelQueued},
	{"QueuedPlace", "a queued call that is cancelled leaves its place to others", bounded, cancelFreesPlace},
	{"QueuedAll", "cancelled calls in the queue never run, and the others still do", bounded, cancelSomeQueued},
	{"Running", "a body that runs is told through its context, with the cause", 0, cancelRunning},
	{"Deaf", "a call whose body does not listen is complete when the body returns, and has its result", 0, cancelDeaf},
	{"After", "to cancel a complete call changes nothing", 0, cancelAfter},
	{"Await", "the end of the context of Await ends the waiting, not the call", 0, cancelAwait},
	{"Storm", "a call that is cancelled at any moment is completed once, and says truly whether it ran", 0, cancelStorm},
	{"StormQueued", "a call that is cancelled while it gets its worker is completed once, and costs no slot", bounded, cancelStormQueued},
}

// A canceller starts a call in some way and knows how to cancel it.
type canceller struct {
	name string
	// start returns what cancels the call and what awaits it.
	start func(ex engine.Executor, f func(context.Context) (int, error)) (cancel func(error), await func() (int, error))
}

var cancellers = []canceller{
	{"context", func(ex engine.Executor, f func(context.Context) (int, error)) (func(error), func() (int, error)) {
		ctx, cancel := context.WithCancelCause(context.Background())
		future := submitAside(ctx, ex, f)
		return cancel, func() (int, error) { return (<-future).Await(context.Background()) }
	}},
	{"future", func(ex engine.Executor, f func(context.Context) (int, error)) (func(error), func() (int, error)) {
		future := submitAside(context.Background(), ex, f)
		var got *braid.Future[int]
		get := func() *braid.Future[int] {
			if got == nil {
				got = <-future
			}
			return got
		}
		return func(why error) { get().Cancel(why) }, func() (int, error) { return get().Await(context.Background()) }
	}},
}

// submitAside submits f on a goroutine of its own, since Start of a serial engine
// returns late.
func submitAside(ctx context.Context, ex engine.Executor, f func(context.Context) (int, error)) <-chan *braid.Future[int] {
	future := make(chan *braid.Future[int], 1)
	go func() { future <- braid.Go(ctx, ex, f) }()
	return future
}

// eachCanceller runs check once for each way to cancel that the engine allows.
func (t *trial) eachCanceller(check func(c canceller)) {
	for _, c := range cancellers {
		if c.name == "future" && t.caps.Serial {
			continue // there is no future before the call is complete
		}
		check(c)
	}
}

func cancelQueued(t *trial) {
	e := t.open(Config{Workers: 1, Queue: 1})
	g := t.gate()
	busy := t.occupy(e, 1, g)
	t.eachCanceller(func(c canceller) {
		why := errors.New("by " + c.name)
		ran := false
		cancel, await := c.start(e, func(context.Context) (int, error) {
			ran = true
			return 1, nil
		})
		t.settle()
		cancel(why)
		_, err := await() // hangs if it takes the worker to find out
		notStarted(t, err, context.Canceled, why)
		if !engine.Cancelled(err) {
			t.Errorf("engine.Cancelled(%v) = false", err)
		}
		if ran {
			t.Error("the cancelled call has run")
		}
		t.settle()
	})
	if isClosed(busy[0].ended) {
		t.Error("the call that occupies the worker is complete")
	}
	g.open()
	busy[0].succeeded(t)
}

func cancelFreesPlace(t *trial) {
	e := t.open(Config{Workers: 1, Queue: 2, Refuse: !t.caps.Waits})
	g := t.gate()
	probes := t.occupy(e, 1, g)
	ctx, cancel := context.WithCancel(context.Background())
	first, second, third := newProbe(nil), newProbe(nil), newProbe(nil)
	e.Start(ctx, first.call)
	e.Start(context.Background(), second.call)
	cancel()
	notStarted(t, first.outcome(), context.Canceled)
	t.settle()
	if t.caps.Waits || !t.caps.NoBubble {
		e.Start(context.Background(), third.call) // hangs if the place is not free
		probes = append(probes, third)
	}
	g.open()
	for _, p := range append(probes, second) {
		p.succeeded(t)
	}
	first.ran(t, 0)
}

func cancelSomeQueued(t *trial) {
	e := t.open(Config{Workers: 2, Queue: 100})
	g := t.gate()
	busy := t.occupy(e, 2, g)
	ctx, cancel := context.WithCancel(context.Background())
	var kept, dropped []*probe
	for i := range 100 {
		p := newProbe(nil)
		if i%3 == 0 {
			kept = append(kept, p)
			e.Start(context.Background(), p.call)
		} else {
			dropped = append(dropped, p)
			e.Start(ctx, p.call)
		}
	}
	cancel()
	for _, p := range dropped {
		notStarted(t, p.outcome(), context.Canceled)
	}
	g.open()
	for _, p := range append(kept, busy...) {
		p.succeeded(t)
	}
	t.settle()
	for _, p := range dropped {
		p.ran(t, 0)
	}
	t.width(e, 2)
}

func cancelRunning(t *trial) {
	e := t.open(Config{})
	t.eachCanceller(func(c canceller) {
		why := errors.New("by " + c.name)
		begun := make(chan struct{})
		cancel, await := c.start(e, func(ctx context.Context) (int, error) {
			close(begun)
			<-ctx.Done()
			if cause := context.Cause(ctx); cause != why {
				t.Errorf("the cause of the body's context is %v; want %v", cause, why)
			}
			return 0, ctx.Err()
		})
		<-begun
		cancel(why)
		_, err := await()
		matches(t, err, context.Canceled, why)
		if errors.Is(err, engine.ErrNotStarted) || !engine.Cancelled(err) {
			t.Errorf("the outcome %v does not say that the call was cancelled while it ran", err)
		}
	})
}

func cancelDeaf(t *trial) {
	e := t.open(Config{})
	g := t.gate()
	ctx, cancel := context.WithCancel(context.Background())
	p := newProbe(g.hold)
	returned := spawn(ctx, e, p.call)
	<-p.begun
	cancel()
	t.settle()
	if isClosed(p.ended) {
		t.Errorf("the call is complete, with %v, while its body still runs", p.err)
	}
	if t.caps.Serial && isClosed(returned) {
		t.Error("Start has returned because the call was cancelled, while its body still runs")
	}
	g.open()
	p.succeeded(t)
}

func cancelAfter(t *trial) {
	e := t.open(Config{})
	f := braid.Submit(context.Background(), e, double, 21)
	for range 2 {
		if v, err := f.Await(context.Background()); v != 42 || err != nil {
			t.Errorf("Await = %d, %v; want 42, nil", v, err)
		}
		f.Cancel(errors.New("too late"))
		t.settle()
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := newProbe(nil)
	e.Start(ctx, p.call)
	p.succeeded(t)
	cancel()
	t.settle()
	p.succeeded(t)
}

func cancelAwait(t *trial) {
	e := t.open(Config{})
	g := t.gate()
	future := submitAside(context.Background(), e, func(ctx context.Context) (int, error) {
		_ = g.hold(ctx)
		return 7, ctx.Err()
	})
	if t.caps.Serial {
		g.open() // there is no future to await before
	}
	f := <-future
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Await(ctx); !t.caps.Serial {
		if _, ok := errors.AsType[*braid.TaskError](err); ok || !errors.Is(err, context.Canceled) {
			t.Errorf("Await with a context that is done = %v; want context.Canceled and no TaskError", err)
		}
	}
	g.open()
	if v, err := f.Await(context.Background()); v != 7 || err != nil {
		t.Errorf("Await = %d, %v; want 7, nil", v, err)
	}
}

func cancelStorm(t *trial) { storm(t, Config{}) }

func cancelStormQueued(t *trial) {
	e := storm(t, Config{Workers: 1})
	t.width(e, 1)
}

// storm cancels thousands of calls, each at a moment of its own.
func storm(t *trial, c Config) Engine {
	e := t.open(c)
	n := 3000
	if testing.Short() {
		n /= 10
	}
	crowd(n, func(i int) {
		ctx, cancel := context.WithCancel(context.Background())
		p := newProbe(func(ctx context.Context) error {
			if i%2 == 0 {
				runtime.Gosched()
			}
			return ctx.Err()
		})
		go func() {
			for range i % 7 {
				runtime.Gosched()
			}
			cancel()
		}()
		e.Start(ctx, p.call)
		if err := p.outcome(); err != nil && !engine.Cancelled(err) {
			t.Errorf("the outcome of a cancelled call is %v", err)
		}
		p.once(t)
		if p.runs.Load() > 1 {
			t.Errorf("the body ran %d times", p.runs.Load())
		}
	})
	return e
}
