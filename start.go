package braid

import (
	"context"
	"errors"
	"sync"

	"github.com/go-braid/braid/strand"
)

// ErrNotReady is the error of [Start] when the child has returned nil and never
// said that it is ready.
var ErrNotReady = errors.New("braid: the child has returned before it was ready")

// Start starts fn as a child of g and returns when the child says, by calling ready,
// that it is ready to serve, with the value that it gives: the address on which it
// listens, for instance. The child goes on; the scope of g waits for it and answers
// for its failure, as for every child.
//
// If fn returns before it has called ready, Start returns its error, or ErrNotReady,
// and the scope does not hear of it: it is the caller's to deal with. A panic is the
// scope's as well. If ctx is done
// first, the child is cancelled, Start waits until it has returned, and returns
// strand.Err(ctx). Once it has called ready the child no longer depends on ctx, which
// must be that of a strand within the scope.
//
// Calls of ready after the first do nothing. The handshake is that of trio's
// Nursery.start.
func Start[T any](ctx context.Context, g *Group, fn func(ctx context.Context, ready func(T)) error, opts ...Option) (T, error) {
	s := &startUp[T]{}
	// Until it is ready, the child lives by the caller's context; then by the
	// group's. Both in one: the group's, cancelled by hand.
	child, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stopScope := context.AfterFunc(&g.ctx, func() { cancel(context.Cause(&g.ctx)) })
	stopCaller := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	s.detach = stopCaller
	f := Go(child, g, func(ctx context.Context) (struct{}, error) {
		defer stopScope()
		err := fn(ctx, s.ready)
		if s.over(err) {
			err = nil // Start returns it
		}
		return struct{}{}, err
	}, opts...)
	f.OnDone(func() {
		// The call was refused, or fn panicked, or ended its goroutine: over did
		// not hear of it.
		_, err := f.result()
		s.over(err)
		stopScope()
		cancel(nil)
	})
	_ = s.started.Wait(context.WithoutCancel(ctx))
	if ctx.Err() != nil && errors.Is(s.err, ctx.Err()) {
		return s.value, strand.Err(ctx)
	}
	return s.value, s.err
}

// A startUp is the time until a child is ready.
type startUp[T any] struct {
	started strand.Event
	detach  func() bool

	mu      sync.Mutex
	decided bool
	value   T
	err     error
}

func (s *startUp[T]) decide(v T, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.decided {
		return false
	}
	s.decided, s.value, s.err = true, v, err
	s.detach()
	s.started.Set()
	return true
}

func (s *startUp[T]) ready(v T) { s.decide(v, nil) }

// over says that the child has returned, and reports whether that was before it was
// ready.
func (s *startUp[T]) over(err error) bool {
	if err == nil {
		err = ErrNotReady
	}
	var zero T
	return s.decide(zero, err)
}
