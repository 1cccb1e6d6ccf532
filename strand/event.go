package strand

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/internal/waitq"
)

// An Event is a flag that strands can wait for. The zero value is not set. An
// Event must not be copied after first use.
type Event struct {
	set     atomic.Bool // changes under mu only
	mu      sync.Mutex
	waiters waitq.List[func()]
}

// Set sets the flag and wakes every strand that waits, even if Clear follows at
// once. It never waits and may be called from any goroutine, any number of
// times.
func (e *Event) Set() {
	e.mu.Lock()
	e.set.Store(true)
	var few [fewWakes]func()
	wakes := few[:0]
	for n := e.waiters.Pop(); n != nil; n = e.waiters.Pop() {
		wakes = append(wakes, n.Value)
	}
	e.mu.Unlock()
	wakeAll(wakes)
}

// Clear resets the flag: later calls of Wait wait for the next Set.
func (e *Event) Clear() {
	e.mu.Lock()
	e.set.Store(false)
	e.mu.Unlock()
}

// IsSet reports whether the flag is set.
func (e *Event) IsSet() bool { return e.set.Load() }

// Wait returns when the flag is set, at once if it is. It returns Err(ctx) if
// ctx is done first.
func (e *Event) Wait(ctx context.Context) error {
	if e.set.Load() {
		return nil
	}
	return Park(ctx, Op{Object: e, Kind: OpWait, Access: Read}, &eventWaiter{e: e})
}

// EventStatistics is a snapshot of an [Event].
type EventStatistics struct {
	Set     bool // whether the flag is set
	Waiting int  // strands that wait for it
}

// Statistics returns a snapshot of e.
func (e *Event) Statistics() EventStatistics {
	e.mu.Lock()
	defer e.mu.Unlock()
	return EventStatistics{Set: e.set.Load(), Waiting: e.waiters.Len()}
}

type eventWaiter struct {
	e    *Event
	node waitq.Node[func()]
}

func (w *eventWaiter) Arm(wake func()) bool {
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	if w.e.set.Load() {
		return false
	}
	w.node.Value = wake
	w.e.waiters.Push(&w.node)
	return true
}

func (w *eventWaiter) Disarm() bool {
	w.e.mu.Lock()
	defer w.e.mu.Unlock()
	return w.e.waiters.Remove(&w.node)
}
