package enginetest

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

var nestRules = []rule{
	{"Deep", "a task can submit to its own engine and await, a hundred deep, with one worker", nests, nestDeep},
	{"Wide", "many tasks can await tasks of their own at once", nests, nestWide},
	{"Map", "a task can map over its own engine", nests, nestMap},
	{"Slice", "a task can share a slice out over its own engine, and each item has its own outcome", nests, nestSlice},
	{"Scope", "a task can open a scope on its own engine", nests, nestScope},
	{"Sleep", "while a task sleeps another makes progress, with one worker", sleeps, nestSleep},
	{"Wait", "while a task waits for an object another makes progress, with one worker", nests, nestWait},
	{"Slots", "slots that were lent come back, each once", lends, slotsComeBack},
	{"Bound", "no more tasks go on at once, woken ones included, than the engine has workers", reclaims, boundHoldsForWoken},
	{"CancelParked", "a parked task is told of its cancelling, and its slot is not lost", lends, cancelParked},
	{"Detached", "a raw goroutine with a detached context parks itself, during its task and after", 0, rawDetached},
	{"Raw", "a raw goroutine that parks in the name of its task corrupts nothing, during the task", raw, rawDuring},
	{"RawAfter", "a raw goroutine that parks in the name of its task corrupts nothing, after the task", raw, rawAfter},
}

func nestDeep(t *trial) {
	e := t.open(Config{Workers: 1})
	var descend func(ctx context.Context, depth int) (int, error)
	descend = func(ctx context.Context, depth int) (int, error) {
		if depth == 0 {
			return 0, nil
		}
		n, err := braid.Go(ctx, e, func(ctx context.Context) (int, error) {
			return descend(ctx, depth-1)
		}).Await(ctx)
		return n + 1, err
	}
	if n, err := descend(context.Background(), 100); n != 100 || err != nil {
		t.Errorf("the result is %d, %v; want 100, nil", n, err)
	}
	t.width(e, 1)
}

func nestWide(t *trial) {
	e := t.open(Config{Workers: 2})
	crowd(200, func(i int) {
		v, err := braid.Go(context.Background(), e, func(ctx context.Context) (int, error) {
			f := braid.Submit(ctx, e, double, i)
			g := braid.Submit(ctx, e, double, i+1)
			vs, err := braid.Gather(ctx, f, g)
			return vs[0] + vs[1], err
		}).Await(context.Background())
		if v != 4*i+2 || err != nil {
			t.Errorf("the result of %d is %d, %v; want %d, nil", i, v, err, 4*i+2)
		}
	})
	t.width(e, 2)
}

// nestSlice holds for engines on which the items run in chunks, and for the others too.
func nestSlice(t *trial) {
	e := t.open(Config{Workers: 2})
	item := braid.Func(func(_ context.Context, i int) (int, error) {
		switch i % 10 {
		case 3:
			return 0, errMishap
		case 5:
			return 0, panicDeep(3, i)
		case 7:
			runtime.Goexit()
		}
		return 2 * i, nil
	})
	in := make([]int, 100)
	for i := range in {
		in[i] = i
	}
	var failures error
	out, err := braid.Go(context.Background(), e, func(ctx context.Context) (out []int, _ error) {
		out, failures = braid.MapSlice(ctx, e, item, in, braid.Join(braid.Settle))
		return out, nil
	}).Await(context.Background())
	if err != nil || len(out) != len(in) {
		t.Fatalf("there are %d results, %v; want %d", len(out), err, len(in))
	}
	failed := 0
	for i, err := range braid.ItemErrors(failures) {
		failed++
		switch i % 10 {
		case 3:
			matches(t, err, errMishap)
		case 5:
			if pe := panicked(t, err); pe.Value != i {
				t.Errorf("item %d has panicked with %v", i, pe.Value)
			}
		case 7:
			matches(t, err, engine.ErrGoexit)
		default:
			t.Errorf("item %d has failed with %v", i, err)
		}
	}
	if failed != 30 {
		t.Errorf("%d items have failed; want 30", failed)
	}
	for i, v := range out {
		if want := 2 * i; i%10 == 3 || i%10 == 5 || i%10 == 7 {
			if v != 0 {
				t.Errorf("item %d has failed, and its result is %d", i, v)
			}
		} else if v != want {
			t.Errorf("result %d is %d; want %d", i, v, want)
		}
	}
	t.width(e, 2)
}

