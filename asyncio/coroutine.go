package asyncio

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A Coroutine is a strand of a loop. [Go] starts one; so does every call that a
// loop gets as an engine. Its methods may be called from any goroutine.
type Coroutine struct {
	ctx    strandContext
	loop   *Loop
	parent *Coroutine // that started it; nil: from outside, or that has ended
	id     uint64
	name   string
	fn     func(context.Context) error // nil for a call
	call   *call                       // nil for what Go started
	self   strand.Strand
	node   waitq.Node[*Coroutine] // in loop.alive
	worker *worker                // its stack, once it has begun

	mu      sync.Mutex
	done    atomic.Bool // changes under mu
	err     error       // set before done
	joiners waitq.List[func()]
	failure *failure // nil, or to be told when err is taken
}

// A call is what a coroutine that comes from outside the loop has in addition.
type call struct {
	Coroutine
	call   *engine.Call // nil for the main coroutine
	cancel context.CancelCauseFunc
	letter letter
}

// arrive implements sender.
func (c *call) arrive() { c.loop.admit(&c.Coroutine) }

// Go starts fn as a coroutine of the loop that ctx belongs to, as the function of
// another coroutine, and returns without waiting for it: fn begins in the loop's
// next turn. The context that fn gets is ctx with an identity of its own; to cancel
// the coroutine, cancel ctx. Whatever is still there when the loop ends is
// cancelled and awaited, but a scope is better: see braid.Scope.
//
// Go is lighter than braid.Go: there are no policy, no events and no result beside
// the error. It is for the coroutines themselves: ctx must be that of the one that
// calls it. From elsewhere, use braid.Go with the [Loop].
func Go(ctx context.Context, fn func(ctx context.Context) error) *Coroutine {
	p, ok := strand.ParkerOf(ctx).(*parker)
	if !ok {
		c := &Coroutine{err: errors.New("asyncio: Go: the context is not that of a coroutine; outside of asyncio.Run, use braid.Go with a Loop")}
		c.done.Store(true)
		return c
	}
	l := p.loop
	c := &Coroutine{loop: l, fn: fn, parent: l.current().co}
	c.ctx = strandContext{flat(ctx, l), c}
	if !l.inbox.empty() {
		l.inbox.open()
	}
	l.admit(c)
	return c
}

// strandContext is the context of a coroutine: another one, with the parker. A
// type of our own is one allocation less, and short to search.
type strandContext struct {
	context.Context
	c *Coroutine
}

// Value implements [context.Context].
func (x *strandContext) Value(key any) any {
	if _, ok := key.(strand.ParkerKey); ok {
		return (*parker)(x.c)
	}
	return x.Context.Value(key)
}

// flat returns ctx without the outermost layer if that only carries the parker of
// a coroutine of l, so that contexts do not get longer with each generation.
func flat(ctx context.Context, l *Loop) context.Context {
	if x, ok := ctx.(*strandContext); ok && x.c.loop == l {
		return x.Context
	}
	return ctx
}

// current returns the coroutine of l that ctx belongs to, or nil.
func current(ctx context.Context, l *Loop) *Coroutine {
	if p, ok := strand.ParkerOf(ctx).(*parker); ok && p.loop == l {
		return (*Coroutine)(p)
	}
	return nil
}

// LoopOf returns the loop that runs the coroutine that ctx belongs to, or nil.
func LoopOf(ctx context.Context) *Loop {
	if p, ok := strand.ParkerOf(ctx).(*parker); ok {
		return p.loop
	}
	return nil
}

// finish says that the coroutine has ended.
func (c *Coroutine) finish() {
	l := c.loop
	c.self.End()
	if c.call != nil {
		c.call.cancel(nil)
	}
	l.alive.Remove(&c.node)
	c.fn, c.worker, c.parent = nil, nil, nil
	if c.err != nil {
		c.noteFailure()
	}
	c.complete()
	if l.drains.Len() > 0 {
		l.checkDrains()
	}
}

func (c *Coroutine) complete() {
	c.mu.Lock()
	c.done.Store(true)
	if c.joiners.Len() == 0 {
		c.mu.Unlock()
		return
	}
	var wakes []func()
	for n := c.joiners.Pop(); n != nil; n = c.joiners.Pop() {
		wakes = append(wakes, n.Value)
	}
	c.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
}

// Join waits until the coroutine has ended and returns its error: what its
// function returned, or a [*engine.PanicError] if that panicked. If ctx is done
// first it returns strand.Err(ctx), and the coroutine goes on. Any number of strands
// may join a coroutine, on whatever engine; one that joins itself gets an error.
// The outcome of a call is its future's: for a call Join returns nil.
func (c *Coroutine) Join(ctx context.Context) error {
	if !c.done.Load() {
		if current(ctx, c.loop) == c {
			return errors.New("asyncio: a coroutine cannot join itself")
		}
		if err := c.await(ctx); err != nil {
			return err
		}
	}
	if c.failure != nil {
		c.failure.observed.Store(true)
	}
	return c.err
}

