package enginetest

import (
	"context"
	"errors"
	"runtime"
	"weak"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
)

var leakRules = []rule{
	{"Argument", "an engine does not keep a call's argument alive when the call is complete", 0, leakArgument},
	{"Result", "an engine does not keep a call's result alive when its future is gone", 0, leakResult},
	{"Error", "an engine does not keep a call's failure alive when its future is gone", 0, leakError},
	{"Context", "an engine does not keep a call's context alive when the call is complete", 0, leakContext},
	{"Call", "an engine does not keep a complete call alive, whatever became of it", 0, leakCall},
	{"Queue", "calls that were cancelled in the queue are not kept alive while the workers are busy", bounded, leakQueue},
	{"Goroutines", "an engine that was used by many at once leaves no goroutine, descriptor or timer behind", portable, leakNothing},
}

// A load is memory that is watched: as a whole, so that nothing else shares its
// place in the heap.
type load struct {
	data [256]byte
	self *load
}

func newLoad() *load {
	l := new(load)
	l.self = l
	return l
}

// freed waits until what p points to is garbage.
func (t *trial) freed(what string, alive func() int, most int) {
	t.Helper()
	for range 20 {
		runtime.GC() // a pool of package sync gives way at the second
		if alive() <= most {
			return
		}
		t.settle()
	}
	t.Errorf("%s: %d are alive; want at most %d", what, alive(), most)
}

// alive counts what the pointers still point to.
func alive[T any](ps []weak.Pointer[T]) func() int {
	return func() (n int) {
		for _, p := range ps {
			if p.Value() != nil {
				n++
			}
		}
		return n
	}
}

const loads = 20

// uses runs use a number of times and collects what it returns.
func uses[T any](use func() weak.Pointer[T]) []weak.Pointer[T] {
	ps := make([]weak.Pointer[T], loads)
	for i := range ps {
		ps[i] = use()
	}
	return ps
}

func leakArgument(t *trial) {
	e := t.open(Config{})
	task := braid.Func(func(_ context.Context, l *load) (int, error) { return len(l.data), nil })
	var futures []*braid.Future[int]
	ps := uses(func() weak.Pointer[load] {
		l := newLoad()
		f := braid.Submit(context.Background(), e, task, l)
		if _, err := f.Await(context.Background()); err != nil {
			t.Error(err)
		}
		futures = append(futures, f)
		return weak.Make(l)
	})
	t.freed("arguments", alive(ps), 0)
	runtime.KeepAlive(futures)
}

func leakResult(t *trial) {
	e := t.open(Config{})
	var futures []*braid.Future[*load]
	ps := uses(func() weak.Pointer[load] {
		f := braid.Go(context.Background(), e, func(context.Context) (*load, error) { return newLoad(), nil })
		futures = append(futures, f)
		l, err := f.Await(context.Background())
		if err != nil {
			t.Error(err)
		}
		return weak.Make(l)
	})
	runtime.GC()
	if n := alive(ps)(); n != loads {
		t.Errorf("%d results are alive while their futures are; want %d", n, loads)
	}
	runtime.KeepAlive(futures)
	futures = nil
	t.freed("results", alive(ps), 0)
}

// A loadError is an error that is watched.
type loadError struct{ *load }

func (loadError) Error() string { return "load" }

func leakError(t *trial) {
	e := t.deaf(Config{}) // a ledger keeps failures
	ps := uses(func() weak.Pointer[load] {
		l := newLoad()
		f := braid.Go(context.Background(), e, func(context.Context) (int, error) { panic(loadError{l}) })
		if _, err := f.Await(context.Background()); !errors.As(err, new(loadError)) {
			t.Errorf("the error %v does not wrap the task's own", err)
		}
		return weak.Make(l)
	})
	t.freed("errors", alive(ps), 0)
}

func leakContext(t *trial) {
	e := t.open(Config{})
	var calls []*engine.Call
	ps := uses(func() weak.Pointer[load] {
		l := newLoad()
		p := newProbe(nil)
		e.Start(context.WithValue(context.Background(), contextKey{}, l), p.call)
		p.succeeded(t)
		calls = append(calls, p.call)
		return weak.Make(l)
	})
	t.freed("contexts", alive(ps), 0)
	runtime.KeepAlive(calls)
}

func leakCall(t *trial) {
	e := t.open(Config{})
	for _, l := range lives {
		ps := uses(func() weak.Pointer[engine.Call] {
			return weak.Make(l.live(e, l.policy).call)
		})
		t.freed("calls that ended with "+l.name, alive(ps), 0)
	}
}

func leakQueue(t *trial) {
	const workers, queue = 2, 8
	e := t.open(Config{Workers: workers, Queue: queue, Refuse: !t.caps.Waits})
	g := t.gate()
	busy := t.occupy(e, workers, g)
	var ps []weak.Pointer[engine.Call]
	for range 20 * queue {
		ctx, cancel := context.WithCancel(context.Background())
		p := newProbe(nil)
		e.Start(ctx, p.call)
		cancel()
		notStarted(t, p.outcome(), context.Canceled)
		ps = append(ps, weak.Make(p.call))
		t.settle()
	}
	// An engine may take a cancelled call out of its queue late, but not so
	// late that there are more of them than places.
	t.freed("cancelled calls", alive(ps), workers+queue)
	g.open()
	for _, p := range busy {
		p.succeeded(t)
	}
	t.freed("cancelled calls, when there is nothing to do", alive(ps), 0)
}

// leakNothing looks for nothing by itself: every trial ends with that.
func leakNothing(t *trial) {
	for range 5 {
		e := t.open(Config{Workers: 8})
		crowd(200, func(i int) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			f := braid.Submit(ctx, e, double, i, braid.Timeout(patience), braid.QueueTimeout(patience))
			if i%3 == 0 {
				f.Cancel(nil)
			}
			if _, err := f.Await(context.Background()); err != nil && !engine.Cancelled(err) {
				t.Error(err)
			}
		})
		if err := e.Close(context.Background()); err != nil {
			t.Errorf("Close = %v; want nil", err)
		}
	}
}