func nestMap(t *trial) {
	e := t.open(Config{Workers: 1})
	for _, ordered := range []bool{true, false} {
		got, err := braid.Go(context.Background(), e, func(ctx context.Context) ([]int, error) {
			var got []int
			for v, err := range braid.Map(ctx, e, double, numbers(10), braid.Ordered(ordered)) {
				if err != nil {
					return nil, err
				}
				got = append(got, v)
			}
			if !ordered {
				slices.Sort(got)
			}
			return got, nil
		}).Await(context.Background())
		if want := []int{0, 2, 4, 6, 8, 10, 12, 14, 16, 18}; !slices.Equal(got, want) || err != nil {
			t.Errorf("the map in a task = %v, %v; want %v, nil", got, err, want)
		}
	}
	t.width(e, 1)
}

func nestScope(t *trial) {
	e := t.open(Config{Workers: 1})
	sum, err := braid.Go(context.Background(), e, func(ctx context.Context) (sum int, err error) {
		var mu strand.Mutex
		err = braid.Scope(ctx, e, func(ctx context.Context, g *braid.Group) error {
			for i := range 20 {
				braid.Go(ctx, g, func(ctx context.Context) (int, error) {
					if err := mu.Lock(ctx); err != nil {
						return 0, err
					}
					defer mu.Unlock()
					if err := strand.Yield(ctx); err != nil {
						return 0, err
					}
					sum += i
					return 0, nil
				})
			}
			return nil
		})
		return sum, err
	}).Await(context.Background())
	if sum != 190 || err != nil {
		t.Errorf("the scope in a task = %d, %v; want 190, nil", sum, err)
	}
	t.width(e, 1)
}

func nestSleep(t *trial) {
	e := t.open(Config{Workers: 1})
	start := time.Now()
	sleeper := newProbe(func(ctx context.Context) error { return strand.Sleep(ctx, 10*tick) })
	spawn(context.Background(), e, sleeper.call)
	<-sleeper.begun
	t.settle()
	other := newProbe(nil)
	e.Start(context.Background(), other.call)
	other.succeeded(t)
	t.passed(start, 0)
	sleeper.succeeded(t)
	t.passed(start, 10*tick)
}

// nestWait has a task wait, on one worker, for what only another task can do.
func nestWait(t *trial) {
	var (
		event     strand.Event
		mutex     strand.Mutex
		semaphore = strand.NewSemaphore(0)
		full      = strand.NewQueue[int](1)
		empty     = strand.NewQueue[int](1)
	)
	_ = mutex.TryLock()
	_ = full.TryPut(1)
	for _, w := range []struct {
		name  string
		wait  func(context.Context) error
		allow func()
	}{
		{"Event.Wait", event.Wait, event.Set},
		{"Mutex.Lock", mutex.Lock, mutex.Unlock},
		{"Semaphore.Acquire", func(ctx context.Context) error { return semaphore.Acquire(ctx, 2) }, func() { semaphore.Release(2) }},
		{"Queue.Put", func(ctx context.Context) error { return full.Put(ctx, 2) }, func() { _, _ = full.TryGet() }},
		{"Queue.Get", func(ctx context.Context) error { _, err := empty.Get(ctx); return err }, func() { _ = empty.TryPut(1) }},
	} {
		e := t.open(Config{Workers: 1})
		waiter := newProbe(w.wait)
		spawn(context.Background(), e, waiter.call)
		<-waiter.begun
		t.settle()
		if isClosed(waiter.ended) {
			t.Errorf("%s did not wait", w.name)
		}
		other := newProbe(func(context.Context) error { w.allow(); return nil })
		e.Start(context.Background(), other.call) // hangs if the waiter keeps the worker
		other.succeeded(t)
		waiter.succeeded(t)
		t.width(e, 1)
	}
}

func slotsComeBack(t *trial) {
	e := t.open(Config{Workers: 3})
	crowd(300, func(i int) {
		p := newProbe(func(ctx context.Context) error {
			for range i % 4 {
				if err := strand.Sleep(ctx, time.Microsecond); err != nil {
					return err
				}
			}
			if i%5 == 0 {
				runtime.Goexit()
			}
			return nil
		})
		e.Start(context.Background(), p.call)
		_ = p.outcome()
		p.ran(t, 1)
	})
	t.width(e, 3)
}

