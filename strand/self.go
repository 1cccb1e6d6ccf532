package strand

import (
	"context"
	"sync"
	"sync/atomic"
)

// A Strand is the identity of a running strand: what owns a lock, and what has
// values of its own. Engines embed one in what they keep for each strand, and
// hand it out by [Parker].Self; programs get theirs from [Self]. The zero value
// is ready to use. A Strand must not be copied.
type Strand struct {
	ended atomic.Bool // changes under mu
	mu    sync.Mutex
	// Functions to be called when the strand ends, by the object that wants to
	// know of it.
	atEnd map[any]func()
	// The values of the strand, by the [Local] that they are of.
	values map[any]any
}

// Self returns the identity of the strand that ctx belongs to, or nil if it has
// none: a goroutine that no engine started has none unless [Enter] gave it one.
func Self(ctx context.Context) *Strand {
	if p, ok := ctx.Value(ParkerKey{}).(Parker); ok {
		return p.Self()
	}
	return nil // as Goroutine does; not to ask it makes Mutex.Lock faster
}

// A Holder is an object that strands can hold, such as a lock. A report of a
// deadlock follows it from the strands that wait for the object to those that
// could release it.
type Holder interface {
	// Holders returns the strands that hold the object now, as far as they are
	// known. It may be called from any goroutine.
	Holders() []*Strand
}

// Enter gives the calling goroutine, or one that is about to be started, an
// identity of its own: it returns a context that carries it and parks the
// goroutine as [Goroutine] does. Whoever calls Enter calls End when the goroutine
// is done. The strands that engines start have an identity without it.
func Enter(ctx context.Context) (context.Context, *Strand) {
	g := new(entered)
	return WithParker(ctx, g), &g.strand
}

// entered is the parker of a goroutine with an identity.
type entered struct {
	Goroutine
	strand Strand
}

// Self implements [Parker].
func (e *entered) Self() *Strand { return &e.strand }

// Ended reports whether End has been called.
func (s *Strand) Ended() bool { return s.ended.Load() }

// End says that the strand has ended: the locks that it still holds break, and
// its values are dropped. Engines call it when the strand's function has
// returned. Calling it again does nothing. It never waits.
func (s *Strand) End() {
	s.mu.Lock()
	s.ended.Store(true)
	fs := s.atEnd
	s.atEnd, s.values = nil, nil
	s.mu.Unlock()
	for _, f := range fs {
		f()
	}
}

// onEnd has f called when the strand ends, unless forget(key) is called before.
// It reports false if the strand has ended already. There is one f for a key.
func (s *Strand) onEnd(key any, f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Load() {
		return false
	}
	if s.atEnd == nil {
		s.atEnd = make(map[any]func())
	}
	s.atEnd[key] = f
	return true
}

// forget takes back onEnd.
func (s *Strand) forget(key any) {
	s.mu.Lock()
	delete(s.atEnd, key)
	s.mu.Unlock()
}

// value returns the strand's value for key, or nil.
func (s *Strand) value(key any) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key]
}

// setValue reports false if the strand has ended: it has no values any more.
func (s *Strand) setValue(key, value any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Load() {
		return false
	}
	if s.values == nil {
		s.values = make(map[any]any)
	}
	s.values[key] = value
	return true
}

// deleteValue drops the strand's value for key, if there is one.
func (s *Strand) deleteValue(key any) {
	s.mu.Lock()
	delete(s.values, key)
	s.mu.Unlock()
}
