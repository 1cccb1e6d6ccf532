package engine

import (
	"context"
	"sync"

	"github.com/go-braid/braid/strand"
)

// enter gives the goroutine that will run c an identity and a parker of its own: one
// that lends the places of c if it has any.
func enter(ctx context.Context, c *Call) context.Context {
	places := c.Places()
	if places == (Places{}) {
		ctx, _ = strand.Enter(ctx)
		return ctx
	}
	g := &guest{call: c, places: places}
	c.AfterBody(g.leave)
	return strand.WithParker(ctx, g)
}

// A guest is the parker of a goroutine that runs a call which others have forwarded.
// It tells the listener when the call is parked, as engines do whose slots are lent.
type guest struct {
	strand.Goroutine
	strand strand.Strand
	call   *Call
	places Places

	mu     sync.Mutex // held while the listener hears of a park
	parked int        // the task's own strand, and careless goroutines that use its context
	ended  bool
}

// Self implements [strand.Parker].
func (g *guest) Self() *strand.Strand { return &g.strand }

// Park implements [strand.Parker].
func (g *guest) Park(ctx context.Context, op strand.Op, w strand.Waitable) error {
	s := &stay{Waitable: w, guest: g, ctx: ctx, op: op}
	err := g.Goroutine.Park(ctx, op, s)
	if s.armed {
		if s.lent {
			g.places.Reclaim(g.Goroutine)
		}
		g.resumed(ctx)
	}
	return err
}

// A stay is a Waitable that lends the places once it is certain that the strand will
// park.
type stay struct {
	strand.Waitable
	guest *guest
	ctx   context.Context
	op    strand.Op
	armed bool
	lent  bool
}

func (s *stay) Arm(wake func()) bool {
	s.armed = s.Waitable.Arm(wake)
	if s.armed {
		s.lent = s.guest.places.Lend(s.op)
		s.guest.isParked(s.ctx, s.op)
	}
	return s.armed
}

func (g *guest) isParked(ctx context.Context, op strand.Op) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.parked++; g.parked == 1 && !g.ended {
		g.call.Parked(ctx, 0, op)
	}
}

func (g *guest) resumed(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.parked--; g.parked == 0 && !g.ended {
		g.call.Resumed(ctx, 0)
	}
}

func (g *guest) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
}
