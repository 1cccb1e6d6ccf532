package asyncio

import (
	"sync/atomic"
)

type watchdog struct {
	loop  *Loop
	state atomic.Uint64
}

func (w *watchdog) step()  { w.state.Store(w.state.Load() + 1) }
func (w *watchdog) sleep() {}
func (w *watchdog) awake() {}
func (w *watchdog) stop()  {}

// A SlowStep x.
type SlowStep struct{}

func (l *Loop) checkGoroutine() {}

// A DeadlockError x.
type DeadlockError struct{}

// Error x.
func (e *DeadlockError) Error() string { return "deadlock" }
func (l *Loop) deadlocked(w *worker) {
	l.deadlock = &DeadlockError{}
	l.main.cancel(l.deadlock)
	l.holds.Add(1)
}
func (l *Loop) stuck() bool {
	return !l.cfg.Shared && l.cfg.DeadlockAfter > 0 && l.alive.Len() > 0 && !l.awaitsOutside() && !l.end.cancelled
}
