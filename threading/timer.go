package threading

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-braid/braid/strand"
)

// A Timer is a thread that begins after a delay. Make one with [AfterFunc]. As long
// as it waits for its time it needs no goroutine; it is alive all the same, listed by
// [Threads] as one that sleeps, and [JoinAll] waits for it.
type Timer struct {
	*Thread

	pending sync.Mutex
	timer   *time.Timer // nil once it is decided what becomes of the thread
	unwatch func() bool // takes back the watch on ctx
}

// errTimerCancelled is the cause with which Cancel ends a timer's context.
var errTimerCancelled = errors.New("threading: the timer was cancelled")

// AfterFunc runs fn once, as a thread like those of [Go], when d is over, and at once
// if d is not positive. It returns without waiting. If ctx is done before that, or
// the timer is cancelled, fn does not run, and the thread ends with an error that is
// [engine.ErrNotStarted]. AfterFunc panics if fn is nil.
func AfterFunc(ctx context.Context, name string, d time.Duration, fn func(ctx context.Context) error, opts ...ThreadOption) *Timer {
	t := &Timer{Thread: newThread(ctx, name, fn, opts)}
	t.publish(strand.Op{Kind: strand.OpSleep})
	t.begin()
	t.pending.Lock() // not to be decided before both are there
	defer t.pending.Unlock()
	t.timer = time.AfterFunc(d, t.fire)
	t.unwatch = context.AfterFunc(t.ctx, t.abandon)
	return t
}

// Cancel keeps the timer's function from being run, and reports whether it was in
// time. If so the thread has ended when Cancel returns, with an error that is
// [engine.ErrNotStarted] and context.Canceled, which nobody needs to hear of. If not,
// the function runs or has run, or the timer has been cancelled before, and Cancel does
// nothing: to end what runs, cancel its context. It never waits.
func (t *Timer) Cancel() bool {
	if !t.decide() {
		return false
	}
	t.cancel(errTimerCancelled)
	t.refuse()
	return true
}

// decide reports whether it is up to the caller what becomes of the thread: to the
// first who asks.
func (t *Timer) decide() bool {
	t.pending.Lock()
	defer t.pending.Unlock()
	if t.timer == nil {
		return false
	}
	t.timer.Stop()
	t.unwatch()
	t.timer, t.unwatch = nil, nil
	return true
}

// fire is called when the time has come, on a goroutine of its own.
func (t *Timer) fire() {
	if t.decide() {
		t.publish(strand.Op{})
		t.run()
	}
}

// abandon is called when the context is done.
func (t *Timer) abandon() {
	if t.decide() {
		t.refuse()
	}
}

// refuse ends the thread, which has not begun, because its context is done.
func (t *Timer) refuse() {
	t.publish(strand.Op{})
	t.call.Refuse(strand.Err(t.ctx))
}
