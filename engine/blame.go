package engine

import (
	"context"
	"errors"

	"github.com/go-braid/braid/strand"
)

// Blame returns the error of a part of the call's work, of which the call answers for
// several, as if that had been a call of its own: a [TaskError] that tells what has ended
// ctx if that is the error.
func (c *Call) Blame(ctx context.Context, part Spec, err error) error {
	return &TaskError{
		Task: part.Task, Engine: c.Host().Name,
		Worker: int(c.worker), Attempt: int(c.attempt), Err: c.blame(ctx, err),
	}
}

// blame puts the right light on the error of a body. One that is ctx's own is
// marked as such, with why ctx ended: "context deadline exceeded" does not tell
// which deadline. And one that says of another call that it was not started must
// not be taken to say so of this one.
func (c *Call) blame(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if strand.IsErr(ctx, err) {
		err = &InterruptedError{Err: err, Cause: context.Cause(ctx), end: ctx.Err()}
	}
	if errors.Is(err, ErrNotStarted) {
		err = &ranError{err}
	}
	return err
}
