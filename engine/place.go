package engine

import (
	"context"
	"time"

	"github.com/go-braid/braid/internal/cancel"
	"github.com/go-braid/braid/strand"
)

// A Place is where calls run one at a time, such as a worker of a pool, and what
// parks them. See [Call.RunAt].
type Place interface {
	// Park parks the strand of c, as [strand.Parker] says. C need not be the call
	// that runs here now: its task may have left a goroutine behind.
	Park(ctx context.Context, c *Call, op strand.Op, w strand.Waitable) error

	// Over is called as what AfterBody registers, for every call that runs here.
	Over(c *Call)

	// Join is called on the strand of c when it is about to wait for other, and
	// nothing is lost if it goes on only when other is complete, even if ctx ends
	// before. If other waits to be run here, the Place may claim and run it.
	Join(ctx context.Context, c, other *Call)

	// JoinAll is called on the strand of c when it is about to wait for calls that
	// belong to f. The Place may claim and run those that wait to be run here.
	JoinAll(ctx context.Context, c *Call, f Family)
}

// A Station is where a worker runs calls; see [Call.RunAt]. It must not change while one does.
type Station struct {
	Place

	// Track is what the worker got from [Listener.Track] and notes its attempts on. Nil
	// means that the listener is told of each by events.
	Track *Track
}

// A Family is calls that somebody waits for, such as the children of a scope.
type Family interface {
	// Has reports whether c belongs to it. It may be called from any goroutine.
	Has(c *Call) bool
}

// A Joiner is the parker of a strand on which a call may run for which it waits.
type Joiner interface {
	// Join may run c, if it has not begun yet, before it returns.
	Join(ctx context.Context, c *Call)

	// JoinAll may run calls of f that have not begun yet before it returns.
	JoinAll(ctx context.Context, f Family)
}

// A Seat is the parker of a strand that runs on a Place.
type Seat interface {
	strand.Parker

	// Place returns where it runs.
	Place() Place
}

// PlaceOf returns the place that the strand of ctx runs on, or nil.
func PlaceOf(ctx context.Context) Place {
	if s, ok := ctx.Value(strand.ParkerKey{}).(Seat); ok {
		return s.Place()
	}
	return nil
}

// A seat is a call as the parker of the strand that runs it on a Place, and as who is told
// of its progress, if anybody wants to hear of that.
type seat Call

// Value implements [cancel.Values]. While the call waits, it is not the parker of who
// submits it, not even if an earlier attempt has run on a Place.
func (s *seat) Value(key any) any {
	switch key.(type) {
	case strand.ParkerKey:
		if s.place.Load() != nil && (*Call)(s).status() >= callRunning {
			return s
		}
	case ProgressKey:
		if s.id != 0 && (*Call)(s).status() == callRunning && (*Call)(s).Host().Listener.Progress != nil {
			return s
		}
	}
	return nil
}

// Report implements [Reporter].
func (s *seat) Report(done, total int64) {
	if c := (*Call)(s); c.status() == callRunning { // and not one that a task has left behind
		c.Progress(&c.own, done, total)
	}
}

// Place implements [Seat].
func (s *seat) Place() Place { return s.place.Load().Place }

// Park implements [strand.Parker].
func (s *seat) Park(ctx context.Context, op strand.Op, w strand.Waitable) error {
	return s.place.Load().Park(ctx, (*Call)(s), op, w)
}

// Join implements [Joiner].
func (s *seat) Join(ctx context.Context, c *Call) {
	if c.EndsWith(ctx) && c.Waiting() {
		s.place.Load().Join(ctx, (*Call)(s), c)
	}
}

// EndsWith reports whether c is known to be told to end whenever ctx ends, and that is at
// no given time. Who waits for c under ctx then loses nothing if he runs it himself.
func (c *Call) EndsWith(ctx context.Context) bool {
	up, ok := ctx.(*cancel.Context)
	if !ok || up != c.own.Up() {
		return false
	}
	_, limited := ctx.Deadline()
	return !limited
}

// JoinAll implements [Joiner].
func (s *seat) JoinAll(ctx context.Context, f Family) {
	s.place.Load().JoinAll(ctx, (*Call)(s), f)
}

// Sleep implements [strand.Parker] as goroutines do, and so do the others.
func (s *seat) Sleep(ctx context.Context, d time.Duration) error {
	return strand.Goroutine{}.Sleep(ctx, d)
}

// Yield implements [strand.Parker].
func (s *seat) Yield(ctx context.Context) { strand.Goroutine{}.Yield(ctx) }

// Parallel implements [strand.Parallel].
func (s *seat) Parallel() { strand.Goroutine{}.Parallel() }

// Now implements [strand.Parker].
func (s *seat) Now() time.Time { return strand.Goroutine{}.Now() }

// Self implements [strand.Parker].
func (s *seat) Self() *strand.Strand {
	for {
		if self := s.self.Load(); self != nil {
			return self
		}
		s.self.CompareAndSwap(nil, new(strand.Strand))
	}
}

// endStrand says that the strand of the body has ended.
func (c *Call) endStrand(ctx context.Context) {
	if c.place.Load() == nil {
		if self := strand.Self(ctx); self != nil {
			self.End()
		}
		return
	}
	if self := c.self.Load(); self != nil {
		self.End()
		c.self.Store(nil) // a further attempt is another strand
	}
}