// await parks the calling strand until c is done.
func (c *Coroutine) await(ctx context.Context) error {
	var j *joiner
	if p, ok := strand.ParkerOf(ctx).(*parker); ok {
		j = &p.loop.current().joiner // a coroutine waits for one thing at a time
	} else {
		j = new(joiner)
	}
	j.c = c
	return strand.Park(ctx, strand.Op{Object: c, Kind: strand.OpAwait, Access: strand.Read}, j)
}

// Done reports whether the coroutine has ended.
func (c *Coroutine) Done() bool { return c.done.Load() }

type joiner struct {
	c    *Coroutine
	node waitq.Node[func()]
}

func (j *joiner) Arm(wake func()) bool {
	j.c.mu.Lock()
	defer j.c.mu.Unlock()
	if j.c.done.Load() {
		return false
	}
	j.node.Value = wake
	j.c.joiners.Push(&j.node)
	return true
}

func (j *joiner) Disarm() bool {
	j.c.mu.Lock()
	defer j.c.mu.Unlock()
	return j.c.joiners.Remove(&j.node)
}

// parker parks coroutines. It acts for the one that runs, whosever context it was
// found in: a closure that uses the context of the coroutine around it does no
// harm.
type parker Coroutine

const notOnLoop = "asyncio: this is not a coroutine of the loop: a goroutine started with a bare go statement needs a context from strand.Detach, a callback cannot wait, and other goroutines use braid.Go or CallSoonThreadsafe"

// current returns the worker of the coroutine that runs; there must be one.
func (l *Loop) current() *worker {
	l.checkGoroutine()
	w := l.running
	if w == nil || w.co == nil {
		panic(notOnLoop)
	}
	return w
}

// Self implements [strand.Parker].
func (p *parker) Self() *strand.Strand { return &p.loop.current().co.self }

// Now implements [strand.Parker].
func (p *parker) Now() time.Time { return p.loop.driver.Now() }

// Park implements [strand.Parker].
func (p *parker) Park(ctx context.Context, op strand.Op, waits strand.Waitable) error {
	if op.Outside || op.Kind.Outside() {
		// Meanwhile the loop does not take itself for deadlocked.
		p.loop.holds.Add(1)
		defer p.loop.holds.Add(-1)
	}
	w := p.loop.current()
	if c := w.co.call; c != nil && c.call != nil {
		if places := c.call.Places(); places != (engine.Places{}) {
			return p.lend(ctx, op, waits, places)
		}
	}
	return w.wait(ctx, op, waits)
}

// lend parks the coroutine that runs, which has the places, and lends them meanwhile.
func (p *parker) lend(ctx context.Context, op strand.Op, waits strand.Waitable, places engine.Places) error {
	l := &lender{Waitable: waits, places: places, op: op}
	err := p.loop.current().wait(ctx, op, l)
	if l.lent {
		places.Reclaim(reclaimer{p})
	}
	return err
}

// A lender is a Waitable that lends places once it is certain that the coroutine will
// park.
type lender struct {
	strand.Waitable
	places engine.Places
	op     strand.Op
	lent   bool
}

func (l *lender) Arm(wake func()) bool {
	armed := l.Waitable.Arm(wake)
	if armed {
		l.lent = l.places.Lend(l.op)
	}
	return armed
}

// A reclaimer parks the coroutine that runs until it has a place again.
type reclaimer struct{ *parker }

func (r reclaimer) Park(ctx context.Context, op strand.Op, waits strand.Waitable) error {
	return r.loop.current().wait(ctx, op, waits)
}

// Sleep implements [strand.Parker].
func (p *parker) Sleep(ctx context.Context, d time.Duration) error {
	w := p.loop.current()
	if err := w.mayPark(ctx); err != nil {
		return err
	}
	l := w.loop
	l.timers.set(&w.timer, l.clock()+int64(d), w)
	w.op, w.waits = strand.Op{Kind: strand.OpSleep}, (*sleeper)(w)
	return w.park(ctx)
}

// Yield implements [strand.Parker].
func (p *parker) Yield(context.Context) {
	w := p.loop.current()
	if w.dying {
		return
	}
	w.loop.push(w)
	w.loop.dispatch(w)
	if w.killed {
		w.unwind()
	}
}

func (w *worker) mayPark(ctx context.Context) error {
	if ctx.Err() != nil {
		return strand.Err(ctx)
	}
	w.unwind()
	if w.dying {
		return engine.ErrClosed
	}
	return nil
}

// tellParked tells the listener that the coroutine waits.
func (c *call) tellParked(op strand.Op) {
	if c.call != nil {
		c.call.Parked(&c.ctx, 0, op)
	}
}

// tellResumed tells the listener that the coroutine goes on.
func (c *call) tellResumed() {
	if c.call != nil {
		c.call.Resumed(&c.ctx, 0)
	}
}
