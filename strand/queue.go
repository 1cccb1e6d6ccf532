package strand

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/internal/waitq"
)

// Errors of a [Queue], a [LifoQueue] and a [PriorityQueue].
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
	queue[T]
	ring ring[T]
}

// NewQueue returns an empty queue that holds up to capacity items. Memory is
// taken as the items come. It panics if capacity is less than 1: a queue that
// is never full hides a consumer that is too slow until memory runs out; who
// wants that anyway passes math.MaxInt.
func NewQueue[T any](capacity int) *Queue[T] {
	checkCapacity("NewQueue", capacity)
	q := new(Queue[T])
	q.queue = queue[T]{object: q, items: &q.ring, capacity: capacity}
	return q
}

func checkCapacity(op string, capacity int) {
	if capacity < 1 {
		panic(fmt.Sprintf("strand: %s(%d): the capacity must be at least 1", op, capacity))
	}
}

// A store holds the items of a queue and decides which comes out first. It does
// not lock. Its errors are those of [raise], and leave it as it was.
type store[T any] interface {
	push(v T) error
	pop() (T, error) // needs an item
	drain() []T      // takes out all items, in the order of their pushes
}

// A panicked is the panic of a function of the user's that ran with a queue
// locked, perhaps on another strand than the one that it concerns.
type panicked struct{ value any }

func (p *panicked) Error() string { return fmt.Sprint(p.value) }

// raise returns err, or goes on with a panic that it stands for.
func raise(err error) error {
	if p, ok := err.(*panicked); ok {
		panic(p.value)
	}
	return err
}

// queue is what all kinds of queues have in common: everything but the order.
type queue[T any] struct {
	object any // what strands wait for: the queue as its users know it

	mu       sync.Mutex
	items    store[T]
	n        int // items in the store
	capacity int
	shutdown bool
	puts     uint64 // items accepted
	gets     uint64 // items handed out
	done     uint64 // calls of TaskDone
	dropped  uint64 // items returned by ShutdownNow

	// Getters wait only while the store is empty, putters only while it is
	// full; so at most one of the lists has members.
	getters waitq.List[*getter[T]]
	putters waitq.List[*putter[T]]
	joiners waitq.List[func()]

	// A waiter that is not in use: two strands that pass items back and forth
	// would make one for each item.
	spareGetter atomic.Pointer[getter[T]]
	sparePutter atomic.Pointer[putter[T]]
}

// Put puts v into the queue, waiting for room if it is full. It returns
// ErrShutdown if the queue is shut down before or while it waits, and Err(ctx)
// if ctx is done while it waits; then v is not in the queue.
func (q *queue[T]) Put(ctx context.Context, v T) error {
	err := q.TryPut(v)
	if err != ErrFull {
		return err
	}
	w := q.sparePutter.Swap(nil)
	if w == nil {
		w = &putter[T]{q: q}
	}
	w.item = v
	err = Park(ctx, Op{Object: q.object, Kind: OpPut, Access: Write}, w)
	if err == nil {
		err = w.err
	}
	var zero T
	w.item, w.err, w.wake = zero, nil, nil
	q.sparePutter.Store(w)
	return raise(err)
}

// TryPut puts v into the queue if there is room. It returns ErrFull or
// ErrShutdown if not. It never waits and may be called from any goroutine.
func (q *queue[T]) TryPut(v T) error {
	q.mu.Lock()
	wake, err := q.put(v)
	q.mu.Unlock()
	if wake != nil {
		wake()
	}
	if err != nil {
		return raise(err)
	}
	return nil
}

// put needs q.mu; the caller calls wake, if there is one, after it is released.
func (q *queue[T]) put(v T) (wake func(), err error) {
	if q.shutdown {
		return nil, ErrShutdown
	}
	if n := q.getters.Pop(); n != nil {
		n.Value.item = v
		q.puts++
		q.gets++
		return n.Value.wake, nil
	}
	if q.n >= q.capacity {
		return nil, ErrFull
	}
	return nil, q.accept(v)
}

// accept needs q.mu, and room.
func (q *queue[T]) accept(v T) error {
	if err := q.items.push(v); err != nil {
		return err
	}
	q.n++
	q.puts++
	return nil
}

