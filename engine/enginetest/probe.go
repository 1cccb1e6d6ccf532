package enginetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/engine"
)

// A probe is a body that counts what an engine does to it.
type probe struct {
	call  *engine.Call
	run   func(context.Context) error // nil: succeed
	begun chan struct{}               // closed when the body first runs
	ended chan struct{}               // closed when the call is complete
	runs  atomic.Int32
	dones atomic.Int32
	err   error // the outcome, set before ended is closed
}

// newProbe returns a probe with the zero policy, whose body is run.
func newProbe(run func(context.Context) error) *probe {
	return newProbeWith(engine.Policy{}, run)
}

func newProbeWith(policy engine.Policy, run func(context.Context) error) *probe {
	p := &probe{run: run, begun: make(chan struct{}), ended: make(chan struct{})}
	p.call = engine.NewCall(engine.Spec{Task: "probe", Policy: policy}, p)
	return p
}

// Run implements [engine.Body].
func (p *probe) Run(ctx context.Context) error {
	if p.runs.Add(1) == 1 {
		close(p.begun)
	}
	if p.run == nil {
		return nil
	}
	return p.run(ctx)
}

// Done implements [engine.Body].
func (p *probe) Done(err error) {
	if p.dones.Add(1) == 1 {
		p.err = err
		close(p.ended)
	}
}

// outcome waits for the call's end and returns its error.
func (p *probe) outcome() error {
	<-p.ended
	return p.err
}

// succeeded waits for the call's end and checks that it ran once and succeeded.
func (p *probe) succeeded(t *trial) {
	t.Helper()
	if err := p.outcome(); err != nil {
		t.Errorf("the call failed: %v", err)
	}
	p.ran(t, 1)
}

// ran checks that the call, which is complete, ran n times and was completed
// once, and that its error agrees on whether it ran.
func (p *probe) ran(t *trial, n int) {
	t.Helper()
	if runs := int(p.runs.Load()); runs != n {
		t.Errorf("the body ran %d times; want %d", runs, n)
	}
	p.once(t)
}

// once checks that the call, which is complete, was completed once, and that its
// error says it was not started if and only if it did not run.
func (p *probe) once(t *trial) {
	t.Helper()
	if dones := p.dones.Load(); dones != 1 {
		t.Errorf("the call was completed %d times; want once", dones)
	}
	started := p.runs.Load() > 0
	if says := !errors.Is(p.err, engine.ErrNotStarted); says != started {
		t.Errorf("the outcome is %v, but the body ran %d times", p.err, p.runs.Load())
	}
}

// A gauge measures how many strands are in a place at once.
type gauge struct{ now, peak atomic.Int64 }

func (g *gauge) enter() {
	n := g.now.Add(1)
	for {
		p := g.peak.Load()
		if n <= p || g.peak.CompareAndSwap(p, n) {
			return
		}
	}
}

func (g *gauge) leave() { g.now.Add(-1) }

// crowd runs f for the numbers from 0 to n-1 on 8 goroutines and waits for all.
func crowd(n int, f func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 8 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}
