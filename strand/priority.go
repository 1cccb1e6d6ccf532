package strand

import (
	"cmp"
	"slices"
)

// A PriorityQueue is a [Queue] that hands out the least item first, and the
// oldest of equal ones. Make one with [NewPriorityQueue].
//
// Only the items in the queue are put in order. Strands that wait, to put or to
// get, are served in the order of their arrival: what a strand that waits for room
// would put is in nobody's way yet, however urgent.
type PriorityQueue[T any] struct {
	queue[T]
	heap heap[T]
}

// NewPriorityQueue returns an empty queue that holds up to capacity items, in the
// order of compare, which is negative when a comes before b, positive when b comes
// before a, and 0 when they are equal, as for slices.SortFunc; for numbers and
// strings it is cmp.Compare. It panics if capacity is less than 1 or compare is
// nil.
//
// Compare runs with the queue locked: it must be quick, and must not use the
// queue. If it panics, the Put or Get that needed it panics and has no effect: the
// queue stays usable, and no item is lost.
func NewPriorityQueue[T any](capacity int, compare func(a, b T) int) *PriorityQueue[T] {
	checkCapacity("NewPriorityQueue", capacity)
	if compare == nil {
		panic("strand: NewPriorityQueue: compare is nil; for numbers and strings pass cmp.Compare[T]")
	}
	q := new(PriorityQueue[T])
	q.heap.compare = compare
	q.queue = queue[T]{object: q, items: &q.heap, capacity: capacity}
	return q
}

// A heap is a [store] that hands out the least item first: a binary heap in a
// slice, where the children of i are 2i+1 and 2i+2.
//
// Since compare may panic, push and pop first compare, and find out where an item
// belongs, and then move.
type heap[T any] struct {
	compare func(a, b T) int
	entries []entry[T]
	pushes  uint64
}

type entry[T any] struct {
	item T
	seq  uint64 // of the push
}

// less reports whether a comes out before b.
func (h *heap[T]) less(a, b *entry[T]) bool {
	if c := h.compare(a.item, b.item); c != 0 {
		return c < 0
	}
	return a.seq < b.seq
}

func (h *heap[T]) push(v T) (err error) {
	defer caught(&err)
	e := entry[T]{item: v, seq: h.pushes}
	last := len(h.entries)
	at := last
	for at > 0 && h.less(&e, &h.entries[(at-1)/2]) {
		at = (at - 1) / 2
	}
	h.pushes++
	h.entries = append(h.entries, e)
	for i := last; i != at; i = (i - 1) / 2 {
		h.entries[i] = h.entries[(i-1)/2]
	}
	h.entries[at] = e
	return nil
}

// pop takes the first entry and closes the gap: the lesser children move up until
// the last entry fits.
func (h *heap[T]) pop() (v T, err error) {
	defer caught(&err)
	last := len(h.entries) - 1
	e := h.entries[last]
	at := 0
	for {
		child := 2*at + 1
		if child >= last {
			break
		}
		if child+1 < last && h.less(&h.entries[child+1], &h.entries[child]) {
			child++
		}
		if h.less(&e, &h.entries[child]) {
			break
		}
		at = child
	}
	// Put e at its place, and what was there at the parent's, up to the first.
	for i := at; i > 0; i = (i - 1) / 2 {
		h.entries[i], e = e, h.entries[i]
	}
	h.entries[0], e = e, h.entries[0]
	h.entries[last] = entry[T]{}
	h.entries = h.entries[:last]
	return e.item, nil
}

// caught, deferred, turns a panic of compare into an error for [raise].
func caught(err *error) {
	if v := recover(); v != nil {
		*err = &panicked{v}
	}
}

func (h *heap[T]) drain() []T {
	slices.SortFunc(h.entries, func(a, b entry[T]) int { return cmp.Compare(a.seq, b.seq) })
	var items []T
	for _, e := range h.entries {
		items = append(items, e.item)
	}
	h.entries = nil
	return items
}
