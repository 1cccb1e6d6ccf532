package engine

import (
	"log/slog"
	"runtime/debug"
	"time"
)

// ReportUnobserved tells h's listener of the failure e, which nobody has awaited and
// nobody can await any more; without a listener that wants to know, it writes it to
// slog.Default. It fills in the time and the engine's name.
//
// The listener is called on a goroutine of its own, and ReportUnobserved returns when
// that is done. A listener that panics or ends its goroutine does not take the program
// along: that is written to slog.Default, and so is the failure, which would be lost
// otherwise.
func (h *Host) ReportUnobserved(e Event) {
	e.At, e.Engine = time.Since(epoch), h.Name
	if l := h.Listener; l != nil && l.Unobserved != nil {
		heard := make(chan error)
		go hear(l.Unobserved, e, heard)
		err := <-heard
		if err == nil {
			return
		}
		slog.Default().Error("a listener failed while it heard of a task's failure", "task", e.Task, "error", err)
	}
	slog.Default().Error("a task failed and nobody awaited it", "task", e.Task, "error", e.Err)
}

// hear calls listen and sends how that ended.
func hear(listen func(Event), e Event, heard chan<- error) {
	err := ErrGoexit
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
		heard <- err
	}()
	listen(e)
	err = nil
}
