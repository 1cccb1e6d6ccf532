package robust

import (
	"sync/atomic"
	"unsafe"

	"github.com/go-braid/braid/internal/shm"
)

// MaxProcesses is how many processes can have an object open.
const MaxProcesses = 256

// A word is the state of a lock: its owner's slot plus 1, or 0; whether somebody sleeps
// on it; and in the upper bits how often it was taken from the dead.
type word = uint32

const (
	ownerMask word = 1<<9 - 1
	contended word = 1 << 9
	epoch     word = 1 << 10
)

// dead returns the word of a lock whose owner is dead, or 0 if there is none.
func (r *Region) dead(lock *atomic.Uint32) word {
	w := lock.Load()
	owner := w & ownerMask
	if owner == 0 || owner == r.me || owner > MaxProcesses {
		return 0
	}
	id := &r.head.ids[owner-1]
	holder := ID(id.Load())
	if holder == 0 || holder.State() != Dead {
		return 0
	}
	// A slot is not freed while a lock names it. So if the slot is still the dead one's
	// after the word was found unchanged, it was the dead one's all the time, and so is
	// the lock. From now on the word changes by being taken from him only, which counts
	// up the epoch: w never comes back.
	if lock.Load()&^contended != w&^contended || ID(id.Load()) != holder {
		return 0
	}
	return w &^ contended
}

// futexWait and futexWake are those of package shm, for the types of sync/atomic.
func futexWait(a *atomic.Uint32, val uint32) error {
	return shm.FutexWait((*uint32)(unsafe.Pointer(a)), val, Slice)
}

func futexWake(a *atomic.Uint32) {
	_ = shm.FutexWake((*uint32)(unsafe.Pointer(a)), 1) // it fails only for nonsense
}
