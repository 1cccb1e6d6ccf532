// Package waitq is the first-come-first-served list on which the waiting
// objects of braid keep their waiters.
//
// The nodes are intrusive: the waiter owns its node, so that queueing allocates
// nothing and a waiter in the middle of the list leaves it in constant time.
// Neither type locks; the object that owns the list does.
package waitq

// A Node is one waiter's place in a [List]. The zero Node is in no list. A node
// must not be copied while it is in a list.
type Node[T any] struct {
	Value      T
	list       *List[T]
	next, prev *Node[T]
}

// Next returns the node behind n in its list, or nil.
func (n *Node[T]) Next() *Node[T] { return n.next }

// A List is a queue of nodes. The zero List is empty.
type List[T any] struct {
	head, tail *Node[T]
	n          int
}

// Len returns the number of nodes in the list.
func (l *List[T]) Len() int { return l.n }

// Front returns the oldest node without removing it, or nil.
func (l *List[T]) Front() *Node[T] { return l.head }

// Push appends n, which must be in no list.
func (l *List[T]) Push(n *Node[T]) {
	if n.list != nil {
		panic("waitq: node is in a list already")
	}
	n.list, n.prev = l, l.tail
	if l.tail == nil {
		l.head = n
	} else {
		l.tail.next = n
	}
	l.tail = n
	l.n++
}

// PushFront adds n, which must be in no list, at the head.
func (l *List[T]) PushFront(n *Node[T]) {
	if l.head == nil || n.list != nil {
		l.Push(n) // which panics in the second case
		return
	}
	n.list, n.next, n.prev = l, l.head, nil
	l.head.prev = n
	l.head = n
	l.n++
}

// Pop removes and returns the oldest node, or nil.
func (l *List[T]) Pop() *Node[T] {
	n := l.head
	if n != nil {
		l.Remove(n)
	}
	return n
}

// Remove takes n out of the list and reports whether it was in it: false means
// that somebody else has taken it out before.
func (l *List[T]) Remove(n *Node[T]) bool {
	if n.list != l {
		return false
	}
	if n.prev == nil {
		l.head = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.tail = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.list, n.next, n.prev = nil, nil, nil
	l.n--
	return true
}