// Get takes the item whose turn it is, waiting for one if the queue is empty.
// Strands that wait are served in the order of their arrival. It returns
// ErrShutdown when the queue is shut down and empty, and Err(ctx) if ctx is done
// while it waits; then it has taken nothing.
func (q *queue[T]) Get(ctx context.Context) (T, error) {
	v, err := q.TryGet()
	if err != ErrEmpty {
		return v, err
	}
	w := q.spareGetter.Swap(nil)
	if w == nil {
		w = &getter[T]{q: q}
	}
	err = Park(ctx, Op{Object: q.object, Kind: OpGet, Access: Write}, w)
	if err == nil {
		v, err = w.item, w.err
	}
	var zero T
	w.item, w.err, w.wake = zero, nil, nil
	q.spareGetter.Store(w)
	return v, raise(err)
}

// TryGet takes the item whose turn it is. It returns ErrEmpty if there is none,
// or ErrShutdown if there will be none any more. It never waits and may be called
// from any goroutine.
func (q *queue[T]) TryGet() (T, error) {
	var few [fewWakes]func()
	q.mu.Lock()
	v, wakes, err := q.get(few[:0])
	q.mu.Unlock()
	wakeAll(wakes)
	if err != nil {
		return v, raise(err)
	}
	return v, nil
}

// get needs q.mu; it adds to wakes what the caller calls after it is released.
func (q *queue[T]) get(wakes []func()) (v T, _ []func(), err error) {
	if q.n == 0 {
		if q.shutdown {
			return v, wakes, ErrShutdown
		}
		return v, wakes, ErrEmpty
	}
	if v, err = q.items.pop(); err != nil {
		return v, wakes, err
	}
	q.n--
	q.gets++
	if q.putters.Len() > 0 {
		wakes = q.admit(wakes)
	}
	return v, wakes, nil
}

// admit lets waiting putters in as long as there is room, oldest first, and
// adds what wakes them to wakes. It needs q.mu.
func (q *queue[T]) admit(wakes []func()) []func() {
	for q.n < q.capacity {
		n := q.putters.Front()
		if n == nil {
			break
		}
		q.putters.Remove(n)
		p := n.Value
		p.err = q.accept(p.item)
		wakes = append(wakes, p.wake)
	}
	return wakes
}

// All returns an iterator that takes items, waiting for them as [Queue.Get] does,
// until the queue is shut down and empty. If ctx is done while it waits, it yields
// Err(ctx) as its last value. A loop that ends early leaves the rest in the queue.
func (q *queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			if err == ErrShutdown || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// TaskDone says that the work on an item that was taken from the queue is done:
// strands that take items call it once for each, if anybody is to [Queue.Join]
// them. It never waits and may be called from any goroutine. It panics if it is
// called more often than items were taken.
func (q *queue[T]) TaskDone() {
	q.mu.Lock()
	if q.done == q.gets {
		taken := q.gets
		q.mu.Unlock()
		panic(fmt.Sprintf("strand: TaskDone was called %d times, but only %d items were taken from the queue", taken+1, taken))
	}
	q.done++
	wakes := q.joined()
	q.mu.Unlock()
	wakeAll(wakes)
}

// Join waits until all items that were put into the queue are done: taken, and
// reported by [Queue.TaskDone], or taken out by [Queue.ShutdownNow]. It returns at
// once if none was put. It returns Err(ctx) if ctx is done first. Strands that
// wait to put an item do not count until there is room for it.
func (q *queue[T]) Join(ctx context.Context) error {
	q.mu.Lock()
	unfinished := q.unfinished()
	q.mu.Unlock()
	if unfinished == 0 {
		return nil
	}
	return Park(ctx, Op{Object: q.object, Kind: OpWait, Access: Read}, &joiner[T]{q: q})
}

// unfinished needs q.mu.
func (q *queue[T]) unfinished() uint64 { return q.puts - q.done - q.dropped }

// joined returns what wakes the joiners, if their wait is over. It needs q.mu.
func (q *queue[T]) joined() (wakes []func()) {
	if q.unfinished() > 0 {
		return nil
	}
	for n := q.joiners.Pop(); n != nil; n = q.joiners.Pop() {
		wakes = append(wakes, n.Value)
	}
	return wakes
}

// Resize changes how many items the queue holds at most, and lets in the strands
// that wait for room if there is some now. A queue that has more items than that
// keeps them, and is full until enough are taken. It never waits and may be called
// from any goroutine. It panics if capacity is less than 1.
func (q *queue[T]) Resize(capacity int) {
	checkCapacity("Resize", capacity)
	q.mu.Lock()
	q.capacity = capacity
	wakes := q.admit(nil)
	q.mu.Unlock()
	wakeAll(wakes)
}

// Shutdown lets no further item in. Strands that wait in Put get ErrShutdown,
// and keep their items; those that wait in Get get it too. The items in the
// queue can still be taken; after the last, Get returns ErrShutdown. It never
// waits and may be called from any goroutine, any number of times.
func (q *queue[T]) Shutdown() { q.stop(false) }

// ShutdownNow is [Queue.Shutdown], but takes out what is in the queue and
// returns it in the order in which it was put, so that nothing is lost unseen.
// [Queue.Join] no longer waits for these items; it still does for those that
// strands have taken and work on.
func (q *queue[T]) ShutdownNow() []T { return q.stop(true) }

func (q *queue[T]) stop(immediate bool) (items []T) {
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
		items = q.items.drain()
		q.n = 0
		q.dropped += uint64(len(items))
		wakes = append(wakes, q.joined()...)
	}
	q.mu.Unlock()
	wakeAll(wakes)
	return items
}

