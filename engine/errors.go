package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors that say what became of a call, to be found with errors.Is in the
// [TaskError] of a failed call.
var (
	// ErrNotStarted says that the task has not run, not even a part of it: the
	// call can safely be made again. A *NotStartedError says why.
	ErrNotStarted = errors.New("the task was not started")

	// ErrSaturated says that the engine was full and does not wait.
	ErrSaturated = errors.New("the engine is saturated")

	// ErrClosed says that the engine, or the scope, takes no more calls.
	ErrClosed = errors.New("the engine is closed")

	// ErrGoexit says that the task ended its goroutine with runtime.Goexit, as
	// FailNow of package testing does, and so gave no result.
	ErrGoexit = errors.New("the task called runtime.Goexit")
)

// A TaskError is the error of a failed call: where it failed, and in Err what
// happened. Err is the error that the task returned, or one of *PanicError,
// *InterruptedError, *CrashError, *LostError, *RemoteError, *NotStartedError,
// ErrGoexit.
type TaskError struct {
	Task    string // the task's name; empty for a closure without one
	Engine  string // the name of the engine
	Worker  int    // its number for the strand or process, from 1; 0 if none
	Attempt int    // the last attempt, from 1
	Err     error
}

// Error says where and what.
func (e *TaskError) Error() string {
	var b strings.Builder
	b.WriteString("braid: ")
	if e.Task != "" {
		fmt.Fprintf(&b, "task %s ", e.Task)
	}
	fmt.Fprintf(&b, "on %s", e.Engine)
	if e.Attempt > 1 {
		fmt.Fprintf(&b, ", attempt %d", e.Attempt)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap returns e.Err.
func (e *TaskError) Unwrap() error { return e.Err }

// A NotStartedError says why a task was not started. It matches ErrNotStarted.
type NotStartedError struct {
	Err error // such as ErrSaturated, ErrClosed, or the end of the context
}

// Error says that the task was not started, and why.
func (e *NotStartedError) Error() string { return ErrNotStarted.Error() + ": " + e.Err.Error() }

// Unwrap returns e.Err.
func (e *NotStartedError) Unwrap() error { return e.Err }

// Is reports whether target is ErrNotStarted.
func (e *NotStartedError) Is(target error) bool { return target == ErrNotStarted }

// A Phase is a part of a call's life that can have a limit or an end.
type Phase string

// The phases of a call.
const (
	PhaseQueue  Phase = "queue"  // waiting to be run
	PhaseDecode Phase = "decode" // the argument is read in the worker
	PhaseRun    Phase = "run"    // the task runs
	PhaseEncode Phase = "encode" // the result is written in the worker
	PhaseSubmit Phase = "submit" // the argument is written by who submits
	PhaseResult Phase = "result" // the result is read by who submitted
	PhaseStart  Phase = "start"  // the worker is not ready for calls yet
	PhaseIdle   Phase = "idle"   // the worker waits for calls
	PhaseStop   Phase = "stop"   // the worker was told to end
)

// A CodecError says that an argument or a result could not be turned into bytes,
// or back. In PhaseSubmit and PhaseDecode the task has not run.
type CodecError struct {
	Phase Phase // PhaseSubmit, PhaseDecode, PhaseEncode or PhaseResult
	Err   error // why
}

// Error says what could not be done, and why.
func (e *CodecError) Error() string {
	what := map[Phase]string{
		PhaseSubmit: "the argument cannot be sent", PhaseDecode: "the worker cannot read the argument",
		PhaseEncode: "the worker cannot send the result", PhaseResult: "the result cannot be read",
	}[e.Phase]
	return what + ": " + e.Err.Error()
}

// Unwrap returns e.Err.
func (e *CodecError) Unwrap() error { return e.Err }

// ErrPoison says that a call has cost so many workers their life that it is not
// given to another.
var ErrPoison = errors.New("the call is poison: it ended every worker that ran it")

// A TimeoutError is the cause of a context that ended because a limit of the
// call's policy was over. It matches context.DeadlineExceeded.
type TimeoutError struct {
	Limit time.Duration // how long it was
	Phase Phase         // PhaseQueue or PhaseRun
}

// Error names the limit.
func (e *TimeoutError) Error() string {
	if e.Phase == PhaseQueue {
		return fmt.Sprintf("waited longer than %v to be run", e.Limit)
	}
	return fmt.Sprintf("ran longer than %v", e.Limit)
}

// Timeout returns true, as net.Error asks.
func (e *TimeoutError) Timeout() bool { return true }

// Is reports whether target is context.DeadlineExceeded.
func (e *TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// A PanicError is a panic of a task, recovered.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // the stack of the goroutine that panicked, as debug.Stack prints it
}

// Error returns the panic's value and its stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n\n%s", e.Value, e.Stack) }

// Unwrap returns the panic's value if it is an error, or nil.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// A CrashError is the death of the process in which a task ran.
type CrashError struct {
	PID      int    // the process
	ExitCode int    // -1 if a signal ended the process
	Signal   string // the signal's name, such as "SIGKILL"; empty if none did
	OOM      bool   // whether the process was killed for want of memory
	Phase    Phase  // what it was doing for the call
	Reason   string // why it died, as far as is known, such as "fatal error: concurrent map writes"
	Stderr   string // the last that it wrote to its standard error, at most 64 KiB

	UserTime   time.Duration // processor time that it used for itself
	SystemTime time.Duration // processor time that the system used for it
	MaxRSS     int64         // its largest memory in bytes; 0 where that is not known
}

// Error says which process died, how, and its last words.
func (e *CrashError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "process %d ", e.PID)
	switch {
	case e.OOM:
		b.WriteString("was killed for want of memory")
	case e.Signal != "":
		fmt.Fprintf(&b, "was ended by %s", e.Signal)
	default:
		fmt.Fprintf(&b, "exited with code %d", e.ExitCode)
	}
	if e.Phase != "" {
		fmt.Fprintf(&b, " (%s)", e.Phase)
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, ": %s", e.Reason)
	} else if s := strings.TrimSpace(e.Stderr); s != "" {
		fmt.Fprintf(&b, ": %s", s)
	}
	return b.String()
}

