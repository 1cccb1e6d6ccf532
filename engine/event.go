package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/internal/clock"
	"github.com/go-braid/braid/strand"
)

// An Event is something that happened to a call or to a worker.
type Event struct {
	At      time.Duration // on the clock of the engine, since Epoch; see Time
	Engine  string        // the name of the engine
	Worker  int           // its number for the strand or process, from 1; 0 if none
	PID     int           // the worker's process: WorkerStarted and WorkerStopped, if it is not this one
	Call    uint64        // the call, a number unique in this process; 0 if none
	Task    string        // the task's name; empty for a closure without one
	Index   int           // which of a number of calls of the same task, from 0
	Attempt int           // which attempt, from 1
	Op      strand.Op     // what the strand waits for: Parked only
	Waited  time.Duration // since Submitted, if the listener has that: Started, and Retrying and Finished of an attempt that did not run
	Delay   time.Duration // the pause before the next attempt: Retrying only
	Done    int64         // how much of the work is done: Progress only
	Total   int64         // how much work there is, 0 if that is not known: Progress only
	Err     error         // the failure: Retrying, Finished, Unobserved, WorkerStopped
}

// epoch is what At counts from. It may be on another clock than At: only the differences
// between what was read from one clock matter.
var epoch = clock.Epoch()

// Epoch returns what [Event.At] counts from: a time at which the program began, with the
// reading of the monotonic clock.
func Epoch() time.Time { return epoch }

// Time returns when the event was. At is cheaper to be read and to be subtracted from
// another one. The wall clock of the result is right even if it was set, or the machine
// was suspended, since the program began, but not since the event.
func (e *Event) Time() time.Time {
	now := strand.Goroutine{}.Now()
	return now.Add(e.At - now.Sub(epoch))
}

// A Listener is told what happens on an engine. Each field may be nil; a nil
// *Listener hears nothing and costs nothing.
//
// The functions are called on the strand where the event happens, so for
// different calls at the same time. They must be quick, must neither block nor
// panic, and must not call the engine.
//
// For one call the order is
//
//	Submitted (Started (Parked Resumed)*)? (Retrying Submitted (Started …)?)* Finished
//
// (Progress apart, which comes between Started and the end of the attempt), with
// exactly one Finished, before the call's future has its result. (If a task
// leaves goroutines behind that park in its name, Parked and Resumed may come
// without one another, but not after Finished.)
type Listener struct {
	Submitted func(Event) // a call was handed to the engine, which may yet refuse it
	Started   func(Event) // its body begins to run
	Progress  func(Event) // its body says how far it is
	Retrying  func(Event) // an attempt failed, the next one begins after Delay
	Finished  func(Event) // the call is complete

	// Queued, if it is not nil, is counted up for each attempt in place of calling Submitted.
	Queued *atomic.Int64

	// Track, if it is not nil, gives a worker that runs one call after the other, such as
	// those of threads, a track of its own, before WorkerStarted; the worker closes it before
	// WorkerStopped. Then the listener hears neither Started nor Finished of an attempt that
	// is the first at its call, succeeds, and is not claimed meanwhile: it stands on the track
	// before the call's future has its result. Of what else happens to an attempt, events
	// tell as ever, and its Started may be missing; see [Track.Claim]. If the function returns
	// nil, the worker has events only.
	//
	// A listener with Queued or Track must have Submitted, Started and Finished as well: there
	// are engines without workers, and [Tee] leaves those two out.
	Track func(engine string, worker int) *Track

	// Context gives an attempt its context: ctx, which has the values that the submitter
	// of the call gave it, or one that comes from ctx and has further values, such as the
	// span of a tracer. It is called after Started, with an event like that one, and must not
	// keep ctx. A body that runs in another process does not see what it returns.
	Context func(ctx context.Context, e Event) context.Context

	Parked  func(Event) // the body of a call begins to wait
	Resumed func(Event) // its body goes on

	WorkerStarted func(Event) // a worker is ready
	WorkerStopped func(Event) // a worker is gone; Err says why, if it failed

	// Unobserved is told of a failure that nobody has awaited: the call's
	// future is garbage. Without it, such a failure is written to
	// slog.Default. It is called on a goroutine of its own. If it panics or
	// ends that, both the failure and that go to slog.Default; see
	// Host.ReportUnobserved.
	Unobserved func(Event)
}
