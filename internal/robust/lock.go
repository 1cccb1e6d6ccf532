package robust

import (
	"errors"
	"os"
	"runtime"
	"time"
)

// spins is how often Lock looks before it sleeps.
const spins = 100

// Lock locks the region, for a few instructions of the object's. It blocks the thread.
// If the owner has died, it is taken from him, and [Object.Repair] is called.
func (r *Region) Lock() {
	r.mu.Lock()
	lock := &r.head.lock
	mine := r.me
	for i := 0; ; i++ {
		w := lock.Load()
		if w&ownerMask == 0 {
			if lock.CompareAndSwap(w, w|mine) {
				return
			}
			continue
		}
		if i < spins {
			if i%16 == 15 {
				runtime.Gosched()
			}
			continue
		}
		if w&contended == 0 && !lock.CompareAndSwap(w, w|contended) {
			continue
		}
		// Others may sleep as well: who has slept leaves the mark for them.
		mine = r.me | contended
		if err := futexWait(lock, w|contended); errors.Is(err, os.ErrDeadlineExceeded) {
			if w := r.dead(lock); w != 0 && r.inherit(w) {
				r.object.Repair()
				return
			}
		}
	}
}

// inherit takes the lock from a dead owner, whose word is w but for the mark.
func (r *Region) inherit(w word) bool {
	next := (w&^ownerMask + epoch) | r.me | contended
	return r.head.lock.CompareAndSwap(w, next) || r.head.lock.CompareAndSwap(w|contended, next)
}

// Unlock unlocks the region.
func (r *Region) Unlock() {
	lock := &r.head.lock
	for {
		w := lock.Load()
		if lock.CompareAndSwap(w, w&^(ownerMask|contended)) {
			if w&contended != 0 {
				futexWake(lock)
			}
			break
		}
	}
	r.mu.Unlock()
}

// looks is how many processes one Look looks at.
const looks = 16

var start = time.Now()

// LookIfDue looks for the dead, unless that was done within the last Slice.
func (r *Region) LookIfDue() {
	now := int64(time.Since(start))
	last := r.looked.Load()
	if last != 0 && now-last < int64(Slice)*9/10 || !r.looked.CompareAndSwap(last, now) {
		return
	}
	r.Look()
}

// Look looks for processes that are dead, as far as they matter to those who wait, and
// settles what they had. It looks at some of them only; calls after it look at the
// others.
func (r *Region) Look() {
	if r.kind.Alone || !r.lookMu.TryLock() {
		return
	}
	defer r.lookMu.Unlock()
	r.object.Look()
	used := r.Used()
	for i, n := 0, 0; i < used && n < looks; i++ {
		r.turn = (r.turn + 1) % used
		slot := r.turn
		id := r.ID(slot)
		if slot == r.slot || id == 0 {
			continue
		}
		r.Lock()
		concerns := r.object.Concerns(slot)
		r.Unlock()
		if concerns {
			n++
			if id.State() == Dead {
				r.bury(slot, id)
			}
		}
	}
	for _, l := range r.lines {
		l.look()
	}
}

// bury frees the slot of a dead process, unless a lock still names it.
func (r *Region) bury(slot int, id ID) {
	r.Lock()
	defer r.Unlock()
	if r.ID(slot) != id {
		return
	}
	r.settle(slot)
	if !r.object.Busy(slot) {
		r.head.ids[slot].CompareAndSwap(uint64(id), 0)
	}
}
