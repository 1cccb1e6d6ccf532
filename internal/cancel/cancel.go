// Package cancel is contexts that cost little as long as nobody looks at them.
//
// A context of the standard library enters itself in its parent when it is made, and
// who waits for its end enters himself in it: work that is done for each call of a task,
// and undone after it, though most calls are not cancelled and most tasks never ask. A
// [Context] of this package does that work when it is asked for its channel, or when a
// context is derived from it, by making one of the standard library to stand for it.
package cancel

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Context is a [context.Context] that ends with its parent, or by Cancel. Make one
// with [New] or, inside a larger object, with [Context.Init]. It must not be copied.
type Context struct {
	parent context.Context
	also   atomic.Pointer[Context] // another one that it ends with, or nil; changes under mu
	own    Values                  // may be nil
	cause  *error                  // of Cancel; set before state
	top    *Context                // the oldest one of ours in the chain, if that is not this one
	mu     sync.Mutex
	looked atomic.Pointer[looked] // changes under mu
	state  atomic.Uint32          // changes under mu

	seen  uint32        // countEnds when it was last known that nothing had ended
	ends  atomic.Uint32 // in the oldest one: see countEnds
	young atomic.Int32  // contexts made from it that have not ended, and lives if it was given to EndWith
}

// looked is what a Context has at which somebody has looked.
type looked struct {
	stand  atomic.Pointer[standIn] // changes under mu
	first  *Watch                  // the list of watches
	follow *Watch                  // of the parent, as long as there are others
	second *Watch                  // of also, as long as there are others or a stand-in
}

// atLook returns what is there when somebody looks at c. It needs c.mu.
func (c *Context) atLook() *looked {
	l := c.looked.Load()
	if l == nil {
		l = new(looked)
		c.looked.Store(l)
	}
	return l
}

// standing returns what stands for c, or nil.
func (c *Context) standing() *standIn {
	if l := c.looked.Load(); l != nil {
		return l.stand.Load()
	}
	return nil
}

// A chain of contexts can be as long as tasks start tasks, and each is asked whether it has
// ended when its task begins. So that it need not ask all others, ends are counted in the
// oldest one of ours: as long as there were no more of them than when it was last found
// alive, it is. An end counts only if there are younger ones that could learn of it.

// lifeEnds counts the ends of contexts that were given to EndWith.
var lifeEnds atomic.Uint32

// lives is more than the contexts that are made from one.
const lives = 1 << 30

// ends returns how often a context that c ends with may have ended.
func (c *Context) countEnds() uint32 { return c.oldest().ends.Load() + lifeEnds.Load() }

// oldest returns the oldest one of ours in the chain. A context does not point to itself:
// that would be one more pointer for the garbage collector to follow.
func (c *Context) oldest() *Context {
	if c.top == nil {
		return c
	}
	return c.top
}

// Values are values that a [Context] has itself.
type Values interface {
	// Value returns the value for key, or nil: then the parent is asked.
	Value(key any) any
}

// The states of a Context.
const (
	live      = iota
	cancelled // by Cancel
	orphaned  // its parent has ended
)

// A standIn is the context of the standard library that stands for a Context.
type standIn struct {
	ctx context.Context
	end context.CancelCauseFunc
}

// New returns a context that ends with parent.
func New(parent context.Context) *Context {
	c := new(Context)
	c.Init(parent, nil)
	return c
}

// Init makes the zero Context c one that ends with parent, and has the values of own,
// which may be nil, before those of parent.
func (c *Context) Init(parent context.Context, own Values) {
	c.parent, c.own = parent, own
	up, ok := parent.(*Context)
	if !ok {
		c.seen = c.countEnds()
		return
	}
	c.top = up.oldest()
	up.young.Add(1)
	// If the parent ends after this, it sees that there is somebody to whom that
	// matters, and counts it.
	seen := atomic.LoadUint32(&up.seen)
	if up.state.Load() != live {
		seen = c.countEnds() - 1 // never seen
	}
	c.seen = seen
}

// ended says that c has ended: its state says so already. It needs c.mu: who learns from a
// stand-in that c has ended, and then asks a younger context, must find it counted.
func (c *Context) ended() {
	if c.young.Load() > 0 {
		c.oldest().ends.Add(1)
	}
	if c.young.Load() >= lives {
		lifeEnds.Add(1)
	}
	if up := c.Up(); up != nil {
		up.young.Add(-1)
	}
}

// Up returns the context that c was made from, if it is one of ours, or nil.
func (c *Context) Up() *Context {
	up, _ := c.parent.(*Context)
	return up
}

// Parent returns the context that c was made from.
func (c *Context) Parent() context.Context { return c.parent }

// Ended reports whether c itself has ended, or has learned that its parent has.
func (c *Context) Ended() bool { return c.state.Load() != live }

// CanEnd reports whether c can end in any other way than by its own Cancel, or that of
// the one that was given to EndWith.
func (c *Context) CanEnd() bool { return c.Up() != nil || c.parent.Done() != nil }

// EndWith has c end with another context too, which takes nothing from anybody as long
// as nobody looks at c. It may be called once, or again with the same one.
func (c *Context) EndWith(also *Context) {
	if c.also.Load() != nil {
		return
	}
	for n := also.young.Load(); n < lives && !also.young.CompareAndSwap(n, n+lives); n = also.young.Load() {
	}
	c.also.Store(also)
	if also.Ended() { // from now on, it is counted
		atomic.StoreUint32(&c.seen, c.countEnds()-1)
	}
	// Who looks at c after this sees also.
	if c.looked.Load() != nil {
		c.mu.Lock()
		if l := c.looked.Load(); l.first != nil || l.stand.Load() != nil {
			c.followAlso()
		}
		c.mu.Unlock()
	}
}

