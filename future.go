package braid

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A Future is the result of a call, now or later. Its methods may be called from
// any goroutine, any number of times.
type Future[T any] struct {
	completion
	value T // set before the completion
}

// Await returns the call's result and error, waiting for them if need be. If ctx
// is done first, it returns strand.Err(ctx), and the call goes on: to end it,
// use Cancel. The error of a failed call is a [*TaskError]; an error of Await's
// own is not.
func (f *Future[T]) Await(ctx context.Context) (T, error) {
	if !f.isDone() {
		f.help()
	}
	if !f.isDone() {
		if j, ok := strand.ParkerOf(ctx).(engine.Joiner); ok {
			j.Join(ctx, &f.call)
		}
	}
	if !f.isDone() {
		w := &futureWaiter{c: &f.completion}
		op := strand.Op{Object: f, Kind: strand.OpAwait, Access: strand.Read}
		if err := strand.Park(ctx, op, w); err != nil {
			var zero T
			return zero, err
		}
	}
	return f.result()
}

// help has the engine bring the call on, if it can.
func (f *Future[T]) help() {
	host := f.call.Host()
	if host == nil || host.Executor == nil {
		return
	}
	if h, ok := host.Executor.(engine.Helper); ok {
		h.Help(&f.done)
	}
}

// result needs a future that is done.
func (f *Future[T]) result() (T, error) {
	if f.failure == nil {
		return f.value, nil
	}
	f.failure.observed.Store(true)
	return f.value, f.failure.err
}

// Done returns a channel that is closed when the call is complete. It is for
// select statements; a strand that only waits had better call Await, which lets
// its engine know.
func (f *Future[T]) Done() <-chan struct{} { return f.channel() }

// OnDone has f called once the call is complete, at once if it is already. F is
// called on whatever strand completes the call, so it must neither block nor
// panic; for anything longer, start a goroutine in it or use [AsCompleted].
// Several functions are called in the order of their registration. Stop takes f
// back, and reports whether it did before f was called.
func (f *Future[T]) OnDone(fn func()) (stop func() bool) {
	n := &waitq.Node[func()]{Value: fn}
	if !f.watch(n) {
		fn()
	}
	return func() bool { return f.unwatch(n) }
}

// Cancel asks the call to end: its context is cancelled with the given cause,
// for which nil means context.Canceled. A call that waits to be run fails at once
// with [ErrNotStarted], one that waits to be retried with its last failure and
// the cancelling; one that runs fails when the task returns an error, and
// succeeds if it succeeds all the same. Cancel does not wait, and does nothing to
// a call that is complete.
func (f *Future[T]) Cancel(cause error) {
	if !f.isDone() {
		f.call.Cancel(cause)
	}
}

// A completion is the part of a future that does not depend on the result's
// type: the call itself, whether it is complete, with which error, and who waits.
type completion struct {
	call    engine.Call
	mu      sync.Mutex
	done    atomic.Bool // changes under mu
	child   bool        // of a group, which counts it
	failure *failure    // set before done; nil if the call has succeeded
	waiting *waiting    // made on demand; changes under mu
}

// waiting is who waits for a completion, and by what.
type waiting struct {
	list waitq.List[func()]
	ch   chan struct{} // made on demand
}

// wait returns who waits, to be changed. It needs c.mu.
func (c *completion) wait() *waiting {
	if c.waiting == nil {
		c.waiting = new(waiting)
	}
	return c.waiting
}

func (c *completion) isDone() bool { return c.done.Load() }

func (c *completion) complete(failure *failure) {
	c.mu.Lock()
	c.failure = failure
	c.done.Store(true)
	w := c.waiting
	if w != nil && w.ch != nil {
		close(w.ch)
	}
	c.mu.Unlock()
	if w != nil {
		c.wake(&w.list)
	}
}

// wake calls those who wait. Who is no longer in the list is called, or about to be.
func (c *completion) wake(l *waitq.List[func()]) {
	for {
		c.mu.Lock()
		n := l.Pop()
		c.mu.Unlock()
		if n == nil {
			return
		}
		n.Value()
	}
}

func (c *completion) channel() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.wait()
	if w.ch == nil {
		w.ch = make(chan struct{})
		if c.done.Load() {
			close(w.ch)
		}
	}
	return w.ch
}

// watch has n.Value called when c is complete. It reports false, and calls
// nothing, if c is complete already.
func (c *completion) watch(n *waitq.Node[func()]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done.Load() {
		return false
	}
	c.wait().list.Push(n)
	return true
}

// unwatch takes a watch back, and reports false if n.Value has been called or is
// about to be.
func (c *completion) unwatch(n *waitq.Node[func()]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting != nil && c.waiting.list.Remove(n)
}

type futureWaiter struct {
	c    *completion
	node waitq.Node[func()]
}

func (w *futureWaiter) Arm(wake func()) bool {
	w.node.Value = wake
	return w.c.watch(&w.node)
}

func (w *futureWaiter) Disarm() bool { return w.c.unwatch(&w.node) }
