package strand

import "context"

// A Local is a variable of which each strand has its own. Make one with
// [NewLocal], once for each purpose, as a package variable for example: strands
// keep their values, and with them the Local, until they end.
//
// A value belongs to the strand's identity (see [Self]). It is not passed on to
// the strands that this one starts, and it is dropped when the strand ends. For
// what callees or children should see, a context's values are better.
//
// A strand without an identity, or one that has ended, has no values: Get and Set
// return [ErrNoIdentity]. A plain goroutine gets an identity from [Enter].
type Local[T any] struct {
	init func(ctx context.Context) T
}

// NewLocal returns a Local whose value in each strand is at first what init
// returns, when it is called by that strand's first [Local.Get]. With init nil it
// is the zero value of T.
func NewLocal[T any](init func(ctx context.Context) T) *Local[T] {
	return &Local[T]{init: init}
}

// Get returns the calling strand's value, and makes it first if there is none. It
// waits only if init does. If init panics, so does Get, and the next one calls it
// again. The error is nil or [ErrNoIdentity].
func (l *Local[T]) Get(ctx context.Context) (T, error) {
	var v T
	s := Self(ctx)
	if s == nil || s.Ended() {
		return v, ErrNoIdentity
	}
	if p, ok := s.value(l).(*T); ok {
		return *p, nil
	}
	if l.init != nil {
		v = l.init(ctx)
	}
	return v, l.Set(ctx, v)
}

// Set makes v the calling strand's value. It never waits. The error is nil or
// [ErrNoIdentity].
func (l *Local[T]) Set(ctx context.Context, v T) error {
	if s := Self(ctx); s == nil || !s.setValue(l, &v) {
		return ErrNoIdentity
	}
	return nil
}

// Delete drops the calling strand's value: the next Get makes it anew. It does
// nothing if there is none. It never waits.
func (l *Local[T]) Delete(ctx context.Context) {
	if s := Self(ctx); s != nil {
		s.deleteValue(l)
	}
}
