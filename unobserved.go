package braid

import (
	"runtime"
	"sync/atomic"

	"github.com/go-braid/braid/engine"
)

// A failure is the error of a failed call, and what is to be reported if nobody takes
// it. It holds no pointer to the call's future, so as not to keep it alive.
type failure struct {
	host     *engine.Host
	spec     engine.Spec
	id       uint64
	attempt  int
	err      error
	observed atomic.Bool
}

// failed returns the failure that is err, or nil, of j, which is about to be complete. It
// will be reported if the future becomes garbage before anybody has taken the result.
// That a call was cancelled is no news to whoever cancelled it, and is not
// reported; the failure of a group's child is the group's.
//
// Only the garbage collector knows that nobody can ask any more; asyncio relies
// on it in the same way. So the report comes late, and not at all if the program
// ends before.
func (j *job[T]) failed(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{err: err}
	if j.group != nil || engine.Cancelled(err) {
		return f
	}
	call := &j.future.call
	f.host, f.spec, f.id, f.attempt = call.Host(), call.Spec(), call.ID(), call.Attempt()
	runtime.AddCleanup(j, (*failure).report, f)
	return f
}

// report is called on a goroutine of the runtime.
func (f *failure) report() {
	if f.observed.Load() {
		return
	}
	f.host.ReportUnobserved(engine.Event{
		Call: f.id, Task: f.spec.Task, Index: f.spec.Index, Attempt: f.attempt, Err: f.err,
	})
}
