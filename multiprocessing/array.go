package multiprocessing

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/robust"
	"github.com/go-braid/braid/strand"
)

// An Array is numbers, or bools, that several processes have at the same time. Make one
// with [NewArray], and give it to other processes in the argument or result of a call. It
// may be used from any goroutine, and be copied: a copy is the same array.
//
// Load, Store, Add and CompareAndSwap are atomic, in one order for all processes, and take
// no lock. Update has a lock for what concerns several elements.
type Array[T Scalar] struct {
	codec.Carrier
	shared
}

// elements is where the elements are, behind the lock. It is a multiple of the size of a
// cache line.
const elements = 64

var arrayKind = &robust.Kind{
	Name: "array", Lines: 1, New: newMutexObject,
	// B is the size of an element. The last one of those below 32 bits has room for the
	// word that it is changed with.
	Size: func(p robust.Params) (int64, error) {
		if p.B < 1 || p.B > 8 || p.B&(p.B-1) != 0 || p.A > maxShared/p.B {
			return 0, fmt.Errorf("an array has up to %d bytes, not %d elements of %d", int64(maxShared), p.A, p.B)
		}
		return elements + int64(p.A*p.B+7)&^7, nil
	},
}

// NewArray returns an array of n elements, all zero. Pages of it that nobody has written
// to cost nothing. It returns an error if n is negative.
func NewArray[T Scalar](n int) (*Array[T], error) {
	if n < 0 {
		return nil, fmt.Errorf("multiprocessing: NewArray(%d): the length cannot be negative", n)
	}
	p := robust.Params{A: uint64(n), B: uint64(sizeOf[T]()), Element: elementName[T]()}
	s, err := create("NewArray", arrayKind, p, nil)
	if err != nil {
		return nil, err
	}
	return &Array[T]{shared: s}, nil
}

// Len returns the number of elements, or 0 if a is closed in this process.
func (a *Array[T]) Len() int {
	if a.enter() != nil {
		return 0
	}
	defer a.exit()
	return a.len()
}

func (a *Array[T]) len() int { return int(a.h.region.Params().A) }

// cell returns element i. It panics if there is none.
func (a *Array[T]) cell(i int) cell[T] {
	if n := a.len(); i < 0 || i >= n {
		panic(fmt.Sprintf("multiprocessing: index %d is out of range: the Array has %d elements", i, n))
	}
	return cellAt[T](a.h.region, elements+i*int(sizeOf[T]()))
}

// Load returns element i. Like all methods that take an index, it panics if there is no
// such element, or if a is closed in this process.
func (a *Array[T]) Load(i int) T {
	a.mustEnter("Load")
	defer a.exit()
	return a.cell(i).load()
}

// Store makes x element i.
func (a *Array[T]) Store(i int, x T) {
	a.mustEnter("Store")
	defer a.exit()
	a.cell(i).store(x)
}

// Add adds delta to element i and returns the sum. An integer that overflows wraps
// around. It panics for an array of bools.
func (a *Array[T]) Add(i int, delta T) T {
	a.mustEnter("Add")
	defer a.exit()
	return a.cell(i).add(delta)
}

// CompareAndSwap makes x element i if that is old, and reports whether it was. Floats are
// compared by ==, so that a NaN is never old.
func (a *Array[T]) CompareAndSwap(i int, old, x T) bool {
	a.mustEnter("CompareAndSwap")
	defer a.exit()
	return a.cell(i).swap(old, x)
}

// Slice returns the memory of all elements, for much work at a time. It panics if a is
// closed in this process. Nothing orders what processes do in it, unless they use
// [Array.Update], or take turns.
//
// It is not Go's memory: it lasts until Close, or until a is dropped, and who touches it
// after that ends the program. A deferred Close does for both. What came in the argument
// of a task is kept until the task has returned, and its result is written.
func (a *Array[T]) Slice() []T {
	a.mustEnter("Slice")
	defer a.exit()
	return a.slice()
}

func (a *Array[T]) slice() []T {
	first := unsafe.SliceData(a.h.region.Bytes()[elements:])
	return unsafe.Slice((*T)(unsafe.Pointer(first)), a.len())[:a.len():a.len()]
}

// Update calls f with all elements, which it may change, while no other Update runs in
// any process, waiting for that if need be. The elements are f's until it returns. Update
// returns the error of f; strand.Err(ctx) if ctx is done before f can be called;
// [ErrOwnerDied] if a process died in an Update, and nobody has called [Array.Recover]
// since; or an error that matches os.ErrClosed if a is or becomes closed in this process.
// What other methods do is not held up.
func (a *Array[T]) Update(ctx context.Context, f func(elements []T) error) error {
	return a.update(ctx, false, func(elements []T, _ bool) error { return f(elements) })
}

// Recover is [Array.Update], but calls f also if a process died in an Update. Died says
// that one has: then f puts in order what that may have left half done.
func (a *Array[T]) Recover(ctx context.Context, f func(elements []T, died bool) error) error {
	return a.update(ctx, true, f)
}

func (a *Array[T]) update(ctx context.Context, inherit bool, f func([]T, bool) error) error {
	if err := a.enter(); err != nil {
		return err
	}
	defer a.exit()
	m := a.mutex()
	out, err := m.Lock(ctx, strand.Op{Object: a, Kind: strand.OpLock, Access: strand.Write}, a.h, inherit)
	if err != nil {
		return err
	}
	if out == robust.Orphaned {
		return ErrOwnerDied
	}
	defer m.Unlock()
	return f(a.slice(), out == robust.Inherited)
}

func (a *Array[T]) mutex() *robust.Mutex { return a.h.region.Object().(*mutexObject).mutex }

// Close takes the array from this process: strands that wait in Update here get an error
// that matches os.ErrClosed, and what Slice has returned must not be used any more. Other
// processes keep it. An Array that is dropped is closed by the collector. Calls after the
// first do nothing; the error is always nil.
func (a *Array[T]) Close() error { return a.close() }

// Statistics returns a snapshot of the lock of Update, or the zero value if a is closed.
func (a *Array[T]) Statistics() MutexStatistics {
	if a.enter() != nil {
		return MutexStatistics{}
	}
	defer a.exit()
	return mutexStatistics(a.mutex(), a.h.region.Line(0))
}

// MarshalCBOR writes a for its way to another process. It fails elsewhere.
func (a *Array[T]) MarshalCBOR() ([]byte, error) { return writeShared(a.shared) }

// UnmarshalCBOR reads what MarshalCBOR has written.
func (a *Array[T]) UnmarshalCBOR(b []byte) error {
	return readElements[T](b, arrayKind, &a.shared)
}
