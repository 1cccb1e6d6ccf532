package strand

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/internal/waitq"
)

// A Mutex is a mutual exclusion lock that parks strands instead of blocking
// threads, and whose Lock can be cancelled. The zero value is unlocked. A Mutex
// must not be copied after first use.
//
// It is fair: Unlock hands the mutex to the strand that has waited longest. It
// is not re-entrant: a strand that locks it twice waits for itself; see [RLock].
//
// The strand that locks a Mutex owns it, provided that the strand has an identity
// (see [Self]). If the owner ends without unlocking it, nobody will: the mutex is
// broken then, for good, and those who wait for it and all who come later get a
// [*BrokenError] instead of waiting for ever. A lock that breaks when its owner
// ends is an idea of trio's.
//
// Another strand than the owner may unlock the mutex, but must do so before the
// owner ends. What is locked in one strand to be unlocked in another after that
// is better locked with TryLock, which makes no owner, or is a [Semaphore].
//
// For a critical section that does not wait for anything, sync.Mutex is the
// better choice.
type Mutex struct {
	// state is nil while the mutex is free, the owner while nobody else wants
	// it, and &crowd when there is more to know: the rest is under mu then.
	// If the owner has ended, the mutex is broken.
	state atomic.Pointer[Strand]

	mu      sync.Mutex // state becomes &crowd, and ceases to be, under mu only
	owner   *Strand    // while state is &crowd
	waiters waitq.List[*mutexWaiter]
}

// crowd is the state of a Mutex for which somebody waits, or of a broken one for
// which somebody wanted to wait. It is no strand.
var crowd Strand

// Lock locks m, waiting for it if need be. It returns Err(ctx), not holding m,
// if ctx is done before m is free, and a [*BrokenError] if m is broken before or
// while it waits; a free mutex is locked without a look at whether ctx is done.
func (m *Mutex) Lock(ctx context.Context) error {
	self := ownerFor(ctx)
	if m.state.CompareAndSwap(nil, self) {
		return nil
	}
	return m.wait(ctx, self, m)
}

// wait is the slow path of Lock, in the name of lock, whose part m is.
func (m *Mutex) wait(ctx context.Context, self *Strand, lock any) error {
	w := &mutexWaiter{m: m, self: self}
	if err := Park(ctx, Op{Object: lock, Kind: OpLock, Access: Write}, w); err != nil {
		return err
	}
	if w.killer != nil {
		return &BrokenError{Lock: lock, Owner: w.killer}
	}
	return nil
}

// TryLock locks m if it is free and reports whether it did. It never waits. The
// mutex has no owner then, so that it does not break.
func (m *Mutex) TryLock() bool {
	return m.state.CompareAndSwap(nil, &nobody)
}

// Unlock unlocks m, or hands it to the strand that has waited longest. It never
// waits and may be called from any goroutine. It panics if m is not locked; a
// broken mutex it leaves as it is.
func (m *Mutex) Unlock() {
	p := m.state.Load()
	if p != nil && p != &crowd && !p.Ended() && m.state.CompareAndSwap(p, nil) {
		return
	}
	if !m.handOver() {
		panic("strand: Unlock of an unlocked Mutex")
	}
}

// handOver is the slow path of Unlock. It returns false if m is not locked.
func (m *Mutex) handOver() bool {
	m.mu.Lock()
	if !m.summon() {
		m.mu.Unlock()
		return false
	}
	if m.owner.Ended() {
		m.mu.Unlock()
		return true
	}
	unwatch(m.owner, m)
	next := m.waiters.Pop()
	if next == nil {
		m.owner = nil
		m.state.Store(nil)
		m.mu.Unlock()
		return true
	}
	m.owner = next.Value.self
	wakes := []func(){next.Value.wake}
	if m.waiters.Len() == 0 {
		m.leave()
	} else if !watch(m.owner, m) {
		// The strand that waited has ended meanwhile, by somebody else's End.
		wakes = append(wakes, m.smash()...)
	}
	m.mu.Unlock()
	wakeAll(wakes)
	return true
}

