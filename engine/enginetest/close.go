package enginetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

var closeRules = []rule{
	{"Idle", "an engine that was never used can be closed, any number of times", portable, closeIdle},
	{"After", "after Close a call is refused with ErrClosed", portable, closeRefuses},
	{"WaitsForRunning", "Close returns when the calls that run are complete, to every caller", 0, closeWaits},
	{"Context", "Close returns when its context is done, and the engine closes all the same", 0, closeHeedsContext},
	{"Queued", "queued calls are complete when Close returns: they have run, or are refused with ErrClosed", bounded, closeSettlesQueue},
	{"Waiting", "those who wait for room when the engine is closed get ErrClosed", waits, closeWakesSubmitters},
	{"Load", "when Close races with Start nothing hangs, and every call runs or is refused with ErrClosed", 0, closeUnderLoad},
	{"FromTask", "Close from inside a task returns, with its context at the latest, and closes the engine", 0, closeFromTask},
	{"BackOff", "a call between two attempts is completed although the engine is closed", virtual, closeDuringBackOff},
	{"Again", "engines can be made and closed any number of times", portable, startStop},
	{"Drain", "Drain returns when every call that was admitted before has ended as if nobody drained", drains, drainFinishes},
	{"DrainContext", "Drain returns when its context is done, and refuses nothing that was admitted", drains, drainHeedsContext},
	{"DrainLoad", "Drain under load, from several goroutines and twice, loses no call", drains, drainUnderLoad},
	{"DrainFromTask", "Drain from inside a task returns, with its context at the latest", drains, drainFromTask},
}

func closeIdle(t *trial) {
	e := t.open(Config{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := e.Close(context.Background()); err != nil {
				t.Errorf("Close = %v; want nil", err)
			}
		})
	}
	wg.Wait()
}

func closeRefuses(t *trial) {
	e := t.open(Config{})
	if _, err := braid.Submit(context.Background(), e, double, 1).Await(context.Background()); err != nil {
		t.Error(err)
	}
	if err := e.Close(context.Background()); err != nil {
		t.Errorf("Close = %v; want nil", err)
	}
	for range 50 { // more than there is room for
		_, err := braid.Submit(context.Background(), e, double, 1, braid.Retry(3)).Await(context.Background())
		notStarted(t, err, engine.ErrClosed)
	}
}

func closeWaits(t *trial) {
	e := t.open(Config{Workers: 2})
	g := t.gate()
	probes := t.occupy(e, 2, g)
	var wg sync.WaitGroup
	var returned atomic.Int32
	for range 3 {
		wg.Go(func() {
			if err := e.Close(context.Background()); err != nil {
				t.Errorf("Close = %v; want nil", err)
			}
			for _, p := range probes {
				if !isClosed(p.ended) {
					t.Error("Close has returned nil before a running call was complete")
				}
			}
			returned.Add(1)
		})
	}
	t.settle()
	if n := returned.Load(); n > 0 {
		t.Errorf("%d calls of Close have returned while calls run", n)
	}
	g.open()
	wg.Wait()
	for _, p := range probes {
		p.succeeded(t)
	}
}

func closeHeedsContext(t *trial) {
	e := t.open(Config{Workers: 2})
	g := t.gate()
	probes := t.occupy(e, 2, g)
	ctx, cancel := context.WithTimeout(context.Background(), tick)
	defer cancel()
	if err := e.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close with a task that does not end = %v; want context.DeadlineExceeded", err)
	}
	late := newProbe(nil)
	e.Start(context.Background(), late.call)
	notStarted(t, late.outcome(), engine.ErrClosed)
	g.open()
	for _, p := range probes {
		if t.caps.Forces {
			matches(t, p.outcome(), engine.ErrGoexit)
			continue
		}
		p.succeeded(t)
	}
	if err := e.Close(context.Background()); err != nil {
		t.Errorf("Close = %v; want nil", err)
	}
}

// ranOrClosed checks that the call of p, once complete, has run and succeeded, or
// was refused with ErrClosed.
func ranOrClosed(t *trial, p *probe) {
	t.Helper()
	if err := p.outcome(); err != nil {
		notStarted(t, err, engine.ErrClosed)
	}
	p.once(t)
}

