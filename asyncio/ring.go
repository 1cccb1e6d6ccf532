package asyncio

// A ring is a queue in an array that grows as needed.
type ring[T any] struct {
	buf     []T // its length is a power of two, or 0
	head, n int
}

func (r *ring[T]) len() int { return r.n }

func (r *ring[T]) push(v T) {
	if r.n == len(r.buf) {
		buf := make([]T, max(64, 2*r.n))
		k := copy(buf, r.buf[r.head:])
		copy(buf[k:], r.buf[:r.head])
		r.buf, r.head = buf, 0
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

// pop needs a ring that is not empty.
func (r *ring[T]) pop() T {
	var zero T
	v := r.buf[r.head]
	r.buf[r.head] = zero
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	return v
}

// take takes out the i-th oldest element and keeps the others in order.
func (r *ring[T]) take(i int) T {
	mask := len(r.buf) - 1
	v := r.buf[(r.head+i)&mask]
	for ; i > 0; i-- {
		r.buf[(r.head+i)&mask] = r.buf[(r.head+i-1)&mask]
	}
	_ = r.pop()
	return v
}