func boundHoldsForWoken(t *trial) {
	const workers = 2
	e := t.open(Config{Workers: workers})
	var awake gauge
	var start strand.Event
	var probes []*probe
	for range 20 {
		p := newProbe(func(ctx context.Context) error {
			for range 5 {
				if err := start.Wait(ctx); err != nil {
					return err
				}
				awake.enter()
				for range 3 {
					runtime.Gosched()
				}
				awake.leave()
				if err := strand.Sleep(ctx, time.Microsecond); err != nil {
					return err
				}
			}
			return nil
		})
		spawn(context.Background(), e, p.call)
		probes = append(probes, p)
	}
	t.settle()
	start.Set() // wakes all that have come to run at once
	for _, p := range probes {
		p.succeeded(t)
	}
	if peak := awake.peak.Load(); peak > workers {
		t.Errorf("%d tasks went on at once; want at most %d", peak, workers)
	}
	t.width(e, workers)
}

func cancelParked(t *trial) {
	e := t.open(Config{Workers: 1})
	var never strand.Event
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		p := newProbe(never.Wait)
		e.Start(ctx, p.call)
		<-p.begun
		t.settle()
		cancel()
		if err := p.outcome(); !engine.Cancelled(err) {
			t.Errorf("the outcome of a task that was cancelled while it was parked is %v", err)
		}
	}
	t.width(e, 1)
}

// raw runs on e a few tasks that start a raw goroutine each, which uses the
// context that ctxOf makes of the task's to park, as often as the task does. It
// returns when the tasks are complete; wait waits for the goroutines.
func (t *trial) raw(e Engine, ctxOf func(context.Context) context.Context, park func(context.Context)) {
	t.Helper()
	for range 10 {
		over := make(chan struct{})
		p := newProbe(func(ctx context.Context) error {
			rawCtx := ctxOf(ctx)
			go func() {
				defer close(over)
				for range 5 {
					park(rawCtx)
				}
			}()
			for range 5 {
				park(ctx)
			}
			<-over // both at once, and neither after the task
			return nil
		})
		e.Start(context.Background(), p.call)
		p.succeeded(t)
	}
}

// nap parks the strand of ctx for a moment, in two ways.
func nap(ctx context.Context) {
	_ = strand.Sleep(ctx, time.Microsecond)
	var event strand.Event
	go event.Set()
	_ = event.Wait(ctx)
}

func rawDetached(t *trial) {
	e := t.open(Config{Workers: 2})
	t.raw(e, strand.Detach, nap)
	t.width(e, 2)
	t.leftBehind(e, strand.Detach)
}

func rawDuring(t *trial) {
	e, events := t.watch(Config{Workers: 2})
	events.allowRaw()
	t.raw(e, func(ctx context.Context) context.Context { return ctx }, nap)
	t.width(e, 2)
}

func rawAfter(t *trial) {
	e, events := t.watch(Config{Workers: 2})
	events.allowRaw()
	t.leftBehind(e, func(ctx context.Context) context.Context { return ctx })
}

// leftBehind runs tasks that leave behind raw goroutines: some park when the task
// has returned, some were parked already, and are woken or cancelled afterwards.
func (t *trial) leftBehind(e Engine, ctxOf func(context.Context) context.Context) {
	t.Helper()
	var wake strand.Event
	var over []chan struct{}
	for i := range 12 {
		done := make(chan struct{})
		over = append(over, done)
		returned := t.gate()
		waiting := wake.Statistics().Waiting
		p := newProbe(func(ctx context.Context) error {
			ctx = ctxOf(ctx)
			if i%3 != 0 {
				ctx = context.WithoutCancel(ctx)
			}
			go func() {
				defer close(done)
				if i%2 == 0 {
					<-returned.ch
					nap(ctx)
				}
				_ = wake.Wait(ctx)
			}()
			for i%2 == 1 && wake.Statistics().Waiting == waiting {
				runtime.Gosched() // it is to be parked when the task returns
			}
			return nil
		})
		e.Start(context.Background(), p.call)
		p.succeeded(t)
		t.settle()
		returned.open()
	}
	t.settle()
	t.width(e, 2) // while they are parked
	wake.Set()
	for _, done := range over {
		<-done
	}
	t.width(e, 2)
}
