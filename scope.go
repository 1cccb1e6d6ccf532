package braid

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/cancel"
	"github.com/go-braid/braid/strand"
)

// Scope runs body on the calling strand with a group, and returns when body has
// returned and every call that was started through the group is complete: no
// child outlives it. The group runs its calls on ex.
//
// With [FailFast], the default, the first failure of body or child ends the
// context that body and children have, and Scope returns that failure, joined
// with those that other children came to meanwhile for reasons of their own.
// With [Settle], failures end nothing, and Scope returns all of them, joined.
// With [FirstSuccess], the first success of a child ends the context, and Scope
// returns body's error, mostly nil; only if no child succeeds does it return all
// failures.
//
// That a child was cancelled, by its future's Cancel or with the scope, is not a
// failure. If ctx ends and work was cut short by that, and nothing has failed,
// Scope returns strand.Err(ctx). If body panics, the children are cancelled and awaited, and
// the panic goes on.
//
// With [Limit] at most so many children run at once; starting another waits.
func Scope(ctx context.Context, ex Executor, body func(ctx context.Context, g *Group) error, opts ...Option) error {
	s := settings{}.with(opts)
	if ex == nil {
		ex = goroutines
	}
	if outer, ok := ex.(*Group); ok {
		// The outer scope waits for us already, and our failures are ours: the
		// children go straight to the engine.
		ex = outer.ex
	}
	g := &Group{ex: ex, join: s.policy.Join}
	if s.name != "" {
		g.trouble = &trouble{name: s.name}
	}
	if n := s.policy.Limit; n > 0 {
		g.slots = strand.NewSemaphore(n)
	}
	g.ctx.Init(ctx, (*groupValues)(g))
	return g.run(body)
}

// A Group starts the children of a [Scope]. It is an [Executor]: hand it to
// Submit, Go or Map. Its methods may be called from any goroutine.
//
// After the scope has failed, or its end has come, a group refuses calls with
// [ErrClosed].
type Group struct {
	ex    Executor
	slots *strand.Semaphore // nil: no limit of our own
	ctx   cancel.Context

	// children is the number of children that are not complete, or ended when
	// there will be no further ones.
	children atomic.Int64
	waiting  atomic.Bool // there is a wake; changes under mu

	join    engine.Join
	success bool // a child has succeeded; only told if join is FirstSuccess
	cut     bool // a child was cut short by the end of the group's context
	mu      sync.Mutex
	wake    func()   // of the strand that waits for the children
	trouble *trouble // nil: there was none
}

// trouble is what most groups do not have.
type trouble struct {
	name     string
	failures []error
	bodyErr  error
}

// inTrouble returns what there is, to be changed. It needs g.mu.
func (g *Group) inTrouble() *trouble {
	if g.trouble == nil {
		g.trouble = new(trouble)
	}
	return g.trouble
}

// parent returns the context that the scope was called with.
func (g *Group) parent() context.Context { return g.ctx.Parent() }

// name returns the name of the scope.
func (g *Group) name() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.trouble == nil {
		return "scope"
	}
	return cmp.Or(g.trouble.name, "scope")
}

// ended is so far below 0 that children who try to enter cannot reach it.
const ended = -1 << 62

// groupKey marks the contexts that end with a group's.
type groupKey struct{ g *Group }

// groupValues are the values of the context of a group.
type groupValues Group

// Value implements [cancel.Values].
func (g *groupValues) Value(key any) any {
	if k, ok := key.(groupKey); ok && k.g == (*Group)(g) {
		return k.g
	}
	return nil
}

var (
	errScopeLeft    = errors.New("braid: the scope has ended")
	errScopeSuccess = errors.New("braid: another child of the scope has succeeded")
)

func (g *Group) run(body func(context.Context, *Group) error) error {
	returned := false
	defer func() {
		if !returned { // body panicked or ended its goroutine, which goes on after this
			g.ctx.Cancel(errScopeLeft)
			g.wait()
		}
		g.ctx.Retire(&errScopeLeft)
	}()
	err := body(&g.ctx, g)
	if err != nil {
		g.fail(err)
	}
	g.wait()
	returned = true
	return g.outcome()
}

// Unwrap returns the engine that runs the group's calls.
func (g *Group) Unwrap() Executor { return g.ex }

// Start implements [Executor].
func (g *Group) Start(ctx context.Context, c *engine.Call) {
	// A call that the group itself has refused, and that is retried, comes here
	// again. It has been counted in.
	if c.Attempt() == 1 {
		if err := g.enter(); err != nil {
			g.refuse(ctx, c, err)
			return
		}
		ctx = g.adopt(ctx, c)
	}
	if g.slots != nil {
		if err := g.acquire(ctx, c.Spec().Policy.QueueTimeout); err != nil {
			g.refuse(ctx, c, err)
			return
		}
		c.OnDone(func(error) { g.slots.Release(1) })
	}
	g.ex.Start(ctx, c)
}

// refuse refuses a call that is not handed to the engine.
func (g *Group) refuse(ctx context.Context, c *engine.Call, why error) {
	c.Submit(ctx, &engine.Host{Name: g.name(), Executor: g})
	c.Refuse(why)
}

// A member is the body of a call that tells its group of its end by itself.
type member interface {
	enters(g *Group)
}

