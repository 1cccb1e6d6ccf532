package strand

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/internal/waitq"
)

// ErrReentrant is the error of [Once.Do] when it is called by the function that
// it runs.
var ErrReentrant = errors.New("strand: Once.Do was called by the function that it runs, and would wait for itself")

// A Once runs functions until one succeeds, and then never again. The zero value
// is ready to use. A Once must not be copied after first use.
//
// A failure is not remembered, since its reason may lie in the strand that ran
// into it, such as a context that was cancelled: whoever waits, or comes later,
// runs the function for itself.
type Once struct {
	done    atomic.Bool // changes under mu
	mu      sync.Mutex
	running bool
	runner  *Strand // if it is known
	waiters waitq.List[*onceWaiter]
}

// Do calls fn with ctx if no earlier call of a function has succeeded, and returns
// its error. While another strand does so, it waits: it returns nil when that one
// has succeeded, without calling fn, and Err(ctx) if ctx is done first. When the
// other one has failed, the strand that has waited longest goes on, and calls its
// own fn.
//
// If fn panics, Do panics, and the next one goes on as after an error. If fn calls
// Do of the same Once, that call returns [ErrReentrant], provided that the strand
// has an identity (see [Self]); otherwise it waits until its context is done.
func (o *Once) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	if o.done.Load() {
		return nil
	}
	w := &onceWaiter{o: o, self: Self(ctx)}
	o.mu.Lock()
	w.turn = o.claim(w.self)
	o.mu.Unlock()
	if w.turn == onceWait {
		if err := Park(ctx, Op{Object: o, Kind: OpWait, Access: Write}, w); err != nil {
			return err
		}
	}
	switch w.turn {
	case onceRun:
		return o.run(ctx, fn)
	case onceReentrant:
		return ErrReentrant
	}
	return nil
}

// A onceTurn is what a strand that calls Do has to do.
type onceTurn uint8

const (
	onceWait onceTurn = iota
	onceDone
	onceRun
	onceReentrant
)

// claim makes self the runner if there is none. It needs o.mu.
func (o *Once) claim(self *Strand) onceTurn {
	switch {
	case o.done.Load():
		return onceDone
	case !o.running:
		o.running, o.runner = true, self
		return onceRun
	case self != nil && self == o.runner:
		return onceReentrant
	}
	return onceWait
}

func (o *Once) run(ctx context.Context, fn func(ctx context.Context) error) error {
	succeeded := false
	defer func() { o.finish(succeeded) }() // fn may panic
	err := fn(ctx)
	succeeded = err == nil
	return err
}

// finish ends the turn of the runner.
func (o *Once) finish(succeeded bool) {
	var wakes []func()
	o.mu.Lock()
	o.done.Store(succeeded)
	o.running, o.runner = false, nil
	for n := o.waiters.Front(); n != nil; n = o.waiters.Front() {
		w := n.Value
		w.turn = o.claim(w.self)
		if w.turn == onceWait {
			break
		}
		o.waiters.Remove(n)
		wakes = append(wakes, w.wake)
	}
	o.mu.Unlock()
	wakeAll(wakes)
}

// Holders implements [Holder]: it returns the strand that runs a function now, if
// it has an identity.
func (o *Once) Holders() []*Strand {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.runner == nil {
		return nil
	}
	return []*Strand{o.runner}
}

// OnceStatistics is a snapshot of a [Once].
type OnceStatistics struct {
	Done    bool // whether a function has succeeded
	Running bool // whether one runs now
	Waiting int  // strands that wait for its end
}

// Statistics returns a snapshot of o.
func (o *Once) Statistics() OnceStatistics {
	o.mu.Lock()
	defer o.mu.Unlock()
	return OnceStatistics{Done: o.done.Load(), Running: o.running, Waiting: o.waiters.Len()}
}

// OnceValue returns a function that returns the value of fn, which it calls the
// first time, by the rules of [Once]: strands that come meanwhile wait, an error
// goes to the strand that called fn alone and is not remembered, and neither is a
// panic.
func OnceValue[T any](fn func(ctx context.Context) (T, error)) func(ctx context.Context) (T, error) {
	var once Once
	var value T
	return func(ctx context.Context) (T, error) {
		err := once.Do(ctx, func(ctx context.Context) error {
			v, err := fn(ctx)
			if err == nil {
				value, fn = v, nil // what fn refers to is needed no more
			}
			return err
		})
		if err != nil {
			var zero T
			return zero, err
		}
		return value, nil
	}
}

type onceWaiter struct {
	o    *Once
	self *Strand
	turn onceTurn // set before wake
	wake func()
	node waitq.Node[*onceWaiter]
}

func (w *onceWaiter) Arm(wake func()) bool {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	w.turn = w.o.claim(w.self)
	if w.turn != onceWait {
		return false
	}
	w.wake, w.node.Value = wake, w
	w.o.waiters.Push(&w.node)
	return true
}

func (w *onceWaiter) Disarm() bool {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	return w.o.waiters.Remove(&w.node)
}
