package braid

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// Gather waits for all futures and returns their values in order. At the first
// failure, or when ctx is done, it cancels the others; it returns when all are
// complete, with the failure that came first, or strand.Err(ctx). The values of
// calls that succeeded are there even then.
//
// A future may be given more than once.
func Gather[T any](ctx context.Context, futures ...*Future[T]) ([]T, error) {
	var first error
	for f, err := range AsCompleted(ctx, futures...) {
		if err == nil {
			_, err = f.result()
		}
		if err != nil {
			first = err
			break
		}
	}
	if first != nil {
		cancelAll(futures, first)
	}
	values := make([]T, len(futures))
	for i, f := range futures {
		// Not to leave before they are complete is the point of Gather.
		values[i], _ = f.Await(context.WithoutCancel(ctx))
	}
	return values, first
}

// Race waits for the first future to succeed, cancels the others, and returns
// its value when all are complete. If all fail, it returns their errors, joined.
// If ctx is done first, it cancels all and returns strand.Err(ctx). It panics if
// there is no future.
//
// To wait for the first to be complete in whatever way, use [Wait].
func Race[T any](ctx context.Context, futures ...*Future[T]) (T, error) {
	if len(futures) == 0 {
		panic("braid: Race of no futures")
	}
	var won *Future[T]
	var errs []error
	for f, err := range AsCompleted(ctx, futures...) {
		if f == nil { // ctx is done: no other failure matters
			errs = []error{err}
			break
		}
		if _, err := f.result(); err != nil {
			errs = append(errs, err)
			continue
		}
		won = f
		break
	}
	cancelAll(futures, errDecided)
	for _, f := range futures {
		_, _ = f.Await(context.WithoutCancel(ctx))
	}
	if won != nil {
		return won.result()
	}
	var zero T
	return zero, errors.Join(errs...)
}

var errDecided = errors.New("braid: another call has succeeded")

func cancelAll[T any](futures []*Future[T], cause error) {
	for _, f := range futures {
		f.Cancel(cause)
	}
}

// AsCompleted yields the futures in the order in which they are complete, those
// that are already first. Each is yielded once, even if it was given twice. It
// cancels nothing. If ctx is done before all are complete, the last pair is a nil
// future and an error that says how many are missing and wraps strand.Err(ctx);
// every other error is nil.
func AsCompleted[T any](ctx context.Context, futures ...*Future[T]) iter.Seq2[*Future[T], error] {
	return func(yield func(*Future[T], error) bool) {
		var a arrivals[T]
		defer a.close()
		for _, f := range futures {
			a.add(f)
		}
		for total := a.pending(); a.pending() > 0; {
			f, err := a.next(ctx)
			if err != nil {
				err = fmt.Errorf("braid: %d of %d calls are not complete: %w", a.pending(), total, err)
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// Until says what [Wait] waits for.
type Until uint8

// What to wait for.
const (
	AllCompleted   Until = iota // all are complete
	FirstCompleted              // one is complete
	FirstError                  // one has failed, or all are complete
)

// Wait waits as long as until says and returns the futures that are complete and
// those that are not, each in the order given and once. It neither cancels nor
// takes results. If ctx is done first it returns what it has and strand.Err(ctx).
func Wait[T any](ctx context.Context, until Until, futures ...*Future[T]) (done, pending []*Future[T], err error) {
	var a arrivals[T]
	defer a.close()
	for _, f := range futures {
		a.add(f)
	}
	for enough := false; !enough && a.pending() > 0; {
		var f *Future[T]
		f, err = a.next(ctx)
		if err != nil {
			break
		}
		switch until {
		case FirstCompleted:
			enough = true
		case FirstError:
			enough = f.failure != nil
		}
	}
	seen := make(map[*Future[T]]bool, len(futures))
	for _, f := range futures {
		switch {
		case seen[f]:
		case f.isDone():
			done = append(done, f)
		default:
			pending = append(pending, f)
		}
		seen[f] = true
	}
	return done, pending, err
}

// arrivals is a set of futures from which one strand takes them in the order in
// which they become complete. The zero value is empty.
type arrivals[T any] struct {
	watches map[*Future[T]]*waitq.Node[func()] // those that have not been taken

	mu    sync.Mutex
	ready []*Future[T]
	wake  func() // of the strand in next, if it waits
}

// add adds f, unless it is in the set.
func (a *arrivals[T]) add(f *Future[T]) {
	if _, ok := a.watches[f]; ok {
		return
	}
	if a.watches == nil {
		a.watches = make(map[*Future[T]]*waitq.Node[func()])
	}
	n := &waitq.Node[func()]{Value: func() { a.arrive(f) }}
	a.watches[f] = n
	if !f.watch(n) {
		a.arrive(f)
	}
}

// pending returns the number of futures that have not been taken.
func (a *arrivals[T]) pending() int { return len(a.watches) }

func (a *arrivals[T]) arrive(f *Future[T]) {
	a.mu.Lock()
	a.ready = append(a.ready, f)
	wake := a.wake
	a.wake = nil
	a.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// poll takes a future that is complete, or returns nil.
func (a *arrivals[T]) poll() *Future[T] {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ready) == 0 {
		return nil
	}
	f := a.ready[0]
	a.ready[0] = nil
	a.ready = a.ready[1:]
	delete(a.watches, f)
	return f
}

// isReady reports whether next would not wait.
func (a *arrivals[T]) isReady() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.ready) > 0
}

// next takes a future that is complete, waiting for one if need be.
func (a *arrivals[T]) next(ctx context.Context) (*Future[T], error) {
	for {
		if f := a.poll(); f != nil {
			return f, nil
		}
		op := strand.Op{Object: a, Kind: strand.OpAwait, Access: strand.Read}
		if err := strand.Park(ctx, op, a); err != nil {
			return nil, err
		}
	}
}

// close forgets the futures that were not taken.
func (a *arrivals[T]) close() {
	for f, n := range a.watches {
		f.unwatch(n)
	}
	a.watches = nil
}

// Arm implements [strand.Waitable] for the strand in next.
func (a *arrivals[T]) Arm(wake func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ready) > 0 {
		return false
	}
	a.wake = wake
	return true
}

// Disarm implements [strand.Waitable].
func (a *arrivals[T]) Disarm() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	waiting := a.wake != nil
	a.wake = nil
	return waiting
}
