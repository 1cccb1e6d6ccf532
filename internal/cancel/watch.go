package cancel

import "context"

// A Watcher wants to know that a context has ended.
type Watcher interface {
	// Ended is called once. It may be called on the goroutine that has ended the
	// context, so it must not block.
	Ended()
}

// A Watch has a [Watcher] told of the end of a context, as context.AfterFunc would,
// without allocating anything if it is a [Context]. The zero Watch is ready to use, and
// may be used again after Stop has returned true, or Ended was called.
type Watch struct {
	target Watcher
	of     *Context    // nil: of a context of another kind
	stop   func() bool // then takes it back; nil: there is nothing to take back

	// Under of.mu.
	waiting    bool
	prev, next *Watch
}

// Start has target told when ctx ends, at once if it has ended.
func (w *Watch) Start(ctx context.Context, target Watcher) {
	w.target, w.stop, w.of, w.waiting = target, nil, nil, false
	c, ok := ctx.(*Context)
	if ok {
		w.of = c
		c.watch(w)
	} else if ctx.Done() != nil {
		w.stop = context.AfterFunc(ctx, target.Ended)
	}
}

// Stop takes w back, and reports whether that was in time: false means that Ended was
// called or is about to be.
func (w *Watch) Stop() bool {
	if c := w.of; c != nil {
		return c.unwatch(w)
	}
	return w.stop == nil || w.stop()
}

func (c *Context) watch(w *Watch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() != live {
		go w.target.Ended()
		return
	}
	l := c.atLook()
	w.waiting, w.prev, w.next = true, nil, l.first
	if l.first != nil {
		l.first.prev = w
	} else {
		c.followParent(l)
	}
	l.first = w
}

// followParent has c end when its parent does. It needs c.mu.
func (c *Context) followParent(l *looked) {
	c.followAlso()
	if c.Up() == nil && c.parent.Done() == nil {
		return
	}
	if l.follow == nil {
		l.follow = new(Watch)
	}
	l.follow.Start(c.parent, (*followed)(c))
}

// followAlso has c end when the other one does that it ends with, if there is one. It
// needs c.mu.
func (c *Context) followAlso() {
	also, l := c.also.Load(), c.atLook()
	if also == nil || l.second != nil || c.state.Load() != live {
		return
	}
	l.second = new(Watch)
	l.second.Start(also, (*followed)(c))
}

// leaveAlso takes back followAlso; c has ended. It needs c.mu.
func (c *Context) leaveAlso() {
	if l := c.looked.Load(); l != nil && l.second != nil {
		l.second.Stop()
		l.second = nil
	}
}

// leaveParent takes back followParent. It needs c.mu.
func (c *Context) leaveParent() {
	if l := c.looked.Load(); l != nil && l.follow != nil && !l.follow.Stop() {
		l.follow = nil // the parent has still to do with it
	}
}

func (c *Context) unwatch(w *Watch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !w.waiting {
		return false
	}
	w.waiting = false
	if w.next != nil {
		w.next.prev = w.prev
	}
	l := c.atLook()
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if l.first == nil {
		c.leaveParent()
	}
	return true
}

// followed is a Context whose parent has ended.
type followed Context

func (f *followed) Ended() { (*Context)(f).finish(nil) }