// adopt makes c a child of the group and returns the context for it: one that
// ends with the group's even if ctx comes from elsewhere.
func (g *Group) adopt(ctx context.Context, c *engine.Call) context.Context {
	if ctx.Value(groupKey{g}) != nil {
		if m, ok := c.Body().(member); ok {
			m.enters(g)
		} else {
			c.OnDone(g.leave)
		}
		return ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(&g.ctx, func() { cancel(context.Cause(&g.ctx)) })
	c.OnDone(func(err error) {
		stop()
		cancel(nil)
		g.leave(err)
	})
	return ctx
}

// acquire takes a place among those that Limit allows, waiting for it as long as
// the call may wait to be run.
func (g *Group) acquire(ctx context.Context, limit time.Duration) error {
	if limit <= 0 {
		return g.slots.Acquire(ctx, 1)
	}
	over := &TimeoutError{Limit: limit, Phase: engine.PhaseQueue}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, over)
	defer cancel()
	err := g.slots.Acquire(ctx, 1)
	if errors.Is(err, over) {
		return over
	}
	return err
}

// enter counts a child in, or says why there can be none.
func (g *Group) enter() error {
	if g.ctx.Ended() && g.children.Load() >= 0 {
		return fmt.Errorf("%w: its scope is ending: %w", ErrClosed, context.Cause(&g.ctx))
	}
	if g.children.Add(1) < 0 {
		g.children.Add(-1)
		return fmt.Errorf("%w: its scope has ended", ErrClosed)
	}
	return nil
}

// leave counts a child out and deals with its outcome.
func (g *Group) leave(err error) {
	if err == nil && g.join != FirstSuccess {
		g.leaveQuietly()
		return
	}
	g.mu.Lock()
	var end error
	switch {
	case err == nil:
		g.success = true
		if g.join == FirstSuccess {
			end = errScopeSuccess
		}
	case g.ctx.Err() != nil && engine.Interrupted(err) &&
		(engine.Cancelled(err) || errors.Is(err, context.Cause(&g.ctx))):
		g.cut = true
	case engine.Cancelled(err):
	case g.trouble != nil && g.trouble.bodyErr != nil && errors.Is(g.trouble.bodyErr, err): // body has passed it on
	default:
		t := g.inTrouble()
		t.failures = append(t.failures, err)
		if g.join == FailFast {
			end = err
		}
	}
	g.mu.Unlock()
	if end != nil {
		g.ctx.Cancel(end)
	}
	g.leaveQuietly()
}

// leaveQuietly counts a child out, and wakes who waits for the last one.
func (g *Group) leaveQuietly() {
	if g.children.Add(-1) != 0 || !g.waiting.Load() {
		return // who begins to wait after this sees that there is nobody left
	}
	g.mu.Lock()
	wake := g.wake
	if wake != nil {
		if g.children.CompareAndSwap(0, ended) {
			g.wake = nil
			g.waiting.Store(false)
		} else {
			wake = nil // another child has come since
		}
	}
	g.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// fail deals with the error of the body.
func (g *Group) fail(err error) {
	g.mu.Lock()
	if errors.Is(err, g.ctx.Err()) && strand.IsErr(&g.ctx, err) {
		g.cut = true // it only passes on that the scope was ending
		g.mu.Unlock()
		return
	}
	t := g.inTrouble()
	t.bodyErr = err
	// A failure of a child that body awaited and passes on counts once.
	passedOn := func(f error) bool { return errors.Is(err, f) }
	t.failures = append(slices.DeleteFunc(t.failures, passedOn), err)
	g.mu.Unlock()
	if g.join == FailFast {
		g.ctx.Cancel(err)
	}
}

// wait waits until there are no children, and lets no further ones in. The
// group's context may be done, and the wait must not be cut short by that.
func (g *Group) wait() {
	if g.children.CompareAndSwap(0, ended) {
		return
	}
	if j, ok := strand.ParkerOf(g.parent()).(engine.Joiner); ok {
		j.JoinAll(g.parent(), g)
		if g.children.CompareAndSwap(0, ended) {
			return
		}
	}
	op := strand.Op{Object: g, Kind: strand.OpWait, Access: strand.Read}
	_ = strand.Park(context.WithoutCancel(g.parent()), op, (*groupWaiter)(g))
}

// Has implements [engine.Family].
func (g *Group) Has(c *engine.Call) bool {
	m, ok := c.Body().(interface{ in(*Group) bool })
	return ok && m.in(g)
}

func (g *Group) outcome() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var t trouble
	if g.trouble != nil {
		t = *g.trouble
	}
	if g.join == FirstSuccess && g.success {
		return t.bodyErr
	}
	if len(t.failures) == 0 && g.cut {
		return strand.Err(g.parent())
	}
	if len(t.failures) == 1 {
		return t.failures[0]
	}
	return errors.Join(t.failures...)
}

// groupWaiter is the one strand that waits for the children of a group.
type groupWaiter Group

func (w *groupWaiter) Arm(wake func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wake = wake
	w.waiting.Store(true)
	// A child that leaves after this sees that somebody waits.
	if w.children.CompareAndSwap(0, ended) {
		w.wake = nil
		w.waiting.Store(false)
		return false
	}
	return true
}

func (w *groupWaiter) Disarm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	waiting := w.wake != nil
	w.wake = nil
	w.waiting.Store(false)
	return waiting
}