// summon makes the state of a locked mutex &crowd, so that all is under m.mu,
// which the caller holds. It returns false if the mutex is free, or has become so
// meanwhile. The caller sees to it that the state is right when it releases m.mu.
func (m *Mutex) summon() bool {
	for {
		p := m.state.Load()
		switch {
		case p == nil:
			return false
		case p == &crowd:
			return true
		case m.state.CompareAndSwap(p, &crowd):
			m.owner = p
			watch(p, m) // if he has ended, nobody has waited
			return true
		}
	}
}

// leave undoes summon for a mutex that is locked and for which nobody waits. It
// needs m.mu.
func (m *Mutex) leave() {
	owner := m.owner
	m.owner = nil
	m.state.Store(owner)
}

// smash returns the wake-ups of those who wait for a mutex that has become broken.
// It needs m.mu.
func (m *Mutex) smash() (wakes []func()) {
	for n := m.waiters.Pop(); n != nil; n = m.waiters.Pop() {
		n.Value.killer = m.owner
		wakes = append(wakes, n.Value.wake)
	}
	return wakes
}

// ownerEnded is called when a strand ends that owned m and was watched.
func (m *Mutex) ownerEnded(owner *Strand) {
	m.mu.Lock()
	var wakes []func()
	// Somebody else may have unlocked m just before.
	if m.state.Load() == &crowd && m.owner == owner {
		wakes = m.smash()
	}
	m.mu.Unlock()
	wakeAll(wakes)
}

// look returns what there is to know of m. The owner is nil if m is free; that of
// a broken mutex is who ended.
func (m *Mutex) look() (owner *Strand, broken bool, waiting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	owner = m.state.Load()
	if owner == &crowd {
		owner = m.owner
	}
	return owner, owner != nil && owner.Ended(), m.waiters.Len()
}

// Holders implements [Holder]: it returns the owner, if m has one.
func (m *Mutex) Holders() []*Strand {
	owner, broken, _ := m.look()
	if broken {
		return nil
	}
	return holders(owner)
}

// MutexStatistics is a snapshot of a [Mutex], for reports and tests; it is out
// of date when it is read.
type MutexStatistics struct {
	Locked  bool // whether somebody holds the mutex, or it is broken
	Broken  bool // whether its owner ended without unlocking it
	Waiting int  // strands that wait for it
}

// Statistics returns a snapshot of m.
func (m *Mutex) Statistics() MutexStatistics {
	owner, broken, waiting := m.look()
	return MutexStatistics{Locked: owner != nil, Broken: broken, Waiting: waiting}
}

// held implements [Locker]. Where an identity is missing, the strand is trusted.
func (m *Mutex) held(ctx context.Context) (bool, error) {
	owner, broken, _ := m.look()
	if broken {
		return false, &BrokenError{Lock: m, Owner: owner}
	}
	self := ownerFor(ctx)
	return owner != nil && (owner == self || owner == &nobody || self == &nobody), nil
}

// locked implements [Locker].
func (m *Mutex) locked() bool { return m.state.Load() != nil }

// unlock implements [Locker].
func (m *Mutex) unlock(context.Context) { m.Unlock() }

// suspend implements [Locker].
func (m *Mutex) suspend() int { m.Unlock(); return 1 }

// resume implements [Locker].
func (m *Mutex) resume(ctx context.Context, _ int) error { return m.Lock(ctx) }

type mutexWaiter struct {
	m      *Mutex
	self   *Strand
	killer *Strand // set before wake, if the mutex is broken: who ended
	wake   func()
	node   waitq.Node[*mutexWaiter]
}

func (w *mutexWaiter) Arm(wake func()) bool {
	m := w.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for !m.summon() {
		if m.state.CompareAndSwap(nil, w.self) {
			return false
		}
	}
	if m.owner.Ended() {
		w.killer = m.owner
		return false
	}
	w.wake, w.node.Value = wake, w
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
		unwatch(m.owner, m)
		m.leave()
	}
	return true
}
