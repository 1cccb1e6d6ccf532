package parcel

import (
	"context"

	"github.com/go-braid/braid/strand"
)

// Aside runs f for the calling strand, and returns what f returns. F may block until
// its context is done, and not longer. A plain goroutine runs f itself; a strand of
// another kind, such as a coroutine, whose thread must not be blocked, parks while a
// goroutine runs it.
//
// What f has decided counts, whatever has become of ctx: who is cancelled waits for
// the answer of f, which is asked to hurry.
func Aside(ctx context.Context, op strand.Op, f func(ctx context.Context) error) error {
	if _, ok := strand.ParkerOf(ctx).(strand.Goroutine); ok {
		return f(ctx)
	}
	inner, cancel := context.WithCancelCause(strand.Detach(ctx))
	defer cancel(nil)
	var err error
	e := &errand{do: func() { err = f(inner) }, hurry: func() { cancel(context.Cause(ctx)) }}
	if perr := strand.Park(ctx, op, e); perr != nil {
		return perr // f was not run
	}
	return err
}

// An errand is what a goroutine does for a strand that is parked.
type errand struct {
	do    func()
	hurry func()
}

// Arm begins the errand.
func (e *errand) Arm(wake func()) bool {
	go func() {
		defer wake()
		e.do()
	}()
	return true
}

// Disarm asks the errand to hurry, and leaves it to it to wake the strand.
func (e *errand) Disarm() bool {
	e.hurry()
	return false
}
