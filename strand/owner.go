package strand

import (
	"context"
	"errors"
	"fmt"
	"unsafe"
)

// ErrBroken is what the errors of a broken lock match under errors.Is. They are
// of the type [*BrokenError].
var ErrBroken = errors.New("strand: the lock is broken")

// A BrokenError says that a lock cannot be had any more, since the strand that
// owned it ended without unlocking it: what the lock protects may be half done.
// It matches [ErrBroken] under errors.Is.
type BrokenError struct {
	Lock  any     // the pointer of the lock, such as a *Mutex
	Owner *Strand // the strand that ended
}

// Error says which lock is broken and why.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("strand: the %T(%p) is broken: its owner ended without unlocking it", e.Lock, e.Lock)
}

// Is reports whether target is ErrBroken.
func (e *BrokenError) Is(target error) bool { return target == ErrBroken }

// nobody owns what a strand without identity has locked. It never ends.
var nobody Strand

// kind returns what contexts of one type have in common: the first word of an interface
// value. That a context is the background, which has no values, is seen by it in a
// fraction of the time in which it says so.
func kind(ctx *context.Context) uintptr { return *(*uintptr)(unsafe.Pointer(ctx)) }

var background = func() uintptr {
	ctx := context.Background()
	return kind(&ctx)
}()

// ownerFor returns the strand that owns what is locked with ctx. A strand that
// has ended owns nothing: a goroutine that goes on with the context of its
// starter, who is gone, would break the lock by locking it.
func ownerFor(ctx context.Context) *Strand {
	if kind(&ctx) == background {
		return &nobody
	}
	if self := Self(ctx); self != nil && !self.Ended() {
		return self
	}
	return &nobody
}

// An ownable is a lock that breaks when its owner ends.
type ownable interface {
	ownerEnded(owner *Strand)
}

// watch has the lock told when its owner ends, and reports whether he is still
// there.
func watch(owner *Strand, lock ownable) bool {
	return owner == &nobody || owner.onEnd(lock, func() { lock.ownerEnded(owner) })
}

// unwatch takes back watch.
func unwatch(owner *Strand, lock ownable) {
	if owner != &nobody {
		owner.forget(lock)
	}
}

// holders returns the one strand that holds a lock, if it is known.
func holders(owner *Strand) []*Strand {
	if owner == nil || owner == &nobody {
		return nil
	}
	return []*Strand{owner}
}
