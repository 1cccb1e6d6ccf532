package strand

// A LifoQueue is a [Queue] that hands out the newest item first: a stack. Make
// one with [NewLifoQueue].
//
// Only the items are taken newest first. Strands that wait, to put or to get,
// are served in the order of their arrival.
type LifoQueue[T any] struct {
	queue[T]
	stack stack[T]
}

// NewLifoQueue returns an empty queue that holds up to capacity items. It panics
// if capacity is less than 1.
func NewLifoQueue[T any](capacity int) *LifoQueue[T] {
	checkCapacity("NewLifoQueue", capacity)
	q := new(LifoQueue[T])
	q.queue = queue[T]{object: q, items: &q.stack, capacity: capacity}
	return q
}

// A stack is a [store] that hands out the newest item first.
type stack[T any] struct{ items []T }

func (s *stack[T]) push(v T) error {
	s.items = append(s.items, v)
	return nil
}

func (s *stack[T]) pop() (T, error) {
	var zero T
	last := len(s.items) - 1
	v := s.items[last]
	s.items[last] = zero
	s.items = s.items[:last]
	return v, nil
}

func (s *stack[T]) drain() []T {
	items := s.items
	s.items = nil
	return items
}
