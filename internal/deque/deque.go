// Package deque is the queue of one worker from which others steal.
//
// The algorithm is that of Chase and Lev, "Dynamic Circular Work-Stealing Deque" (SPAA
// 2005), whose memory order Lê, Pop, Cohen and Zappa Nardelli have worked out in "Correct
// and Efficient Work-Stealing for Weak Memory Models" (PPoPP 2013). Go's atomic operations
// are sequentially consistent, which is more than they ask for. README.md, beside the
// code, has the steps by number and why they are right.
package deque

import "sync/atomic"

// A Deque holds pointers. Its owner calls Push, Pop and Peek, at the bottom: last in,
// first out. Anybody calls Steal, at the top: first in, first out; and Len and Empty. The
// owner may change, if the old one has synchronized with the new one. No method blocks.
//
// The zero Deque is empty, and allocates nothing before the first Push. A Deque must not
// be copied after that.
//
// An element that is taken by Pop is kept alive no longer. A stolen one is, for a thief
// cannot clear its slot: the owner may have put the next element there. The owner clears
// them all when it comes to an empty deque, by a Pop that takes the last element or finds
// none. Until then there are at most as many as the buffer has slots. That is less than
// twice the most elements that were there at once, or 32, and does not shrink.
type Deque[T any] struct {
	// The elements have the indices from top up to, and without, bottom. These wrap
	// around, so they are compared by their difference.
	top    atomic.Uint64 // never goes back
	_      [128 - 8]byte // lines of the cache are fetched in pairs
	bottom atomic.Uint64 // changed by the owner
	buf    atomic.Pointer[buffer[T]]
	clean  uint64 // no slot holds what was stolen from an index before it; the owner's
	_      [128 - 24]byte
}

// A buffer has index i in slot i modulo the number of slots, a power of two.
type buffer[T any] struct {
	mask  uint64 // the number of slots, less one
	slots []atomic.Pointer[T]
}

const minSlots = 32

func (a *buffer[T]) slot(i uint64) *atomic.Pointer[T] { return &a.slots[i&a.mask] }

// Push adds v, which must not be nil, at the bottom. There is always room: who wants a
// bound looks at Len before.
func (d *Deque[T]) Push(v *T) {
	b, t := d.bottom.Load(), d.top.Load()
	a := d.buf.Load()
	if a == nil || b-t > a.mask {
		a = d.grow(a, t, b)
	}
	a.slot(b).Store(v)
	d.bottom.Store(b + 1)
}

// grow replaces the full buffer a by one of twice the size. Thieves may still read a: none
// of what they can get from it changes.
func (d *Deque[T]) grow(a *buffer[T], t, b uint64) *buffer[T] {
	n := uint64(minSlots)
	if a != nil {
		n = 2 * (a.mask + 1)
	}
	g := &buffer[T]{mask: n - 1, slots: make([]atomic.Pointer[T], n)}
	for i := t; i != b; i++ {
		g.slot(i).Store(a.slot(i).Load())
	}
	d.clean = t
	d.buf.Store(g)
	return g
}

// Pop removes the element at the bottom and returns it. It returns nil if the deque is
// empty, and only then.
func (d *Deque[T]) Pop() *T {
	b, t := d.bottom.Load(), d.top.Load()
	if b == t {
		d.sweep(t)
		return nil
	}
	b--
	if b == t {
		return d.popLast(b)
	}
	d.bottom.Store(b)
	t = d.top.Load()
	if int64(b-t) > 0 {
		slot := d.buf.Load().slot(b)
		v := slot.Load()
		slot.Store(nil)
		return v
	}
	// Thieves have taken all others meanwhile, if not this one too. They are to find
	// it, or its place, as it was.
	d.bottom.Store(b + 1)
	if b == t {
		return d.popLast(b)
	}
	d.sweep(b + 1)
	return nil
}

// popLast takes the element with index b, the last one, unless a thief does. Bottom is
// b + 1, and top was b.
func (d *Deque[T]) popLast(b uint64) *T {
	v := d.buf.Load().slot(b).Load()
	if !d.top.CompareAndSwap(b, b+1) {
		v = nil
	}
	d.sweep(b + 1)
	return v
}

// sweep clears the slots of an empty deque, whose top and bottom are t, up to which the
// elements were taken at the top.
func (d *Deque[T]) sweep(t uint64) {
	if d.clean == t {
		return
	}
	a := d.buf.Load()
	for i := t - min(t-d.clean, a.mask+1); i != t; i++ {
		a.slot(i).Store(nil)
	}
	d.clean = t
}

// Steal removes the element at the top and returns it. If there is none it returns nil and
// false, and if somebody else was faster, nil and true: then the caller may try again.
func (d *Deque[T]) Steal() (v *T, retry bool) {
	t := d.top.Load()
	if int64(d.bottom.Load()-t) <= 0 {
		return nil, false
	}
	v = d.buf.Load().slot(t).Load()
	if !d.top.CompareAndSwap(t, t+1) {
		return nil, true
	}
	return v, false
}

// Peek returns the element that Pop would take, and leaves it there. It returns nil if the
// deque is empty, and only then. A thief may take the element in the meantime.
func (d *Deque[T]) Peek() *T {
	b := d.bottom.Load()
	if b == d.top.Load() {
		return nil
	}
	return d.buf.Load().slot(b - 1).Load()
}

// Len returns the number of elements. For others than the owner it is out of date when it
// is read; it is never negative.
func (d *Deque[T]) Len() int {
	t := d.top.Load() // first: it does not overtake bottom then, but by an element that Pop goes for
	return max(0, int(int64(d.bottom.Load()-t)))
}

// Empty reports whether Len is 0.
func (d *Deque[T]) Empty() bool { return d.Len() == 0 }
