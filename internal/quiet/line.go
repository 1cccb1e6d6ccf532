// Package quiet is the wait for an engine to fall quiet: for the end of all its work, or
// of its goroutines and processes as well.
package quiet

import (
	"context"
	"sync"

	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A Line is the strands that wait for one engine to fall quiet. Its fields are set before
// anybody waits.
type Line struct {
	Mu     *sync.Mutex          // guards the engine's accounts, and the line
	Unlock func()               // releases Mu, and then calls what Wake has returned
	Is     func(gone bool) bool // whether the engine is quiet; it needs Mu

	waiters waitq.List[*waiter]
}

// Await waits until the engine, which reports of deadlocks call object, is quiet: whatever
// ctx says if it is already, and otherwise until ctx is done, whose error it then
// returns. Gone says that nothing of the engine may be left either.
func (l *Line) Await(ctx context.Context, object any, gone bool) error {
	l.Mu.Lock()
	quiet := l.Is(gone)
	l.Mu.Unlock()
	if quiet {
		return nil
	}
	op := strand.Op{Object: object, Kind: strand.OpWait, Access: strand.Read}
	return strand.Park(ctx, op, &waiter{line: l, gone: gone})
}

// Wake takes those out of the line whose wait is over, and returns after with what wakes
// them. It needs Mu.
func (l *Line) Wake(after []func()) []func() {
	for n := l.waiters.Front(); n != nil; {
		next := n.Next()
		if l.Is(n.Value.gone) {
			l.waiters.Remove(n)
			after = append(after, n.Value.wake)
		}
		n = next
	}
	return after
}

// A waiter is a strand in a line.
type waiter struct {
	line *Line
	gone bool
	wake func()
	node waitq.Node[*waiter]
}

// Arm implements [strand.Waitable].
func (w *waiter) Arm(wake func()) bool {
	l := w.line
	l.Mu.Lock()
	defer l.Unlock()
	if l.Is(w.gone) {
		return false
	}
	w.wake, w.node.Value = wake, w
	l.waiters.Push(&w.node)
	return true
}

// Disarm implements [strand.Waitable].
func (w *waiter) Disarm() bool {
	l := w.line
	l.Mu.Lock()
	defer l.Unlock()
	return l.waiters.Remove(&w.node)
}
