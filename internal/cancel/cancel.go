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
	up     *Context                // the parent, if it is one of ours
	also   atomic.Pointer[Context] // another one that it ends with, or nil; changes under mu
	own    Values                  // may be nil
	cause  error                   // of Cancel; set before state
	state  atomic.Uint32           // changes under mu
	mu     sync.Mutex
	stand  atomic.Pointer[standIn] // changes under mu
	first  *Watch                  // the list of watches
	follow *Watch                  // of the parent, as long as there are others
	second *Watch                  // of also, as long as there are others or a stand-in
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
	c.up, _ = parent.(*Context)
}

// Up returns the context that c was made from, if it is one of ours, or nil.
func (c *Context) Up() *Context { return c.up }

// Ended reports whether c itself has ended, or has learned that its parent has.
func (c *Context) Ended() bool { return c.state.Load() != live }

// CanEnd reports whether c can end in any other way than by its own Cancel, or that of
// the one that was given to EndWith.
func (c *Context) CanEnd() bool { return c.up != nil || c.parent.Done() != nil }

// EndWith has c end with another context too, which takes nothing from anybody as long
// as nobody looks at c. It may be called once, or again with the same one.
func (c *Context) EndWith(also *Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.also.Load() != nil {
		return
	}
	c.also.Store(also)
	if c.first != nil || c.stand.Load() != nil {
		c.followAlso()
	}
}

// Retire ends c as Cancel does when it has served its purpose, and nobody should be
// using it any more: if nobody has ever looked at it, that costs next to nothing.
func (c *Context) Retire(cause error) {
	if c.stand.Load() == nil && c.mu.TryLock() {
		if c.first == nil && c.stand.Load() == nil && c.state.Load() == live {
			c.cause = cause
			c.state.Store(cancelled)
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
	}
	c.Cancel(cause)
}

// Cancel ends c, if it has not ended yet, with context.Canceled and the given cause, for
// which nil means context.Canceled.
func (c *Context) Cancel(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	c.finish(cause)
}

// finish ends c: with its parent if that has ended, or else with the cause.
func (c *Context) finish(cause error) {
	// Not under c.mu: a parent that learns by this that it has ended tells c.
	parentEnded := c.parent.Err() != nil
	c.mu.Lock()
	if also := c.also.Load(); also != nil && cause == nil && !parentEnded {
		// It is this one that has ended: only that brings us here.
		c.mu.Unlock()
		cause = context.Cause(also)
		c.mu.Lock()
	}
	if c.state.Load() != live {
		c.mu.Unlock()
		return
	}
	var stand *standIn // to be ended; with the parent it ends by itself
	if parentEnded {
		c.state.Store(orphaned)
	} else {
		c.cause = cause
		c.state.Store(cancelled)
		stand = c.stand.Load()
	}
	w := c.first
	c.first = nil
	for v := w; v != nil; v = v.next {
		v.waiting = false
	}
	if w != nil {
		c.leaveParent()
	}
	c.leaveAlso()
	c.mu.Unlock()
	if stand != nil {
		stand.end(cause)
	}
	for w != nil {
		target := w.target
		w = w.next // the watch is its owner's again once he is told
		target.Ended()
	}
}

// Deadline implements [context.Context].
func (c *Context) Deadline() (deadline time.Time, ok bool) { return c.parent.Deadline() }

// Err implements [context.Context].
func (c *Context) Err() error {
	if !c.over() {
		return nil
	}
	state := c.state.Load()
	if state == live {
		c.finish(nil)
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

// over reports whether c, or one that it ends with, has ended. It is a loop rather than a
// call of the parent's, since contexts of tasks that start tasks make long chains.
func (c *Context) over() bool {
	for {
		if c.state.Load() != live {
			return true
		}
		if also := c.also.Load(); also != nil && also.over() {
			return true
		}
		if c.up == nil {
			return c.parent.Err() != nil
		}
		c = c.up
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
		if c.up == nil {
			return c.parent.Value(key)
		}
		c = c.up
	}
}

// standard returns the context that stands for c.
func (c *Context) standard() context.Context {
	if s := c.stand.Load(); s != nil {
		return s.ctx
	}
	s := new(standIn)
	parent := c.parent
	if c.state.Load() == cancelled {
		parent = context.WithoutCancel(parent) // which may have ended since then
	}
	s.ctx, s.end = context.WithCancelCause(parent) // not under c.mu, as in finish
	c.mu.Lock()
	if other := c.stand.Load(); other != nil {
		c.mu.Unlock()
		s.end(nil)
		return other.ctx
	}
	c.stand.Store(s)
	c.followAlso()
	over := c.state.Load() == cancelled
	c.mu.Unlock()
	if over {
		s.end(c.cause)
	}
	return s.ctx
}
