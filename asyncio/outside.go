package asyncio

import (
	"context"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// parkOutside is [strand.Park] for a wait that something outside of the loop ends:
// meanwhile the loop does not take itself for deadlocked.
func parkOutside(ctx context.Context, op strand.Op, waits strand.Waitable) error {
	op.Outside = true
	return strand.Park(ctx, op, waits)
}

// A duty is what a goroutine does while a strand waits for it. The strand waits
// for the end of it whatever happens: when its context is done, or the loop unwinds
// it by force, the duty is asked to hurry. So nobody is left behind who still uses
// what the strand has lent to the duty.
//
// It implements [strand.Waitable].
type duty struct {
	do    func() // on a goroutine of its own
	hurry func() // called on the strand's engine, once or more; nil: it knows by itself
}

// Arm begins the duty.
func (e *duty) Arm(wake func()) bool {
	go func() {
		// Also if do ends its goroutine.
		defer wake()
		e.do()
	}()
	return true
}

// Disarm asks the duty to hurry, and leaves it to it to wake the strand.
func (e *duty) Disarm() bool {
	if e.hurry != nil {
		e.hurry()
	}
	return false
}

// Starting is what package braid calls before a coroutine hands c to ex. While a
// call is in flight on another engine, that can wake the loop; and so can a call to
// the loop itself that may be between two attempts, or wait in an executor in front of
// it, when no coroutine of the loop stands for it.
func (p *parker) Starting(c *engine.Call, ex engine.Executor) {
	l := p.loop
	if in, ok := engine.As[engine.Hoster](ex); ok && in == engine.Hoster(l) && c.Spec().Policy.Retry.Max == 0 {
		return
	}
	l.holds.Add(1)
	// On the loop, which thus looks anew whether anything can wake it.
	c.OnDone(func(error) { l.post(func() { l.holds.Add(-1) }) })
}
