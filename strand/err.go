package strand

import "context"

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

// doneError joins what ended a context with why. errors.Join would do, but for
// its text: two lines, the first of which tells nothing.
type doneError struct{ err, cause error }

func (e *doneError) Error() string   { return e.err.Error() + ": " + e.cause.Error() }
func (e *doneError) Unwrap() []error { return []error{e.cause, e.err} }
