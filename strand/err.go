package strand

import (
	"context"
	"errors"
)

// Err returns the error of a wait that ended because ctx is done, or nil when
// ctx is not done. Under errors.Is it matches ctx.Err(), that is
// context.Canceled or context.DeadlineExceeded, and the cause that was given
// when the context was cancelled; its text gives both.
func Err(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if cause == nil || cause == err {
		return err
	}
	return &doneError{err: err, cause: cause}
}

// IsErr reports whether err says that ctx is done, and nothing else: it comes down
// to ctx.Err() or context.Cause(ctx), under whatever text. An error that joins
// these with another one, such as that of a clean-up, says more. IsErr is false
// if ctx is not done, or err is nil.
func IsErr(ctx context.Context, err error) bool {
	end := ctx.Err()
	return end != nil && err != nil && comesDownTo(err, end, context.Cause(ctx))
}

func comesDownTo(err, end, cause error) bool {
	if err == end || err == cause {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return comesDownTo(inner, end, cause)
		}
	case interface{ Unwrap() []error }:
		inner := e.Unwrap()
		for _, err := range inner {
			if !comesDownTo(err, end, cause) {
				return false
			}
		}
		return len(inner) > 0
	}
	// Some errors only claim to be those of a context.
	return errors.Is(err, end)
}

// doneError joins what ended a context with why. errors.Join would do, but for
// its text: two lines, the first of which tells nothing.
type doneError struct{ err, cause error }

func (e *doneError) Error() string   { return e.err.Error() + ": " + e.cause.Error() }
func (e *doneError) Unwrap() []error { return []error{e.cause, e.err} }
