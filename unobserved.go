package braid

import (
	"runtime"
	"sync/atomic"

	"github.com/go-braid/braid/engine"
)

// A failure is what is known of a failed call whose error nobody has taken yet.
// It holds no pointer to the call's future, so as not to keep it alive.
type failure struct {
	host     *engine.Host
	spec     engine.Spec
	id       uint64
	attempt  int
	err      error
	observed atomic.Bool
}

// watchUnobserved arranges that the failure of j, which is about to be complete,
// is reported if its future becomes garbage before anybody has taken the result.
// That a call was cancelled is no news to whoever cancelled it, and is not
// reported; the failure of a group's child is the group's.
//
// Only the garbage collector knows that nobody can ask any more; asyncio relies
// on it in the same way. So the report comes late, and not at all if the program
// ends before.
func watchUnobserved[T any](j *job[T], err error) {
	if err == nil || j.group != nil || engine.Cancelled(err) {
		return
	}
	f := &failure{host: j.call.Host(), spec: j.call.Spec(), id: j.call.ID(), attempt: j.call.Attempt(), err: err}
	j.future.failure = f
	runtime.AddCleanup(j, (*failure).report, f)
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
