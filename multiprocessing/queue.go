package multiprocessing

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"reflect"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/robust"
	"github.com/go-braid/braid/strand"
)

// A Queue passes items from strands to strands, of any number of processes, first in,
// first out, and holds at most a given number of them. Make one with [NewQueue], and give
// it to other processes in the argument or result of a call. It may be used from any
// goroutine or coroutine, and be copied: a copy is the same queue.
//
// An item is in the queue when Put has returned, and not otherwise: nothing works in the
// background that would have to be waited for when a process ends. Any of the processes
// may die at any moment: the queue has the item that it was about to put or not at all,
// and those that others have put. What a process that dies has got is lost with it;
// [Queue.Join] says so.
//
// Items travel as the arguments of calls do. Those that hold open files, such as another
// shared object, cannot be put into a queue.
//
// Strands that wait are served in the order in which they came. Processes that are dead,
// or stopped by a signal, are passed over.
type Queue[T any] struct {
	codec.Carrier
	shared
}

// DefaultQueueBytes is how many bytes the items in a [Queue] have at most, together,
// unless [MaxBytes] says otherwise: 64 MiB.
const DefaultQueueBytes = 64 << 20

// A QueueOption changes how [NewQueue] makes a queue.
type QueueOption func(*queueSettings)

type queueSettings struct{ bytes int }

// MaxBytes has a queue hold items of at most n bytes together, as they are written for
// their way; n is rounded up to whole pages. A larger item can never be put. Memory that
// no item has needed costs nothing.
func MaxBytes(n int) QueueOption { return func(s *queueSettings) { s.bytes = n } }

// A LostItemsError says that processes died between Get and TaskDone.
type LostItemsError struct {
	Items uint64 // that they had got, since the queue was made
}

// Error says how many items were lost.
func (e *LostItemsError) Error() string {
	return fmt.Sprintf("multiprocessing: %d items of the queue were taken by processes that died, or closed the queue, before they called TaskDone", e.Items)
}

func init() { codec.RegisterErrorType[*LostItemsError]() }

var queueKind = &robust.Kind{
	Name: "queue", Lines: 3,
	Size: func(p robust.Params) (int64, error) {
		if p.A < 1 || p.A > maxCapacity || p.B < 1 || p.B > maxShared || p.B%robust.Align != 0 {
			return 0, fmt.Errorf("a queue holds 1 to %d items and %d to %d bytes, in whole pages, not %d items and %d bytes",
				maxCapacity, robust.Align, int64(maxShared), p.A, p.B)
		}
		return queueData(p.A) + int64(p.B), nil
	},
	New: newQueueObject,
}

// NewQueue returns an empty queue that holds up to capacity items, at most a million or
// so. It returns an error if capacity is less than 1 or more than that, or values of type
// T cannot travel.
func NewQueue[T any](capacity int, opts ...QueueOption) (*Queue[T], error) {
	s := queueSettings{bytes: DefaultQueueBytes}
	for _, o := range opts {
		o(&s)
	}
	if capacity < 1 || s.bytes < 1 || s.bytes > maxShared {
		return nil, fmt.Errorf("multiprocessing: NewQueue(%d), with %d bytes: there must be room for at least 1 item of 1 byte, and at most %d bytes", capacity, s.bytes, int64(maxShared))
	}
	if _, err := codec.For(reflect.TypeFor[T]()); err != nil {
		return nil, fmt.Errorf("multiprocessing: NewQueue: %w", err)
	}
	p := robust.Params{
		A: uint64(capacity), B: uint64(s.bytes+robust.Align-1) &^ (robust.Align - 1),
		Element: elementName[T](),
	}
	sh, err := create("NewQueue", queueKind, p, nil)
	if err != nil {
		return nil, err
	}
	return &Queue[T]{shared: sh}, nil
}

func (q *Queue[T]) object() *queueObject { return q.h.region.Object().(*queueObject) }

