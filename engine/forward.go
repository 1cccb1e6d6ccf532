package engine

import (
	"context"
	"errors"

	"github.com/go-braid/braid/internal/cancel"
	"github.com/go-braid/braid/strand"
)

// A Relay is how an executor that has forwarded a call hears of it. Its methods may
// be called from any goroutine. Reclaim may wait, the others must not.
//
// An executor that counts the calls which it lets through gives each of them a
// place. Over takes the place back. Meanwhile a task that waits for other strands
// lends it, since it may wait for a call that has none.
type Relay interface {
	// Lend says that a strand of the call is parked until another strand wakes it.
	// A careless task parks several, and even after its end.
	Lend()

	// Reclaim says that the strand was woken, and parks it by the given parker
	// until it may go on.
	Reclaim(by strand.Parker)

	// Over says that the attempt is over, before anybody hears of its outcome:
	// the body has run, or it never will. Err is the failure of the attempt.
	Over(ran bool, err error)

	// Settled says that what follows has happened: the outcome is delivered. Or
	// there will be another attempt.
	Settled()
}

// A relay is one that a call passes, in a list: the last executor comes first.
type relay struct {
	Relay
	outer *relay
}

func (r *relay) over(ran bool, err error) {
	for ; r != nil; r = r.outer {
		r.Over(ran, err)
	}
}

func (r *relay) settled() {
	for ; r != nil; r = r.outer {
		r.Settled()
	}
}

// Forward hands c, which was submitted to the calling executor, on to another one,
// by its Start. To whoever listens it is still a call of the first: its time to
// queue goes on, and further attempts begin there. Ctx is the context that Submit
// returned, or comes from it. R hears of this attempt from now on.
func (c *Call) Forward(ctx context.Context, to Executor, r Relay) {
	if s := c.state.Load(); s&stateMask != callWaiting || !c.state.CompareAndSwap(s, callForwarded) {
		panic("engine: Forward of a call that is not submitted, or has begun")
	}
	rare := c.seldom()
	rare.relay = &relay{r, rare.relay}
	to.Start(ctx, c)
}

// arrive is Submit for a call that was forwarded: the executor in front has said
// everything, but for what concerns the context.
func (c *Call) arrive(ctx context.Context, h *Host) context.Context {
	if c.state.Load() != callForwarded {
		panic("engine: a call was submitted twice")
	}
	if h.Life != nil {
		ctx = c.endWith(ctx, h.Life.(*cancel.Context))
	}
	c.runUnder(ctx)
	c.wait()
	return ctx
}

// IsForwarded reports whether the call was handed on by another executor and is about to
// be submitted.
func (c *Call) IsForwarded() bool { return c.state.Load() == callForwarded }

// Withdraw says that a call must not begin. It reports false if it has begun, or was
// withdrawn before. Who has the call refuses it, with the error why; to have that done
// soon, cancel the context that Forward got. It is for executors that forward c, from
// their Submit until Relay.Over, and may be called from any goroutine.
func (c *Call) Withdraw(why error) bool { return c.why.CompareAndSwap(nil, &why) }

// errBegun stands for the reason of a Withdraw that comes too late.
var errBegun = errors.New("engine: the call has begun")

// Places are the places that a call has in the executors that have forwarded it. The
// parker of the strand that runs the call lends them. The zero Places are none.
type Places struct{ relay *relay }

// Places returns c's places. It may be called when the call has come to the engine
// that runs it, until its body returns.
func (c *Call) Places() Places {
	if c.rare == nil {
		return Places{}
	}
	return Places{c.rare.relay}
}

// Lend says that the strand is about to park for op, and reports whether it has to
// call Reclaim when it is woken. What waits for something outside of the program
// lends nothing: such a call is what the places are there to limit.
func (p Places) Lend(op strand.Op) bool {
	if p.relay == nil || op.Outside || op.Kind.Outside() {
		return false
	}
	for r := p.relay; r != nil; r = r.outer {
		r.Lend()
	}
	return true
}

// Reclaim parks the calling strand by p until it has its places again. An engine
// that lends a slot of its own takes that back afterwards: calls take places and
// slots in this order too, so that none holds one that another waits for, and waits
// itself for what that one holds.
func (p Places) Reclaim(by strand.Parker) { p.relay.reclaim(by) }

func (r *relay) reclaim(by strand.Parker) {
	if r != nil {
		r.outer.reclaim(by)
		r.Reclaim(by)
	}
}