func closeSettlesQueue(t *trial) {
	e := t.open(Config{Workers: 1, Queue: 8})
	g := t.gate()
	busy := t.occupy(e, 1, g)
	var queued []*probe
	for range 8 {
		p := newProbe(nil)
		e.Start(context.Background(), p.call)
		queued = append(queued, p)
	}
	closed := make(chan error, 1)
	go func() { closed <- e.Close(context.Background()) }()
	t.settle()
	g.open()
	if err := <-closed; err != nil {
		t.Errorf("Close = %v; want nil", err)
	}
	for _, p := range queued {
		if !isClosed(p.ended) {
			t.Error("a queued call is not complete when Close returns nil")
		}
		ranOrClosed(t, p)
	}
	busy[0].succeeded(t)
}

func closeWakesSubmitters(t *trial) {
	g := t.gate()
	e, admitted := t.fill(false, g)
	var waiting []*probe
	var returned []<-chan struct{}
	for range 5 {
		p := newProbe(nil)
		waiting = append(waiting, p)
		returned = append(returned, spawn(context.Background(), e, p.call))
	}
	t.settle()
	closed := make(chan error, 1)
	go func() { closed <- e.Close(context.Background()) }()
	if t.caps.NoBubble {
		g.open() // they may not have been waiting yet, and get room as well
	}
	for i, p := range waiting {
		<-returned[i] // hangs if Start goes on to wait
		if t.caps.NoBubble {
			ranOrClosed(t, p)
		} else {
			notStarted(t, p.outcome(), engine.ErrClosed)
		}
	}
	g.open()
	if err := <-closed; err != nil {
		t.Errorf("Close = %v; want nil", err)
	}
	for _, p := range admitted {
		ranOrClosed(t, p)
	}
}

func closeUnderLoad(t *trial) {
	for round := range 20 {
		e := t.open(Config{Workers: 2, Queue: 4})
		var closing sync.WaitGroup
		var mu sync.Mutex
		var probes []*probe
		enough := make(chan struct{})
		for range 3 {
			closing.Go(func() {
				<-enough
				if err := e.Close(context.Background()); err != nil {
					t.Errorf("Close = %v; want nil", err)
				}
			})
		}
		crowd(200, func(i int) {
			if i == 10*round {
				close(enough)
			}
			p := newProbe(func(context.Context) error {
				return strand.Yield(context.Background())
			})
			mu.Lock()
			probes = append(probes, p)
			mu.Unlock()
			e.Start(context.Background(), p.call)
		})
		closing.Wait()
		for _, p := range probes {
			if !isClosed(p.ended) {
				// Start may have been called after Close had returned, but it
				// has returned as well, so the call is complete.
				t.Fatal("a call is not complete though Start and Close have returned")
			}
			ranOrClosed(t, p)
		}
	}
}

// fromTask calls end, with the context of a task and a limit, inside that task.
// What it returns, when it cannot wait for its caller, is its own affair.
func (t *trial) fromTask(e Engine, end func(context.Context) error) {
	t.Helper()
	p := newProbe(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, tick)
		defer cancel()
		_ = end(ctx)
		return nil
	})
	start := time.Now()
	spawn(context.Background(), e, p.call)
	p.succeeded(t) // hangs if the task waits for itself
	if late := time.Since(start); late > tick && !t.caps.NoBubble {
		t.Errorf("it has returned %v after its context was done", late-tick)
	}
}

func closeFromTask(t *trial) {
	e := t.open(Config{})
	t.fromTask(e, e.Close)
	late := newProbe(nil)
	e.Start(context.Background(), late.call)
	notStarted(t, late.outcome(), engine.ErrClosed)
	if err := e.Close(context.Background()); err != nil {
		t.Errorf("Close = %v; want nil", err)
	}
}