// Put puts v into the queue, waiting for room if it is full. With an error, v is not in
// the queue: it is [strand.ErrShutdown] if the queue is shut down before or while Put
// waits; strand.Err(ctx) if ctx is done while it waits; one that matches [ErrTooLarge] if
// v has more bytes than the queue can hold; one that says why v cannot travel; or one that
// matches os.ErrClosed if q is or becomes closed in this process.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	if err := q.enter(); err != nil {
		return err
	}
	defer q.exit()
	m, err := q.encode(&v)
	if err != nil {
		return err
	}
	o := q.object()
	if o.putters.Empty() {
		if err := o.put(m); err != strand.ErrFull {
			return err
		}
	}
	w := new(robust.Waiter)
	w.Try = func() bool {
		if !o.isShutdown() && !o.putters.First(w) {
			return false
		}
		err = o.put(m)
		return err != strand.ErrFull
	}
	if werr := q.wait(ctx, o.putters, strand.Op{Object: q, Kind: strand.OpPut, Access: strand.Write}, w); werr != nil {
		return werr
	}
	return err
}

// TryPut puts v into the queue if there is room, and then does not care who waits for
// that. It returns [strand.ErrFull] if there is none; its other errors are those of Put.
// It never waits.
func (q *Queue[T]) TryPut(v T) error {
	if err := q.enter(); err != nil {
		return err
	}
	defer q.exit()
	m, err := q.encode(&v)
	if err != nil {
		return err
	}
	return q.object().put(m)
}

// encode writes v as it is in the queue.
func (q *Queue[T]) encode(v *T) (m message, err error) {
	c, err := codec.For(reflect.TypeFor[T]())
	if err != nil {
		return m, err
	}
	small, bulk, files, err := codec.Append(c, nil, v)
	if err != nil {
		return m, fmt.Errorf("multiprocessing: the item cannot be written: %w", err)
	}
	if len(files) > 0 {
		return m, errors.New("multiprocessing: the item holds an open file or a shared object, which cannot be put into a queue: give it to the process in the argument of a call")
	}
	m = message{small, bulk}
	if limit := q.object().size; uint64(m.len()) > limit {
		return m, fmt.Errorf("%w: it has %d bytes, and the queue holds %d", ErrTooLarge, m.len(), limit)
	}
	return m, nil
}

func decodeItem[T any](b []byte) (v T, err error) {
	c, err := codec.For(reflect.TypeFor[T]())
	if err == nil {
		err = codec.Decode(c, b, true, nil, &v)
	}
	if err != nil {
		err = fmt.Errorf("multiprocessing: an item of the queue cannot be read: %w", err)
	}
	return v, err
}

// Get takes the item whose turn it is, waiting for one if the queue is empty. It returns
// [strand.ErrShutdown] when the queue is shut down and empty; strand.Err(ctx) if ctx is
// done while it waits; or an error that matches os.ErrClosed if q is or becomes closed in
// this process: with these errors it has taken nothing. With another error there was an
// item, but it could not be read.
func (q *Queue[T]) Get(ctx context.Context) (v T, err error) {
	if err := q.enter(); err != nil {
		return v, err
	}
	defer q.exit()
	o := q.object()
	var b []byte
	err = strand.ErrEmpty
	if o.getters.Empty() {
		b, err = o.get()
	}
	if err == strand.ErrEmpty {
		w := new(robust.Waiter)
		w.Try = func() bool {
			if !o.isShutdown() && !o.getters.First(w) {
				return false
			}
			b, err = o.get()
			return err != strand.ErrEmpty
		}
		if werr := q.wait(ctx, o.getters, strand.Op{Object: q, Kind: strand.OpGet, Access: strand.Write}, w); werr != nil {
			return v, werr
		}
	}
	if err != nil {
		return v, err
	}
	return decodeItem[T](b)
}

// TryGet takes the item whose turn it is, and then does not care who waits for it. It
// returns [strand.ErrEmpty] if there is none; its other errors are those of Get. It never
// waits.
func (q *Queue[T]) TryGet() (v T, err error) {
	if err := q.enter(); err != nil {
		return v, err
	}
	defer q.exit()
	b, err := q.object().get()
	if err != nil {
		return v, err
	}
	return decodeItem[T](b)
}

// All returns an iterator that takes items, waiting for them as Get does, until the queue
// is shut down and empty. If ctx is done while it waits, or q is closed in this process,
// it yields the error as its last value. A loop that ends early leaves the rest in the
// queue. An item that cannot be read is yielded as its error, and the loop goes on.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			if err == strand.ErrShutdown || !yield(v, err) || ctx.Err() != nil && strand.IsErr(ctx, err) || errors.Is(err, os.ErrClosed) || errors.Is(err, ErrCorrupt) {
				return
			}
		}
	}
}

