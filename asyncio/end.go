package asyncio

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// An ending is how far the end of a loop has come.
type ending struct {
	asked     bool // the loop ends when no coroutine is left
	cancelled bool // and those that are left have been asked to end
	forced    bool // and are unwound
	deadline  int64
	count     atomic.Int64 // of the coroutines that were asked
}

// ended reports whether there is nothing left to do, for ever.
func (l *Loop) ended() bool {
	return l.end.asked && l.alive.Len() == 0 && l.inbox.seal()
}

// limit returns how long the loop may wait at most: d, or less if coroutines are
// to be unwound before.
func (e *ending) limit(l *Loop, d time.Duration) time.Duration {
	if !e.cancelled || e.forced {
		return d
	}
	left := time.Duration(e.deadline - l.now)
	if left <= 0 || d < 0 && !l.awaitsOutside() {
		l.unwindAll()
		return 0
	}
	if d < 0 || d > left {
		return left
	}
	return d
}

// awaitsOutside reports whether something that the loop knows of can wake it,
// beside timers.
func (l *Loop) awaitsOutside() bool {
	return l.holds.Load() > 0 || l.poll != nil && l.poll.awaited() > 0
}

// cancelAll asks all coroutines to end.
func (l *Loop) cancelAll(cause error) {
	l.end.asked = true
	if l.end.cancelled {
		return
	}
	l.end.cancelled = true
	l.end.deadline = l.clock() + int64(l.cfg.Grace)
	l.end.count.Store(int64(l.alive.Len()))
	for n := l.alive.Front(); n != nil; n = n.Next() {
		if c := n.Value.call; c != nil {
			c.cancel(cause)
		}
	}
}

// unwindAll has all coroutines end where they are parked: their deferred
// functions run, and what parks in those returns at once.
func (l *Loop) unwindAll() {
	l.end.forced = true
	for n := l.alive.Front(); n != nil; n = n.Next() {
		w := n.Value.worker
		if w == nil {
			continue // it has not begun, and will not: see runFn
		}
		w.killed = true
		if w.waits != nil {
			w.cutShort()
		}
	}
}

// An order is something that others want done on the loop.
type order struct {
	letter letter
	do     func()
}

func (o *order) arrive() { o.do() }

// post has do called on the loop, from wherever. Do must neither park nor panic.
// It reports false if the loop is gone.
func (l *Loop) post(do func()) bool {
	o := &order{do: do}
	o.letter.from = o
	return l.send(&o.letter)
}

// Close ends the loop. From now on calls are refused with [engine.ErrClosed].
// Close waits for the coroutines that there are. If ctx is done before they have
// ended, it cancels the calls, with ErrClosed as the cause, and waits as long as
// Config.Grace says; then it unwinds the coroutines that still wait for something,
// so that their deferred functions run. It returns nil when the loop has ended by
// itself and nothing of it is left, and an error if calls were cancelled, or a
// coroutine does not let go of the loop: nothing can end that.
//
// Close may be called any number of times. From a coroutine of the loop it returns
// an error instead of waiting for itself; the loop is closing all the same.
func (l *Loop) Close(ctx context.Context) error {
	l.closing.Store(true)
	l.post(func() { l.end.asked = true })
	if current(ctx, l) != nil {
		return errors.New("asyncio: Close called from a coroutine of the loop: it is closing, but cannot wait for itself")
	}
	cut := l.gone.Wait(ctx)
	if cut == nil {
		return nil
	}
	l.post(func() { l.cancelAll(engine.ErrClosed) })
	// The loop needs a moment more to unwind what does not end in time.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.Grace+time.Second)
	defer cancel()
	if l.gone.Wait(grace) == nil {
		if l.end.count.Load() == 0 {
			return nil
		}
		return fmt.Errorf("asyncio: closing the loop cancelled %s: %w", coroutines(l.end.count.Load()), cut)
	}
	return fmt.Errorf("asyncio: the loop is closing, but a coroutine does not let go of it: %w", cut)
}

func coroutines(n int64) string {
	if n == 1 {
		return "1 coroutine"
	}
	return fmt.Sprintf("%d coroutines", n)
}

// A drain waits for the coroutines that there were when it began.
type drain struct {
	last uint64 // the youngest of them
	done strand.Event
	node waitq.Node[*drain]
}

// Drain returns when the coroutines that there are now have ended. The loop
// admits further calls meanwhile. If ctx is done first, Drain returns
// strand.Err(ctx) and changes nothing.
func (l *Loop) Drain(ctx context.Context) error {
	d := &drain{}
	d.node.Value = d
	if !l.post(func() {
		d.last = l.lastID
		l.drains.Push(&d.node)
		l.checkDrains()
	}) {
		return nil // the loop is gone, and all coroutines with it
	}
	if err := d.done.Wait(ctx); err != nil {
		l.post(func() { l.drains.Remove(&d.node) })
		return err
	}
	return nil
}

// checkDrains ends the drains that have nothing to wait for any more.
func (l *Loop) checkDrains() {
	oldest := l.lastID + 1
	if n := l.alive.Front(); n != nil {
		oldest = n.Value.id
	}
	for n := l.drains.Front(); n != nil; {
		d := n.Value
		n = n.Next()
		if d.last < oldest {
			l.drains.Remove(&d.node)
			d.done.Set()
		}
	}
}