func closeDuringBackOff(t *trial) {
	e := t.open(Config{})
	boom := errors.New("boom")
	policy := engine.Policy{Retry: engine.Retry{Max: 3, Base: time.Hour, Cap: time.Hour}}
	p := newProbeWith(policy, func(context.Context) error { return boom })
	spawn(context.Background(), e, p.call)
	<-p.begun
	t.settle()
	if err := e.Close(context.Background()); err != nil {
		t.Errorf("Close = %v; want nil", err)
	}
	matches(t, p.outcome(), boom) // hangs if nobody completes it
	p.once(t)
}

func startStop(t *trial) {
	for i := range 50 {
		e := t.make(t.T, Config{Workers: 1 + i%4, Queue: 4, Refuse: !t.caps.Waits})
		f := braid.Submit(context.Background(), e, double, i)
		if i%2 == 0 {
			if v, err := f.Await(context.Background()); v != 2*i || err != nil {
				t.Errorf("the result of %d is %d, %v", i, v, err)
			}
		}
		if err := e.Close(context.Background()); err != nil {
			t.Errorf("Close = %v; want nil", err)
		}
		if v, err := f.Await(context.Background()); v != 2*i && !errors.Is(err, engine.ErrClosed) {
			t.Errorf("the result of %d is %d, %v", i, v, err)
		}
	}
}

// drainer returns the engine's Drain.
func (t *trial) drainer(e Engine) Drainer {
	t.Helper()
	d, ok := engine.As[Drainer](e)
	if !ok {
		t.Fatalf("Caps say that the engine drains, but %T has no method Drain", e)
	}
	return d
}

func drainFinishes(t *trial) {
	e := t.open(Config{Workers: 2, Queue: 10})
	if err := t.drainer(e).Drain(canceled()); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Drain of an idle engine with a context that is done = %v; want nil or context.Canceled", err)
	}
	e = t.open(Config{Workers: 2, Queue: 10})
	g := t.gate()
	probes := t.occupy(e, 2, g)
	for range 8 {
		p := newProbe(func(ctx context.Context) error { return strand.Sleep(ctx, tick) })
		t.admit(e, p)
		probes = append(probes, p)
	}
	drained := make(chan error, 1)
	go func() { drained <- t.drainer(e).Drain(context.Background()) }()
	t.settle()
	if len(drained) > 0 {
		t.Error("Drain has returned while calls run and wait")
	}
	g.open()
	if err := <-drained; err != nil {
		t.Errorf("Drain = %v; want nil", err)
	}
	for _, p := range probes {
		if !isClosed(p.ended) {
			t.Error("a call that was admitted before is not complete when Drain returns nil")
		}
		p.succeeded(t)
	}
}

// canceled returns a context that is done.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// admit starts the call of p and returns when it is admitted.
func (t *trial) admit(e Engine, p *probe) {
	returned := spawn(context.Background(), e, p.call)
	if t.caps.Serial {
		<-p.begun // Start goes on to wait for the end
		return
	}
	<-returned
}

func drainHeedsContext(t *trial) {
	e := t.open(Config{Workers: 1})
	g := t.gate()
	probes := t.occupy(e, 1, g)
	queued := newProbe(nil)
	t.admit(e, queued)
	ctx, cancel := context.WithTimeout(context.Background(), tick)
	defer cancel()
	if err := t.drainer(e).Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Drain with a task that does not end = %v; want context.DeadlineExceeded", err)
	}
	g.open()
	for _, p := range append(probes, queued) {
		p.succeeded(t)
	}
}

func drainUnderLoad(t *trial) {
	e := t.open(Config{Workers: 2})
	var draining sync.WaitGroup
	enough := make(chan struct{})
	for range 3 {
		draining.Go(func() {
			<-enough
			for range 2 {
				if err := t.drainer(e).Drain(context.Background()); err != nil {
					t.Errorf("Drain = %v; want nil", err)
				}
			}
		})
	}
	crowd(500, func(i int) {
		if i == 100 {
			close(enough)
		}
		p := newProbe(func(ctx context.Context) error { return strand.Yield(ctx) })
		e.Start(context.Background(), p.call)
		ranOrClosed(t, p)
	})
	draining.Wait()
}

func drainFromTask(t *trial) {
	e := t.open(Config{})
	t.fromTask(e, t.drainer(e).Drain)
}
