package enginetest

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

var saturateRules = []rule{
	{"Bound", "no more calls run at once than the engine has workers", bounded, boundHolds},
	{"Waits", "when the engine is full Start waits, until there is room", waits, fullWaits},
	{"WaitsForContext", "while Start waits for room it heeds the context", waits, fullHeedsContext},
	{"WaitsOnStrand", "while Start waits for room it parks the strand that called it", waits, fullParksSubmitter},
	{"WaitsMany", "everybody who waits for room gets it", waits, fullServesAll},
	{"Refuses", "when the engine is full Start refuses with ErrSaturated, and admits again when there is room", refuses | virtual, fullRefuses},
	{"RefusesRetried", "a call that was refused for want of room can be retried", refuses | virtual, refusedIsRetried},
}

func boundHolds(t *trial) {
	const workers = 3
	e := t.open(Config{Workers: workers})
	var running gauge
	crowd(1000, func(i int) {
		p := newProbe(func(context.Context) error {
			running.enter()
			defer running.leave()
			for range i % 5 {
				runtime.Gosched()
			}
			return nil
		})
		e.Start(context.Background(), p.call)
		p.succeeded(t)
	})
	if peak := running.peak.Load(); peak > workers {
		t.Errorf("%d calls ran at once; want at most %d", peak, workers)
	}
	t.width(e, workers)
}

// fill makes an engine with 2 workers full: it returns the engine and the calls
// in it, which end when the gate is opened.
func (t *trial) fill(refuse bool, g *gate) (Engine, []*probe) {
	t.Helper()
	e := t.open(Config{Workers: 2, Queue: 2, Refuse: refuse})
	probes := t.occupy(e, 2, g)
	for range 2 {
		p := newProbe(g.hold)
		e.Start(context.Background(), p.call) // hangs if the queue holds less than it should
		probes = append(probes, p)
	}
	t.settle()
	for _, p := range probes {
		if isClosed(p.ended) {
			t.Errorf("a call is complete, with %v, that should wait in the queue or run", p.err)
		}
	}
	return e, probes
}

func fullWaits(t *trial) {
	first, rest := t.gate(), t.gate()
	e := t.open(Config{Workers: 1, Queue: 1})
	probes := t.occupy(e, 1, first)
	queued := newProbe(rest.hold)
	e.Start(context.Background(), queued.call)
	waiting := newProbe(nil)
	returned := spawn(context.Background(), e, waiting.call)
	t.settle()
	if isClosed(returned) {
		t.Error("Start has returned, though the engine is full")
	}
	first.open()
	<-queued.begun
	<-returned // hangs if the room that there is now is not given to it
	rest.open()
	for _, p := range append(probes, queued, waiting) {
		p.succeeded(t)
	}
}

func fullHeedsContext(t *trial) {
	g := t.gate()
	e, probes := t.fill(false, g)
	why := errors.New("never mind")
	ctx, cancel := context.WithCancelCause(context.Background())
	p := newProbe(nil)
	returned := spawn(ctx, e, p.call)
	t.settle()
	cancel(why)
	<-returned
	notStarted(t, p.outcome(), context.Canceled, why)
	g.open()
	for _, other := range probes {
		other.succeeded(t)
	}
	t.settle()
	p.ran(t, 0)
	t.width(e, 2)
}

func fullParksSubmitter(t *trial) {
	g := t.gate()
	e, _ := t.fill(false, g)
	foreign := &foreignParker{}
	p := newProbe(nil)
	returned := spawn(strand.WithParker(context.Background(), foreign), e, p.call)
	t.eventually("Start parks its strand by the parker of its context", func() bool {
		return len(foreign.ops()) > 0
	})
	g.open()
	<-returned
	p.succeeded(t)
}

func fullServesAll(t *trial) {
	g := t.gate()
	e, probes := t.fill(false, g)
	for range 50 {
		p := newProbe(nil)
		spawn(context.Background(), e, p.call)
		probes = append(probes, p)
	}
	t.settle()
	g.open()
	for _, p := range probes {
		p.succeeded(t)
	}
	t.width(e, 2)
}

func fullRefuses(t *trial) {
	for range 3 {
		g := t.gate()
		e, probes := t.fill(true, g)
		p := newProbe(nil)
		start := time.Now()
		e.Start(context.Background(), p.call) // hangs if it waits
		notStarted(t, p.outcome(), engine.ErrSaturated)
		t.passed(start, 0)
		p.ran(t, 0)
		g.open()
		for _, other := range probes {
			other.succeeded(t)
		}
		t.settle()
		again := newProbe(nil)
		e.Start(context.Background(), again.call)
		again.succeeded(t)
	}
}

func refusedIsRetried(t *trial) {
	g := t.gate()
	e, probes := t.fill(true, g)
	policy := engine.Policy{Retry: engine.Retry{Max: 1, Base: time.Hour, Cap: time.Hour}}
	p := newProbeWith(policy, nil)
	e.Start(context.Background(), p.call)
	t.settle()
	if isClosed(p.ended) {
		t.Errorf("the call has the outcome %v; it was to be retried", p.err)
	}
	g.open()
	for _, other := range probes {
		other.succeeded(t)
	}
	p.succeeded(t)
}
