package braid

import (
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/codec"
)

// The errors of calls are those of package engine, under the names that callers
// need most.
type (
	// A TaskError is the error of a failed call: where it failed, and what
	// happened.
	TaskError = engine.TaskError
	// A PanicError is a panic of a task, recovered, with its stack.
	PanicError = engine.PanicError
	// An InterruptedError says that a task gave up because its context was done.
	InterruptedError = engine.InterruptedError
	// A TimeoutError is the cause of a context that ended at a limit of the
	// call's policy.
	TimeoutError = engine.TimeoutError
	// A NotStartedError says why a task was not started.
	NotStartedError = engine.NotStartedError
	// A CrashError is the death of the process in which a task ran.
	CrashError = engine.CrashError
	// A LostError says that the outcome of a call is unknown.
	LostError = engine.LostError
	// A RemoteError is an error of another process that could not come home as
	// it was.
	RemoteError = engine.RemoteError
)

// Errors to be found with errors.Is in the error of a failed call.
var (
	// ErrNotStarted says that the task has not run at all: it can safely be
	// submitted again.
	ErrNotStarted = engine.ErrNotStarted
	// ErrSaturated says that the engine was full and does not wait.
	ErrSaturated = engine.ErrSaturated
	// ErrClosed says that the engine, or the scope, takes no more calls.
	ErrClosed = engine.ErrClosed
	// ErrGoexit says that the task ended its goroutine and gave no result.
	ErrGoexit = engine.ErrGoexit
	// ErrPoison says that a call has ended every worker process that ran it.
	ErrPoison = engine.ErrPoison
)

// RegisterError has sentinels keep their identity on the way from a worker process:
// errors.Is finds them in the error of a call there as here. It is called when the
// program starts, by the package that has the sentinels, so that the worker does the
// same. Those of context, io, io/fs and braid itself are registered, as are all
// syscall.Errno, and net.ErrClosed by package asyncio.
//
// It panics if there are two sentinels with the same text, by which they are told apart.
func RegisterError(sentinels ...error) { codec.RegisterError(sentinels...) }

// RegisterErrorType has errors of type E, a struct or a pointer to one, come home from a
// worker process as what they were, for errors.As: their exported fields travel. It is
// called when the program starts. Errors of other types come home as [RemoteError],
// with their text and all that they wrap.
//
// It panics if values of type E cannot travel.
func RegisterErrorType[E error]() { codec.RegisterErrorType[E]() }