// QueueStatistics is a snapshot of a [Queue], a [LifoQueue] or a
// [PriorityQueue]; it is out of date when it is read.
type QueueStatistics struct {
	Len        int    // items in the buffer
	Cap        int    // the most that it holds
	Getters    int    // strands that wait for an item
	Putters    int    // strands that wait for room
	Joiners    int    // strands that wait in Join
	Puts       uint64 // items accepted so far
	Gets       uint64 // items handed out so far, without those of ShutdownNow
	Unfinished uint64 // items accepted that Join waits for: in the buffer, or not reported by TaskDone
	Shutdown   bool   // whether the queue is shut down
}

// Statistics returns a snapshot of q.
func (q *queue[T]) Statistics() QueueStatistics {
	q.mu.Lock()
	defer q.mu.Unlock()
	return QueueStatistics{
		Len: q.n, Cap: q.capacity,
		Getters: q.getters.Len(), Putters: q.putters.Len(), Joiners: q.joiners.Len(),
		Puts: q.puts, Gets: q.gets, Unfinished: q.unfinished(),
		Shutdown: q.shutdown,
	}
}

type putter[T any] struct {
	q    *queue[T]
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
	q    *queue[T]
	item T     // set before wake
	err  error // set before wake
	wake func()
	node waitq.Node[*getter[T]]
}

func (w *getter[T]) Arm(wake func()) bool {
	q := w.q
	var few [fewWakes]func()
	q.mu.Lock()
	item, wakes, err := q.get(few[:0])
	if err == ErrEmpty {
		w.wake, w.node.Value = wake, w
		q.getters.Push(&w.node)
		q.mu.Unlock()
		return true
	}
	w.item, w.err = item, err
	q.mu.Unlock()
	wakeAll(wakes)
	return false
}

func (w *getter[T]) Disarm() bool {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	return w.q.getters.Remove(&w.node)
}

type joiner[T any] struct {
	q    *queue[T]
	node waitq.Node[func()]
}

func (w *joiner[T]) Arm(wake func()) bool {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	if w.q.unfinished() == 0 {
		return false
	}
	w.node.Value = wake
	w.q.joiners.Push(&w.node)
	return true
}

func (w *joiner[T]) Disarm() bool {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	return w.q.joiners.Remove(&w.node)
}

// A ring is a [store] that hands out the oldest item first.
type ring[T any] struct {
	buf  []T // its length is 0 or a power of two
	head int
	n    int
}

func (r *ring[T]) push(v T) error {
	if r.n == len(r.buf) {
		buf := make([]T, max(1, 2*r.n))
		k := copy(buf, r.buf[r.head:])
		copy(buf[k:], r.buf[:r.head])
		r.buf, r.head = buf, 0
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
	return nil
}

// pop clears the item's place, so that the queue does not keep alive what it no
// longer holds.
func (r *ring[T]) pop() (T, error) {
	var zero T
	v := r.buf[r.head]
	r.buf[r.head] = zero
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	return v, nil
}

func (r *ring[T]) drain() (items []T) {
	for r.n > 0 {
		v, _ := r.pop()
		items = append(items, v)
	}
	return items
}