// Retire ends c as Cancel does when it has served its purpose, and nobody should be
// using it any more: if nobody has ever looked at it, that costs next to nothing. The
// cause is not copied.
func (c *Context) Retire(cause *error) {
	if c.looked.Load() == nil && c.mu.TryLock() {
		if c.looked.Load() == nil && c.state.Load() == live {
			c.cause = cause
			c.state.Store(cancelled)
			c.ended()
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
	}
	c.finish(cause)
}

// Cancel ends c, if it has not ended yet, with context.Canceled and the given cause, for
// which nil means context.Canceled.
func (c *Context) Cancel(cause error) {
	if cause == nil {
		c.finish(&context.Canceled)
		return
	}
	kept := cause // a copy, so that the case above needs no memory
	c.finish(&kept)
}

// finish ends c, with its parent if that has ended, or else with the cause, and tells those
// who watch it.
func (c *Context) finish(cause *error) { tell(c.end(cause)) }

// tell tells those in a list of watches that the context has ended.
func tell(w *Watch) {
	for w != nil {
		target := w.target
		w = w.next // the watch is its owner's again once he is told
		target.Ended()
	}
}

// end is finish, but for those who are to be told, whom it returns.
func (c *Context) end(cause *error) *Watch {
	// Not under c.mu: a parent that learns by this that it has ended tells c.
	parentEnded := c.parent.Err() != nil
	c.mu.Lock()
	if also := c.also.Load(); also != nil && cause == nil && !parentEnded {
		// It is this one that has ended: only that brings us here.
		c.mu.Unlock()
		why := context.Cause(also)
		cause = &why
		c.mu.Lock()
	}
	if c.state.Load() != live {
		c.mu.Unlock()
		return nil
	}
	var stand *standIn // to be ended; with the parent it ends by itself
	if parentEnded {
		c.state.Store(orphaned)
	} else {
		c.cause = cause
		c.state.Store(cancelled)
		stand = c.standing()
	}
	var w *Watch
	if l := c.looked.Load(); l != nil {
		w, l.first = l.first, nil
	}
	for v := w; v != nil; v = v.next {
		v.waiting = false
	}
	if w != nil {
		c.leaveParent()
	}
	c.leaveAlso()
	c.ended()
	c.mu.Unlock()
	if stand != nil {
		stand.end(*cause)
	}
	return w
}

// Deadline implements [context.Context].
func (c *Context) Deadline() (deadline time.Time, ok bool) {
	return c.oldest().parent.Deadline()
}

// Err implements [context.Context].
func (c *Context) Err() error {
	if !c.over() {
		return nil
	}
	state := c.state.Load()
	if state == live {
		// Who only asks may hold locks that those need who are to be told.
		if w := c.end(nil); w != nil {
			go tell(w)
		}
		state = c.state.Load()
	}
	switch state {
	case cancelled:
		return context.Canceled
	case orphaned:
		return c.parent.Err()
	}
	return nil
}

// over reports whether c, or one that it ends with, has ended.
func (c *Context) over() bool {
	if c.state.Load() != live || c.oldest().parent.Err() != nil {
		return true
	}
	n := c.countEnds()
	if atomic.LoadUint32(&c.seen) == n {
		return false
	}
	if c.hasEnded() {
		return true
	}
	atomic.StoreUint32(&c.seen, n)
	return false
}

// hasEnded asks all of the chain.
func (c *Context) hasEnded() bool {
	for {
		if c.state.Load() != live {
			return true
		}
		if also := c.also.Load(); also != nil && also.over() {
			return true
		}
		up := c.Up()
		if up == nil {
			return c.parent.Err() != nil
		}
		c = up
	}
}

// Done implements [context.Context].
func (c *Context) Done() <-chan struct{} { return c.standard().Done() }

// Value implements [context.Context].
func (c *Context) Value(key any) any {
	// The standard library finds the context that stands for c, which it wants to know
	// the cause and enters children in, by the address of an int.
	if _, ok := key.(*int); ok {
		return c.standard().Value(key)
	}
	for {
		if c.own != nil {
			if v := c.own.Value(key); v != nil {
				return v
			}
		}
		up := c.Up()
		if up == nil {
			return c.parent.Value(key)
		}
		c = up
	}
}

// why returns the cause of a context that has ended, once that is counted.
func (c *Context) why() error {
	c.mu.Lock()
	cause := c.cause
	c.mu.Unlock()
	if cause != nil {
		return *cause
	}
	return context.Cause(c.parent)
}

// standard returns the context that stands for c.
func (c *Context) standard() context.Context {
	if s := c.standing(); s != nil {
		// Who knows that c has ended may ask for the cause, or wait, before the word has
		// come to what stands for it. Only its own state is looked at: to ask all of a long
		// chain, at each link of it, would take the cube of its length.
		if c.Ended() {
			s.end(c.why())
		}
		return s.ctx
	}
	s := new(standIn)
	parent := c.parent
	if c.state.Load() == cancelled {
		parent = context.WithoutCancel(parent) // which may have ended since then
	}
	s.ctx, s.end = context.WithCancelCause(parent) // not under c.mu, as in finish
	c.mu.Lock()
	if other := c.standing(); other != nil {
		c.mu.Unlock()
		s.end(nil)
		return other.ctx
	}
	c.atLook().stand.Store(s)
	c.followAlso()
	over := c.state.Load() == cancelled
	c.mu.Unlock()
	if over {
		s.end(*c.cause)
	}
	return s.ctx
}
