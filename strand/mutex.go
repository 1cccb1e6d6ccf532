package strand

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/internal/waitq"
)

// The state word of a Mutex.
//
//	mutexLocked     set while somebody holds the mutex; stays set when Unlock
//	                hands it to a waiter, so that nobody can slip in between
//	mutexContended  set while the list of waiters is not empty; implies
//	                mutexLocked; changes under mu only
const (
	mutexLocked int32 = 1 << iota
	mutexContended
)

// A Mutex is a mutual exclusion lock that parks strands instead of blocking
// threads, and whose Lock can be cancelled. The zero value is unlocked. A Mutex
// must not be copied after first use.
//
// It is fair: Unlock hands the mutex to the strand that has waited longest. It
// is not re-entrant: a strand that locks it twice waits for itself. It belongs
// to no strand: one may lock it and another unlock it.
//
// For a critical section that does not wait for anything, sync.Mutex is the
// better choice.
type Mutex struct {
	state   atomic.Int32
	mu      sync.Mutex // guards waiters and mutexContended
	waiters waitq.List[func()]
}

// Lock locks m, waiting for it if need be. It returns Err(ctx), not holding m,
// if ctx is done before m is free; a free mutex is locked without a look at ctx.
func (m *Mutex) Lock(ctx context.Context) error {
	if m.state.CompareAndSwap(0, mutexLocked) {
		return nil
	}
	return Park(ctx, Op{Object: m, Kind: OpLock, Access: Write}, &mutexWaiter{m: m})
}

// TryLock locks m if it is free and reports whether it did. It never waits.
func (m *Mutex) TryLock() bool {
	return m.state.CompareAndSwap(0, mutexLocked)
}

// Unlock unlocks m, or hands it to the strand that has waited longest. It never
// waits and may be called from any goroutine. It panics if m is not locked.
func (m *Mutex) Unlock() {
	if m.state.CompareAndSwap(mutexLocked, 0) {
		return
	}
	m.mu.Lock()
	if m.state.Load()&mutexLocked == 0 {
		m.mu.Unlock()
		panic("strand: Unlock of an unlocked Mutex")
	}
	next := m.waiters.Pop()
	if next == nil {
		// The last waiter was cancelled between our look at the state and here.
		m.state.Store(0)
		m.mu.Unlock()
		return
	}
	if m.waiters.Len() == 0 {
		m.state.Store(mutexLocked)
	}
	m.mu.Unlock()
	next.Value()
}

// MutexStatistics is a snapshot of a [Mutex], for reports and tests; it is out
// of date when it is read.
type MutexStatistics struct {
	Locked  bool // whether somebody holds the mutex
	Waiting int  // strands that wait for it
}

// Statistics returns a snapshot of m.
func (m *Mutex) Statistics() MutexStatistics {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MutexStatistics{
		Locked:  m.state.Load()&mutexLocked != 0,
		Waiting: m.waiters.Len(),
	}
}

type mutexWaiter struct {
	m    *Mutex
	node waitq.Node[func()]
}

func (w *mutexWaiter) Arm(wake func()) bool {
	m := w.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		s := m.state.Load()
		if s == 0 {
			if m.state.CompareAndSwap(0, mutexLocked) {
				return false
			}
			continue
		}
		if s&mutexContended != 0 || m.state.CompareAndSwap(s, s|mutexContended) {
			break
		}
	}
	w.node.Value = wake
	m.waiters.Push(&w.node)
	return true
}

func (w *mutexWaiter) Disarm() bool {
	m := w.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.waiters.Remove(&w.node) {
		return false
	}
	if m.waiters.Len() == 0 {
		m.state.Store(mutexLocked)
	}
	return true
}
