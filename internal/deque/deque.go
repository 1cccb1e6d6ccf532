// Package deque is the queue of one worker from which others steal.
package deque

import "sync/atomic"

// A Deque holds pointers.
type Deque[T any] struct {
	top    atomic.Uint64
	_      [56]byte
	bottom atomic.Uint64
	buf    atomic.Pointer[buffer[T]]
	_      [48]byte
}

type buffer[T any] struct {
	mask  uint64
	slots []atomic.Pointer[T]
}

// Push adds v at the bottom.
func (d *Deque[T]) Push(v *T) {
	b, t := d.bottom.Load(), d.top.Load()
	a := d.buf.Load()
	if a == nil || b-t > a.mask {
		a = d.grow(a, t, b)
	}
	a.slots[b&a.mask].Store(v)
	d.bottom.Store(b + 1)
}

func (d *Deque[T]) grow(a *buffer[T], t, b uint64) *buffer[T] {
	n := uint64(32)
	if a != nil {
		n = 2 * (a.mask + 1)
	}
	g := &buffer[T]{mask: n - 1, slots: make([]atomic.Pointer[T], n)}
	for i := t; i != b; i++ {
		g.slots[i&g.mask].Store(a.slots[i&a.mask].Load())
	}
	d.buf.Store(g)
	return g
}

// Pop takes from the bottom.
func (d *Deque[T]) Pop() *T {
	b, t := d.bottom.Load(), d.top.Load()
	if b == t {
		return nil
	}
	b--
	d.bottom.Store(b)
	t = d.top.Load()
	a := d.buf.Load()
	if int64(b-t) < 0 {
		d.bottom.Store(t)
		return nil
	}
	v := a.slots[b&a.mask].Load()
	if b == t {
		if !d.top.CompareAndSwap(t, t+1) {
			v = nil
		}
		d.bottom.Store(t + 1)
		return v
	}
	a.slots[b&a.mask].Store(nil)
	return v
}

// Steal takes from the top.
func (d *Deque[T]) Steal() (v *T, retry bool) {
	t := d.top.Load()
	b := d.bottom.Load()
	if int64(b-t) <= 0 {
		return nil, false
	}
	a := d.buf.Load()
	v = a.slots[t&a.mask].Load()
	if !d.top.CompareAndSwap(t, t+1) {
		return nil, true
	}
	return v, false
}

// Peek returns what Pop would.
func (d *Deque[T]) Peek() *T {
	b, t := d.bottom.Load(), d.top.Load()
	if int64(b-t) <= 0 {
		return nil
	}
	a := d.buf.Load()
	return a.slots[(b-1)&a.mask].Load()
}

// Len returns the number of elements.
func (d *Deque[T]) Len() int {
	t := d.top.Load()
	b := d.bottom.Load()
	return max(0, int(int64(b-t)))
}

// Empty reports whether there is none.
func (d *Deque[T]) Empty() bool { return d.Len() == 0 }