// TaskDone says that the work on an item that was taken from the queue is done: strands
// that take items call it once for each, if anybody is to [Queue.Join] them. It counts for
// an item that this process has taken, if there is one, and for one of another process
// otherwise. It never waits. It panics if it is called more often than items were taken,
// or if q is closed in this process.
func (q *Queue[T]) TaskDone() {
	q.mustEnter("TaskDone")
	defer q.exit()
	if !q.object().taskDone() {
		panic("multiprocessing: TaskDone was called more often than items were taken from the queue")
	}
}

// Join waits until all items that were put into the queue are done: taken, and reported by
// [Queue.TaskDone], or taken out by [Queue.ShutdownNow], or lost with a process that died
// after it had taken them. It returns at once if none was put. If items were lost since
// the queue was made, it returns a [*LostItemsError]: who can still do something about
// them does so, and knows how many it has been told of before. It returns strand.Err(ctx)
// if ctx is done first, and an error that matches os.ErrClosed if q is or becomes closed
// in this process.
func (q *Queue[T]) Join(ctx context.Context) error {
	if err := q.enter(); err != nil {
		return err
	}
	defer q.exit()
	o := q.object()
	if !o.joined() {
		err := q.wait(ctx, o.joiners, strand.Op{Object: q, Kind: strand.OpWait, Access: strand.Read}, &robust.Waiter{Try: o.joined})
		if err != nil {
			return err
		}
	}
	if n := o.lostItems(); n > 0 {
		return &LostItemsError{n}
	}
	return nil
}

// Shutdown lets no further item in, in any process. Strands that wait in Put get
// [strand.ErrShutdown], and keep their items; those that wait in Get get it too. The items
// in the queue can still be taken; after the last, Get returns ErrShutdown. It never
// waits, and may be called any number of times. It panics if q is closed in this process.
func (q *Queue[T]) Shutdown() {
	q.mustEnter("Shutdown")
	defer q.exit()
	_, _ = q.object().stop(false)
}

// ShutdownNow is [Queue.Shutdown], but takes out what is in the queue and returns it in
// the order in which it was put, so that nothing is lost unseen. [Queue.Join] no longer
// waits for these items; it still does for those that strands have taken and work on. The
// error says which of the items cannot be read; they are left out.
func (q *Queue[T]) ShutdownNow() ([]T, error) {
	q.mustEnter("ShutdownNow")
	defer q.exit()
	bs, err := q.object().stop(true)
	var items []T
	for _, b := range bs {
		v, derr := decodeItem[T](b)
		if derr != nil {
			err = errors.Join(err, derr)
			continue
		}
		items = append(items, v)
	}
	return items, err
}

// Len returns the number of items in the queue, which is out of date when it is read, or
// 0 if q is closed in this process.
func (q *Queue[T]) Len() int { return q.Statistics().Len }

// Close takes the queue from this process: strands that wait here get an error that
// matches os.ErrClosed. Items that this process has taken and not reported by TaskDone
// count as lost. Other processes keep the queue and what is in it; to tell them that no
// more will come is Shutdown's business. A Queue that is dropped is closed by the
// collector. Calls after the first do nothing; the error is always nil.
func (q *Queue[T]) Close() error { return q.close() }

// QueueStatistics is a snapshot of a [Queue].
type QueueStatistics struct {
	Len        int    // items in the queue
	Cap        int    // the most that it holds
	Bytes      int    // that these items have, and the gaps between them
	MaxBytes   int    // the most that they may have
	Getters    int    // strands that wait for an item, in all processes
	Putters    int    // strands that wait for room
	Joiners    int    // strands that wait in Join
	Puts       uint64 // items put so far
	Unfinished uint64 // items that Join waits for: in the queue, or not reported by TaskDone
	Lost       uint64 // items taken by processes that died before TaskDone
	Shutdown   bool   // whether the queue is shut down
}

// Statistics returns a snapshot of q, or the zero value if it is closed.
func (q *Queue[T]) Statistics() QueueStatistics {
	if q.enter() != nil {
		return QueueStatistics{}
	}
	defer q.exit()
	return q.object().statistics()
}

// MarshalCBOR writes q for its way to another process. It fails elsewhere.
func (q *Queue[T]) MarshalCBOR() ([]byte, error) { return writeShared(q.shared) }

// UnmarshalCBOR reads what MarshalCBOR has written.
func (q *Queue[T]) UnmarshalCBOR(b []byte) error {
	return readElements[T](b, queueKind, &q.shared)
}
