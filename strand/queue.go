package strand

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-braid/braid/internal/waitq"
)

// Errors of a [Queue].
var (
	// ErrFull is the error of TryPut on a full queue.
	ErrFull = errors.New("strand: the queue is full")
	// ErrEmpty is the error of TryGet on an empty queue.
	ErrEmpty = errors.New("strand: the queue is empty")
	// ErrShutdown is the error of Put and TryPut on a queue that is shut down,
	// and of Get and TryGet once it is empty as well.
	ErrShutdown = errors.New("strand: the queue is shut down")
)

// A Queue passes items from strands to strands, first in, first out, and holds
// at most a given number of them. Make one with [NewQueue].
//
// An item is at each moment in exactly one place: with the strand that puts it,
// in the buffer, or with the strand that got it. So a cancelled Put or Get
// neither loses an item nor doubles it.
type Queue[T any] struct {
	mu       sync.Mutex
	capacity int
	buf      []T // a ring of length len(buf), which grows up to capacity
	head, n  int
	shutdown bool
	puts     uint64
	gets     uint64

	// Getters wait only while the buffer is empty, putters only while it is
	// full; so at most one of the lists has members.
	getters waitq.List[*getter[T]]
	putters waitq.List[*putter[T]]
}

// NewQueue returns an empty queue that holds up to capacity items. Memory is
// taken as the items come. It panics if capacity is less than 1: a queue that
// is never full hides a consumer that is too slow until memory runs out; who
// wants that anyway passes math.MaxInt.
func NewQueue[T any](capacity int) *Queue[T] {
	if capacity < 1 {
		panic(fmt.Sprintf("strand: NewQueue(%d): the capacity must be at least 1", capacity))
	}
	return &Queue[T]{capacity: capacity}
}

// Put appends v, waiting for room if the queue is full. It returns ErrShutdown
// if the queue is shut down before or while it waits, and Err(ctx) if ctx is
// done while it waits; then v is not in the queue.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	err := q.TryPut(v)
	if err != ErrFull {
		return err
	}
	w := &putter[T]{q: q, item: v}
	if err := Park(ctx, Op{Object: q, Kind: OpPut, Access: Write}, w); err != nil {
		return err
	}
	return w.err
}

// TryPut appends v if there is room. It returns ErrFull or ErrShutdown if not.
// It never waits and may be called from any goroutine.
func (q *Queue[T]) TryPut(v T) error {
	q.mu.Lock()
	wake, err := q.put(v)
	q.mu.Unlock()
	if wake != nil {
		wake()
	}
	return err
}

// put needs q.mu; the caller calls wake, if there is one, after it is released.
func (q *Queue[T]) put(v T) (wake func(), err error) {
	if q.shutdown {
		return nil, ErrShutdown
	}
	if n := q.getters.Pop(); n != nil {
		g := n.Value
		g.item = v
		q.puts++
		q.gets++
		return g.wake, nil
	}
	if q.n == q.capacity {
		return nil, ErrFull
	}
	q.puts++
	q.push(v)
	return nil, nil
}

// Get takes the oldest item, waiting for one if the queue is empty. It returns
// ErrShutdown when the queue is shut down and empty, and Err(ctx) if ctx is done
// while it waits; then it has taken nothing.
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	v, err := q.TryGet()
	if err != ErrEmpty {
		return v, err
	}
	w := &getter[T]{q: q}
	if err := Park(ctx, Op{Object: q, Kind: OpGet, Access: Write}, w); err != nil {
		var zero T
		return zero, err
	}
	return w.item, w.err
}

// TryGet takes the oldest item. It returns ErrEmpty if there is none, or
// ErrShutdown if there will be none any more. It never waits and may be called
// from any goroutine.
func (q *Queue[T]) TryGet() (T, error) {
	q.mu.Lock()
	v, wake, err := q.get()
	q.mu.Unlock()
	if wake != nil {
		wake()
	}
	return v, err
}

// get needs q.mu; the caller calls wake, if there is one, after it is released.
func (q *Queue[T]) get() (v T, wake func(), err error) {
	if q.n == 0 {
		if q.shutdown {
			return v, nil, ErrShutdown
		}
		return v, nil, ErrEmpty
	}
	v = q.pop()
	q.gets++
	if n := q.putters.Pop(); n != nil {
		p := n.Value
		q.puts++
		q.push(p.item)
		wake = p.wake
	}
	return v, wake, nil
}

