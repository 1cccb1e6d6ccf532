package strand

import (
	"context"
	"errors"
	"sync/atomic"
)

// ErrNoIdentity is the error of an operation that must know which strand calls
// it, when the context has no strand with an identity, or one that has ended.
var ErrNoIdentity = errors.New("strand: the context belongs to no living strand with an identity: " +
	"give the goroutine one with strand.Enter, or run it on an engine")

// An RLock is a re-entrant mutual exclusion lock: the strand that holds it may
// lock it again, and the lock is free when it has unlocked it as often. The zero
// value is unlocked. An RLock must not be copied after first use.
//
// It knows its owner by identity (see [Self]): a strand without one cannot lock
// it, and only the owner can unlock it. A goroutine that is started with a bare go
// statement and the context of its starter would pass for the starter; see
// [Detach] and [Enter].
//
// Apart from that it is a [Mutex]: fair, cancellable, and broken when its owner
// ends without unlocking it.
type RLock struct {
	m     Mutex
	depth atomic.Int64 // changed by the owner only
}

// Lock locks r, waiting if another strand holds it; if the calling strand holds
// it already, it does so once more. It returns [ErrNoIdentity] if the strand has
// no identity, Err(ctx) if ctx is done before r is free, and a [*BrokenError] if r
// is broken before or while it waits. Whenever it does not wait, it does not look
// at whether ctx is done.
func (r *RLock) Lock(ctx context.Context) error {
	self := ownerFor(ctx)
	if r.m.ownedBy(self) {
		r.depth.Add(1)
		return nil
	}
	return r.lock(ctx, self, 1)
}

// lock locks r, which the strand does not hold, to the given depth.
func (r *RLock) lock(ctx context.Context, self *Strand, depth int) error {
	if self == &nobody {
		return ErrNoIdentity
	}
	if !r.m.state.CompareAndSwap(nil, self) {
		if err := r.m.wait(ctx, self, r); err != nil {
			return err
		}
	}
	r.depth.Store(int64(depth))
	return nil
}

// TryLock locks r if it is free or the calling strand holds it already, and
// reports whether it did. It never waits. It panics if the strand has no identity.
func (r *RLock) TryLock(ctx context.Context) bool {
	self := ownerFor(ctx)
	switch {
	case self == &nobody:
		panic(ErrNoIdentity.Error())
	case r.m.ownedBy(self):
		r.depth.Add(1)
	case r.m.tryLock(self):
		r.depth.Store(1)
	default:
		return false
	}
	return true
}

// Unlock takes back one Lock; the last one frees r, or hands it to the strand
// that has waited longest. It never waits. It panics if the calling strand does
// not hold r; a broken lock it leaves as it is.
func (r *RLock) Unlock(ctx context.Context) {
	held, err := r.held(ctx)
	switch {
	case err != nil: // broken
	case !held:
		panic("strand: Unlock of an RLock by a strand that does not hold it")
	case r.depth.Add(-1) == 0:
		r.m.Unlock()
	}
}

// Holders implements [Holder]: it returns the owner, if r is locked.
func (r *RLock) Holders() []*Strand { return r.m.Holders() }

// RLockStatistics is a snapshot of an [RLock].
type RLockStatistics struct {
	Depth   int  // how often the owner has, or had, locked it; 0 if it is free
	Broken  bool // whether the owner ended without unlocking it
	Waiting int  // strands that wait for it
}

// Statistics returns a snapshot of r.
func (r *RLock) Statistics() RLockStatistics {
	_, broken, waiting := r.m.look()
	return RLockStatistics{Depth: int(r.depth.Load()), Broken: broken, Waiting: waiting}
}

// held implements [Locker].
func (r *RLock) held(ctx context.Context) (bool, error) {
	owner, broken, _ := r.m.look()
	if broken {
		return false, &BrokenError{Lock: r, Owner: owner}
	}
	return owner != nil && owner == Self(ctx), nil
}

// locked implements [Locker].
func (r *RLock) locked() bool { return r.m.locked() }

// unlock implements [Locker].
func (r *RLock) unlock(ctx context.Context) { r.Unlock(ctx) }

// suspend implements [Locker].
func (r *RLock) suspend() int {
	depth := r.depth.Swap(0)
	r.m.Unlock()
	return int(depth)
}

// resume implements [Locker].
func (r *RLock) resume(ctx context.Context, depth int) error {
	return r.lock(ctx, ownerFor(ctx), depth)
}

// ownedBy reports whether m belongs to a strand. To the strand itself the answer
// is never out of date.
func (m *Mutex) ownedBy(s *Strand) bool {
	switch m.state.Load() {
	case s:
		return true
	case &crowd:
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.holder() == s // which need not be the crowd any more
	}
	return false
}
