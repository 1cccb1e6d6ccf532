// Package deque is the queue of one worker from which others steal.
//
// The algorithm is that of Chase and Lev, "Dynamic Circular Work-Stealing Deque"
// (SPAA 2005), with its memory order as shown to be enough by Lê, Pop, Cohen and
// Zappa Nardelli, "Correct and Efficient Work-Stealing for Weak Memory Models"
// (PPoPP 2013): Go's atomic operations are sequentially consistent and give all of it.
// As in the deque of [sync.Pool], a thief first takes the index and then reads the slot
// and clears it, and a deque that is full gets another buffer rather than a copy. So
// whoever takes an element leaves no reference to it behind, and the owner writes its
// slots without atomic operations. The README beside the code has the proof.
package deque

import (
	"sync/atomic"
	"unsafe"
)

// A Deque holds pointers. Its owner alone calls Push, Pop and Peek, at the bottom (last
// in, first out); anybody calls Steal, at the top (first in, first out), Len and Empty.
// The owner may be another goroutine from time to time if one has synchronized with the
// next. No method blocks.
//
// The zero Deque is empty and ready for use; it allocates nothing before the first Push.
// A Deque must not be copied after that.
type Deque[T any] struct {
	// The elements are those with the indices from top up to, but without, bottom.
	// Indices wrap around, so they are compared by their difference.
	_      pad
	top    atomic.Uint64 // changed by compare and swap; never goes back
	_      pad
	bottom atomic.Uint64 // changed by the owner
	buf    atomic.Pointer[buffer]
	_      pad
}

// A pad keeps what is before it and what is behind it on different cache lines, which
// are up to 128 bytes long, or are fetched in pairs.
type pad [128]byte

// Push adds v, which must not be nil, at the bottom. It allocates when the buffer is
// full, and does not limit the number of elements: that is the caller's affair.
func (d *Deque[T]) Push(v *T) {
	if v == nil {
		panic("deque: Push of nil, which Pop could not tell from an empty deque; push a pointer to something")
	}
	b := d.bottom.Load()
	a := d.buf.Load().holder(b)
	if a == nil || atomic.LoadPointer(a.slot(b)) != nil {
		a = d.extend(b)
	}
	*a.slot(b) = unsafe.Pointer(v)
	perturb()
	d.bottom.Store(b + 1)
}

// extend gives the deque another buffer, for the indices from b on, because the slot of
// b is not free: its element is there still, or a thief has taken it but not yet read it.
func (d *Deque[T]) extend(b uint64) *buffer {
	t, old := d.top.Load(), d.buf.Load()
	n := minSize
	if old != nil {
		n = len(old.slots)
		if b-t > uint64(n/2) {
			n *= 2
		}
	}
	a := &buffer{base: b, slots: make([]unsafe.Pointer, n)}
	a.older.Store(old)
	perturb()
	// Forget the buffers whose indices have all been taken.
	for x := a; x != nil; x = x.older.Load() {
		if int64(t-x.base) >= 0 {
			x.older.Store(nil)
		}
	}
	perturb()
	d.buf.Store(a)
	return a
}

// Pop removes the element at the bottom and returns it, or nil if the deque is empty.
func (d *Deque[T]) Pop() *T {
	b, t := d.bottom.Load(), d.top.Load()
	if b == t {
		if d.buf.Load().isLarge() {
			d.buf.Store(nil)
		}
		return nil
	}
	b--
	perturb()
	if b == t {
		// The last one goes to whoever moves top.
		if !d.top.CompareAndSwap(t, t+1) {
			return nil
		}
	} else {
		d.bottom.Store(b)
		perturb()
		t = d.top.Load()
		perturb()
		if n := int64(b - t); n <= 0 { // thieves have taken the others meanwhile
			won := n == 0 && d.top.CompareAndSwap(t, t+1)
			perturb()
			d.bottom.Store(b + 1)
			if !won {
				return nil
			}
		}
	}
	a := d.buf.Load()
	p := a.holder(b).slot(b)
	v := (*T)(*p)
	*p = nil
	if b == t && a.isLarge() {
		d.buf.Store(nil)
	}
	return v
}

// Peek returns the element that Pop would return, or nil if the deque is empty. It
// leaves it there, for Pop or a thief.
func (d *Deque[T]) Peek() *T {
	b := d.bottom.Load()
	if b == d.top.Load() {
		return nil
	}
	return (*T)(atomic.LoadPointer(d.buf.Load().holder(b - 1).slot(b - 1)))
}

// Steal removes the element at the top and returns it. If there is none, it returns nil
// and false; if somebody else took it at the same time, nil and true: the caller may try
// again.
func (d *Deque[T]) Steal() (v *T, retry bool) {
	t := d.top.Load()
	perturb()
	if int64(d.bottom.Load()-t) <= 0 {
		return nil, false
	}
	perturb()
	a := d.buf.Load().holder(t)
	perturb()
	if a == nil || !d.top.CompareAndSwap(t, t+1) {
		return nil, true
	}
	p := a.slot(t)
	perturb()
	v = (*T)(*p)
	atomic.StorePointer(p, nil) // says to the owner that the slot is free
	return v, false
}

// Len returns the number of elements, as it was a moment ago. It is never negative.
func (d *Deque[T]) Len() int {
	t := d.top.Load() // first, lest it overtake bottom meanwhile
	return max(0, int(int64(d.bottom.Load()-t)))
}

// Empty reports whether the deque was empty a moment ago.
func (d *Deque[T]) Empty() bool {
	t := d.top.Load()
	return int64(d.bottom.Load()-t) <= 0
}
