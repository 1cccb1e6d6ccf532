package deque

import (
	"sync/atomic"
	"unsafe"
)

const (
	minSize  = 32   // of the first buffer, in slots
	maxEmpty = 1024 // larger buffers are given up when the owner finds the deque empty
)

// A buffer holds the elements with the indices from base on, up to where the next one
// begins: index i in the slot with the number i modulo the number of slots.
//
// The owner writes an element into a slot that is nil, and nobody else writes anything
// but nil. Whoever takes the element reads the slot and clears it, the owner with plain
// operations, a thief with an atomic store, which the owner's atomic load of the nil
// finds. That is why a slot is not an atomic.Pointer.
type buffer struct {
	base  uint64
	older atomic.Pointer[buffer] // the one for the indices before base, if any are left
	slots []unsafe.Pointer       // a power of two of them
}

// holder returns the one of a and the older buffers that holds index i. It is nil if
// there has been none, or if the index has been taken and its buffer forgotten.
func (a *buffer) holder(i uint64) *buffer {
	for a != nil && int64(i-a.base) < 0 {
		a = a.older.Load()
	}
	return a
}

// slot returns the slot of index i.
func (a *buffer) slot(i uint64) *unsafe.Pointer {
	return &a.slots[i&uint64(len(a.slots)-1)]
}

// isLarge reports whether the buffer is not worth keeping for an empty deque.
func (a *buffer) isLarge() bool { return a != nil && len(a.slots) > maxEmpty }
