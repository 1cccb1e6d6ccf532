package engine

import (
	"context"
	"errors"
	"time"
)

// Defaults of [Retry].
const (
	DefaultRetryBase = 100 * time.Millisecond
	DefaultRetryCap  = 30 * time.Second
)

// Retry says which failed attempts of a call are made again, and when.
//
// Before attempt n+1 the call waits for a time drawn evenly from 0 to
// min(Cap, Base·2ⁿ⁻¹): exponential back-off with "full jitter", as Marc Brooker
// describes it on the AWS Architecture Blog (2015). It holds no slot of its
// engine meanwhile.
type Retry struct {
	// Max is the number of attempts after the first; 0 means no retries.
	Max int

	// Base is the longest pause before the second attempt;
	// 0 means DefaultRetryBase, a negative Base no pauses at all.
	Base time.Duration

	// Cap bounds the longest pause as it doubles; 0 means DefaultRetryCap.
	Cap time.Duration

	// On reports whether a failure is worth another attempt; nil means every
	// failure is, but for a panic or a Goexit of the task, which are bugs as a
	// rule. Some failures are never retried, whatever On says: the caller's
	// context is done, or the task was cancelled; the engine is closed; it is
	// not known whether the task has run, and it is not idempotent.
	On func(error) bool
}

func (r *Retry) isZero() bool { return r.Max == 0 && r.Base == 0 && r.Cap == 0 && r.On == nil }

// wantsRetry reports whether an attempt that failed with err is to be followed
// by another. Started says whether the task ran in it.
func (p *Policy) wantsRetry(attempt int, started bool, err error) bool {
	if attempt > p.Retry.Max || errors.Is(err, ErrClosed) {
		return false
	}
	if started && errors.Is(err, context.Canceled) {
		return false // somebody has cancelled it on purpose
	}
	if started && !p.Idempotent && outcomeUnknown(err) {
		return false
	}
	if p.Retry.On != nil {
		return p.Retry.On(err)
	}
	_, panicked := errors.AsType[*PanicError](err)
	return !panicked && !errors.Is(err, ErrGoexit)
}

// outcomeUnknown reports whether the task may have run in part.
func outcomeUnknown(err error) bool {
	if errors.Is(err, ErrNotStarted) {
		return false
	}
	if _, ok := errors.AsType[*LostError](err); ok {
		return true
	}
	_, ok := errors.AsType[*CrashError](err)
	return ok
}

// delay returns the pause after the given failed attempt; u is the draw, from 0
// to below 1.
func (r Retry) delay(attempt int, u float64) time.Duration {
	base, ceil := r.Base, r.Cap
	if base < 0 {
		return 0
	}
	if base == 0 {
		base = DefaultRetryBase
	}
	if ceil <= 0 {
		ceil = DefaultRetryCap
	}
	for i := 1; i < attempt && base < ceil; i++ {
		if base > ceil/2 {
			base = ceil // doubling might overflow
		} else {
			base *= 2
		}
	}
	return time.Duration(u * float64(min(base, ceil)))
}