// A LostError says that a call's outcome is unknown: whoever ran it is out of
// reach, and the task may have run, in part or whole. Only a task declared
// idempotent is run again after it.
type LostError struct {
	Err error // what was lost, such as the connection
}

// Error says that the outcome is unknown, and why.
func (e *LostError) Error() string { return "the outcome is unknown: " + e.Err.Error() }

// Unwrap returns e.Err.
func (e *LostError) Unwrap() error { return e.Err }

// A RemoteError is an error value that was made in another process and could
// not come home as it was: its type, its text and what it wrapped.
type RemoteError struct {
	Type    string  // the Go type, such as "*fs.PathError"
	Text    string  // what its Error method returned
	Wrapped []error // what its Unwrap method returned, each as it could come home
}

// Error returns the text.
func (e *RemoteError) Error() string { return e.Text }

// Unwrap returns e.Wrapped.
func (e *RemoteError) Unwrap() []error { return e.Wrapped }

// An InterruptedError says that a task gave up because its context was done: the
// error that it returned was the context's.
type InterruptedError struct {
	Err   error // what the task returned
	Cause error // context.Cause of the context, such as a *TimeoutError
	end   error // the context's Err
}

// Error returns the text of Err, and the cause if that says more.
func (e *InterruptedError) Error() string {
	if errors.Is(e.Err, e.Cause) {
		return e.Err.Error()
	}
	return e.Err.Error() + ": " + e.Cause.Error()
}

// Unwrap returns Err, Cause, and the Err of the context.
func (e *InterruptedError) Unwrap() []error {
	if e.end == nil {
		return []error{e.Err, e.Cause}
	}
	return []error{e.Err, e.Cause, e.end}
}

// retriesError is the failure of an attempt, after which no further one could be
// started.
type retriesError struct{ last, ended error }

func (e *retriesError) Error() string {
	return fmt.Sprintf("%v (no further attempt: %v)", e.last, e.ended)
}
func (e *retriesError) Unwrap() []error { return []error{e.last, e.ended} }

// ranError is the error of a task that ran, and failed because another call was
// not started. It hides that, since the promise of ErrNotStarted is about the
// call that has the error.
type ranError struct{ err error }

func (e *ranError) Error() string { return e.err.Error() }

func (e *ranError) Is(target error) bool {
	return target != ErrNotStarted && errors.Is(e.err, target)
}

func (e *ranError) As(target any) bool {
	if _, ok := target.(**NotStartedError); ok {
		return false
	}
	return errors.As(e.err, target)
}

// Interrupt returns the error of an attempt that was ended by force because ctx, its
// context, is done: an [InterruptedError] of how it ended, such as the death of its
// process.
func Interrupt(ctx context.Context, how error) error {
	return &InterruptedError{Err: how, Cause: context.Cause(ctx), end: ctx.Err()}
}

// Interrupted reports whether err, the outcome of a call, says only that the
// call's context was done, for whatever reason: before it ran, while it ran and
// gave up, or between two attempts. It is false for a task that failed because of
// a call of its own that was interrupted, while its own context was not done.
func Interrupted(err error) bool {
	if t, ok := errors.AsType[*TaskError](err); ok {
		err = t.Err
	}
	// Only the outermost layer tells of this call.
	switch e := err.(type) {
	case *NotStartedError:
		return errors.Is(e, context.Canceled) || errors.Is(e, context.DeadlineExceeded)
	case *retriesError:
		return errors.Is(e.ended, context.Canceled) || errors.Is(e.ended, context.DeadlineExceeded)
	case *InterruptedError:
		return true
	case *ranError:
		_, ok := e.err.(*InterruptedError)
		return ok
	}
	return false
}

// Cancelled reports whether err, the outcome of a call, says only that the call
// was cancelled: it was [Interrupted], and not by a limit of time, which would be
// a failure.
func Cancelled(err error) bool {
	return Interrupted(err) && errors.Is(err, context.Canceled)
}