// Shutdown lets no further item in. Strands that wait in Put get ErrShutdown,
// and keep their items; those that wait in Get get it too. The items in the
// queue can still be taken; after the last, Get returns ErrShutdown. It never
// waits and may be called from any goroutine, any number of times.
func (q *Queue[T]) Shutdown() { q.stop(false) }

// ShutdownNow is [Queue.Shutdown], but takes out what is in the queue and
// returns it, oldest first, so that nothing is lost unseen.
func (q *Queue[T]) ShutdownNow() []T { return q.stop(true) }

func (q *Queue[T]) stop(immediate bool) (items []T) {
	var wakes []func()
	q.mu.Lock()
	q.shutdown = true
	for n := q.putters.Pop(); n != nil; n = q.putters.Pop() {
		n.Value.err = ErrShutdown
		wakes = append(wakes, n.Value.wake)
	}
	for n := q.getters.Pop(); n != nil; n = q.getters.Pop() {
		n.Value.err = ErrShutdown
		wakes = append(wakes, n.Value.wake)
	}
	if immediate {
		for q.n > 0 {
			items = append(items, q.pop())
		}
	}
	q.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
	return items
}

// QueueStatistics is a snapshot of a [Queue].
type QueueStatistics struct {
	Len      int    // items in the buffer
	Cap      int    // the most that it holds
	Getters  int    // strands that wait for an item
	Putters  int    // strands that wait for room
	Puts     uint64 // items accepted so far
	Gets     uint64 // items handed out so far, without those of ShutdownNow
	Shutdown bool   // whether the queue is shut down
}

// Statistics returns a snapshot of q.
func (q *Queue[T]) Statistics() QueueStatistics {
	q.mu.Lock()
	defer q.mu.Unlock()
	return QueueStatistics{
		Len: q.n, Cap: q.capacity,
		Getters: q.getters.Len(), Putters: q.putters.Len(),
		Puts: q.puts, Gets: q.gets,
		Shutdown: q.shutdown,
	}
}

// push needs room below capacity; it grows the ring as needed.
func (q *Queue[T]) push(v T) {
	if q.n == len(q.buf) {
		size := max(4, 2*q.n)
		if size > q.capacity || size < 0 {
			size = q.capacity
		}
		buf := make([]T, size)
		k := copy(buf, q.buf[q.head:])
		copy(buf[k:], q.buf[:q.head])
		q.buf, q.head = buf, 0
	}
	i := q.head + q.n
	if i >= len(q.buf) {
		i -= len(q.buf)
	}
	q.buf[i] = v
	q.n++
}

// pop needs an item in the ring. It clears the item's place, so that the queue
// does not keep alive what it no longer holds.
func (q *Queue[T]) pop() T {
	var zero T
	v := q.buf[q.head]
	q.buf[q.head] = zero
	q.head++
	if q.head == len(q.buf) {
		q.head = 0
	}
	q.n--
	return v
}

type putter[T any] struct {
	q    *Queue[T]
	item T
	err  error // set before wake
	wake func()
	node waitq.Node[*putter[T]]
}

func (w *putter[T]) Arm(wake func()) bool {
	q := w.q
	q.mu.Lock()
	wakeGetter, err := q.put(w.item)
	if err == ErrFull {
		w.wake, w.node.Value = wake, w
		q.putters.Push(&w.node)
		q.mu.Unlock()
		return true
	}
	w.err = err
	q.mu.Unlock()
	if wakeGetter != nil {
		wakeGetter()
	}
	return false
}

func (w *putter[T]) Disarm() bool {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	return w.q.putters.Remove(&w.node)
}

type getter[T any] struct {
	q    *Queue[T]
	item T     // set before wake
	err  error // set before wake
	wake func()
	node waitq.Node[*getter[T]]
}

func (w *getter[T]) Arm(wake func()) bool {
	q := w.q
	q.mu.Lock()
	item, wakePutter, err := q.get()
	if err == ErrEmpty {
		w.wake, w.node.Value = wake, w
		q.getters.Push(&w.node)
		q.mu.Unlock()
		return true
	}
	w.item, w.err = item, err
	q.mu.Unlock()
	if wakePutter != nil {
		wakePutter()
	}
	return false
}

func (w *getter[T]) Disarm() bool {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	return w.q.getters.Remove(&w.node)
}
