package lane

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-braid/braid/engine"
)

// Drain waits until no call of the lane runs, is parked or waits. It keeps nobody from
// submitting more, so the lane may be busy again when it returns, and it does not end
// a pause. It returns strand.Err(ctx) if ctx is done first, and an error at once if ctx
// is that of a task of the lane, which would wait for itself.
func (l *Lane) Drain(ctx context.Context) error {
	if l.inside(ctx) {
		return errors.New("lane: Drain called from a task of the lane: it would wait for itself")
	}
	return l.awaitQuiet(ctx, false)
}

// Close ends the lane, and leaves the engine behind it alone. From now on calls are
// refused with [engine.ErrClosed], and so are those whose submitters wait for room.
// Close waits for the calls that were admitted. If ctx is done before they are
// complete, it refuses those that have not begun, cancels the others, with ErrClosed
// as the cause, and waits for them as long as Config.Grace says. It returns nil when
// all are complete, and an error if tasks were cancelled or still run.
//
// Close may be called again, to wait again. From a task of the lane it returns an
// error instead of waiting for itself; the lane is closing all the same.
func (l *Lane) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closing, l.paused = true, false
	l.refusePutters(engine.ErrClosed)
	l.schedule()
	l.unlock()
	if l.inside(ctx) {
		return errors.New("lane: Close called from a task of the lane: it is closing, but cannot wait for itself")
	}
	cut := l.awaitQuiet(ctx, true)
	if cut == nil {
		return nil
	}
	cancelled := l.abort()
	if l.cfg.Grace > 0 {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.Grace)
		defer cancel()
		if l.awaitQuiet(grace, true) == nil {
			if cancelled == 0 {
				return nil // all was complete but for a goroutine that was about to end
			}
			return fmt.Errorf("lane: closing cancelled %s: %w", calls(cancelled), cut)
		}
	}
	s := l.Statistics()
	return fmt.Errorf("lane: closing cancelled %s, of which %d still run: %w", calls(cancelled), s.Running+s.Lent, cut)
}

func calls(n int) string {
	if n == 1 {
		return "1 call"
	}
	return fmt.Sprintf("%d calls", n)
}

// Withdraw implements [engine.Withdrawer]: it also gets back those calls of the lane
// that wait in the engine behind it, and no others. A nil error means context.Canceled.
func (l *Lane) Withdraw(why error) int {
	if why == nil {
		why = context.Canceled
	}
	l.mu.Lock()
	defer l.unlock()
	n := l.waiting.Len() + l.putters.Len()
	l.refuseWaiting(why)
	for p := l.passed.Front(); p != nil; p = p.Next() {
		if j := p.Value; j.call.Withdraw(why) {
			n++
			l.after = append(l.after, func() { j.ctx.Cancel(why) })
		}
	}
	return n
}

// abort refuses the calls that have not begun, cancels those that have, and returns
// how many there were.
func (l *Lane) abort() int {
	l.mu.Lock()
	defer l.unlock()
	n := l.waiting.Len() + l.passed.Len()
	l.refuseWaiting(engine.ErrClosed)
	for p := l.passed.Front(); p != nil; p = p.Next() {
		j := p.Value
		j.call.Withdraw(engine.ErrClosed)
		l.after = append(l.after, func() { j.ctx.Cancel(engine.ErrClosed) })
	}
	return n
}

// refuseWaiting empties the queue. It needs l.mu.
func (l *Lane) refuseWaiting(err error) {
	l.refusePutters(err)
	for n := l.waiting.Pop(); n != nil; n = l.waiting.Pop() {
		j := n.Value
		j.watch.Stop()
		l.counters.refused++
		l.settling++
		l.after = append(l.after, func() { j.expel(err) })
	}
}

// refusePutters sends the submitters that wait away. It needs l.mu.
func (l *Lane) refusePutters(err error) {
	for n := l.putters.Pop(); n != nil; n = l.putters.Pop() {
		n.Value.err = err
		l.counters.refused++
		l.after = append(l.after, n.Value.wake)
	}
}

// inside reports whether ctx is that of a task of l that runs, or of a call that such
// a task has made.
func (l *Lane) inside(ctx context.Context) bool {
	j, ok := ctx.Value(insideKey{l}).(*job)
	if !ok {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return !j.over
}

// awaitQuiet waits until nothing runs, is parked or waits, and with gone also until no
// goroutine is left.
func (l *Lane) awaitQuiet(ctx context.Context, gone bool) error {
	return l.quiet.Await(ctx, l, gone)
}

// isQuiet needs l.mu.
func (l *Lane) isQuiet(gone bool) bool {
	return l.running == 0 && l.lent == 0 && l.settling == 0 &&
		l.waiting.Len() == 0 && l.putters.Len() == 0 && (!gone || l.ushers == 0)
}

// wakeQuiet wakes those whose wait is over. It needs l.mu.
func (l *Lane) wakeQuiet() { l.after = l.quiet.Wake(l.after) }
