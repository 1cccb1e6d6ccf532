package asyncio

import "time"

// A Handle is a callback that a loop is to run: on a stack of the loop, between
// the steps of its coroutines. A callback has no identity and cannot wait.
type Handle struct {
	loop      *Loop
	fn        func()
	timer     timer
	letter    letter
	cancelled bool
}

// CallSoon has fn called in the next turn, after what is ready by now. It is for
// coroutines and callbacks of the loop; from elsewhere use
// [Loop.CallSoonThreadsafe].
func (l *Loop) CallSoon(fn func()) *Handle {
	l.checkGoroutine()
	h := &Handle{loop: l, fn: fn}
	l.push(h)
	return h
}

// CallLater has fn called after d, at once if d is not positive. Callbacks that are
// due at the same time are called in the order in which CallLater or CallAt was
// called. It is for coroutines and callbacks of the loop.
func (l *Loop) CallLater(d time.Duration, fn func()) *Handle {
	l.checkGoroutine()
	h := &Handle{loop: l, fn: fn}
	l.timers.set(&h.timer, l.clock()+int64(max(0, d)), h)
	return h
}

// CallAt has fn called when the loop's clock, which strand.Now reads, shows t. It
// is otherwise like [Loop.CallLater].
func (l *Loop) CallAt(t time.Time, fn func()) *Handle {
	l.checkGoroutine()
	h := &Handle{loop: l, fn: fn}
	l.timers.set(&h.timer, int64(t.Sub(l.epoch)), h)
	return h
}

// CallSoonThreadsafe is [Loop.CallSoon] for any goroutine, and wakes the loop if it
// sleeps. It returns false if the loop has ended: then fn will not be called.
// Coroutines are woken by what they wait for, and need no callback for that.
func (l *Loop) CallSoonThreadsafe(fn func()) (*Handle, bool) {
	h := &Handle{loop: l, fn: fn}
	h.letter.from = h
	return h, l.send(&h.letter)
}

// Cancel takes the callback back. It reports false if that was done before, or the
// callback was called or is being called. It is for coroutines and callbacks of the
// loop.
func (h *Handle) Cancel() bool {
	h.loop.checkGoroutine()
	if h.cancelled || h.fn == nil {
		return false
	}
	h.cancelled = true
	h.fn = nil
	h.loop.timers.cancel(&h.timer)
	return true
}

// arrive implements sender.
func (h *Handle) arrive() { h.loop.ready.push(h) }

// fire implements firer.
func (h *Handle) fire() { h.loop.ready.push(h) }

// take returns the function to call, once; nil if it was taken back.
func (h *Handle) take() func() {
	fn := h.fn
	h.fn = nil
	return fn
}
