package robust

import (
	"context"
	"sync/atomic"

	"github.com/go-braid/braid/strand"
)

// A Mutex is a lock that strands of all processes can hold. What it guards is not
// trusted after the death of its owner until somebody has said that it is in order. It is
// part of an object, whose Busy and Look it has a part in.
type Mutex struct {
	r    *Region
	lock *atomic.Uint32
	line *Line
	lost atomic.Uint32 // the word of a lock whose owner is dead, or 0
}

// NewMutex returns the mutex that lock is the word of, in the memory of r, and for which
// strands wait in line.
func NewMutex(r *Region, lock *atomic.Uint32, line *Line) *Mutex {
	return &Mutex{r: r, lock: lock, line: line}
}

// Busy has a part in [Object.Busy].
func (m *Mutex) Busy(slot int) bool { return m.lock.Load()&ownerMask == word(slot)+1 }

// Look has a part in [Object.Look].
func (m *Mutex) Look() {
	if w := m.r.dead(m.lock); w != 0 {
		m.lost.Store(w)
	}
}

// An Outcome is how an attempt to lock a mutex ended.
type Outcome uint8

// The outcomes of an attempt to lock a mutex.
const (
	Taken     Outcome = iota // the caller holds it
	Inherited                // the caller holds it, and the owner before him died with it
	Held                     // somebody else holds it
	Orphaned                 // its owner died, and nobody has inherited it yet
)

// try locks m if it can, and if the owner is known to be dead, only if inherit is true.
func (m *Mutex) try(inherit bool) Outcome {
	for {
		w := m.lock.Load()
		switch {
		case w&ownerMask == 0:
			if m.lock.CompareAndSwap(w, w|m.r.me) {
				return Taken
			}
		case w != m.lost.Load():
			return Held
		case !inherit:
			return Orphaned
		case m.lock.CompareAndSwap(w, (w&^ownerMask+epoch)|m.r.me):
			return Inherited
		}
	}
}

// TryLock locks m if it is free. It never waits.
func (m *Mutex) TryLock() Outcome {
	out := m.try(false)
	if out == Held {
		m.r.LookIfDue()
		out = m.try(false)
	}
	return out
}

// Lock locks m, waiting for it if need be. If its owner is dead, it inherits m if recover
// is true, and returns Orphaned otherwise. With an error, the caller does not hold m.
func (m *Mutex) Lock(ctx context.Context, op strand.Op, owner Owner, inherit bool) (Outcome, error) {
	out := m.try(inherit)
	if out != Held {
		return out, nil
	}
	err := m.line.Wait(ctx, op, &Waiter{Owner: owner, Try: func() bool {
		out = m.try(inherit)
		return out != Held
	}})
	return out, err
}

// Unlock unlocks m. It returns false if no strand of this process holds it.
func (m *Mutex) Unlock() bool {
	for {
		w := m.lock.Load()
		if w&ownerMask != m.r.me {
			return false
		}
		if m.lock.CompareAndSwap(w, w&^ownerMask) {
			m.line.Ring()
			return true
		}
	}
}

// Mine reports whether a strand of this process holds m.
func (m *Mutex) Mine() bool { return m.lock.Load()&ownerMask == m.r.me }

// Orphan reports whether the owner of m is dead.
func (m *Mutex) Orphan() bool {
	m.r.LookIfDue()
	w := m.lock.Load()
	return w&ownerMask != 0 && w == m.lost.Load()
}

// Owner returns who holds m: the number of the process, 0 if it is free, and whether that
// process is known to be dead.
func (m *Mutex) Owner() (pid int, dead bool) {
	w := m.lock.Load()
	owner := w & ownerMask
	if owner == 0 || owner > MaxProcesses {
		return 0, owner != 0
	}
	return m.r.ID(int(owner) - 1).PID(), w == m.lost.Load()
}
