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
	cause  error         // of Cancel; set before state
	state  atomic.Uint32 // changes under mu
	mu     sync.Mutex
	stand  atomic.Pointer[standIn] // changes under mu
	first  *Watch                  // the list of watches
	follow *Watch                  // of the parent, as long as there are others
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
func New(parent context.Context) *Context { return &Context{parent: parent} }

// Init makes the zero Context c one that ends with parent.
func (c *Context) Init(parent context.Context) { c.parent = parent }

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
	state := c.state.Load()
	if state == live && c.parent.Err() != nil {
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

// Done implements [context.Context].
func (c *Context) Done() <-chan struct{} { return c.standard().Done() }

// Value implements [context.Context].
func (c *Context) Value(key any) any {
	// The standard library finds the context that stands for c, which it wants to know
	// the cause and enters children in, by the address of an int.
	if _, ok := key.(*int); ok {
		return c.standard().Value(key)
	}
	return c.parent.Value(key)
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
	over := c.state.Load() == cancelled
	c.mu.Unlock()
	if over {
		s.end(c.cause)
	}
	return s.ctx
}
