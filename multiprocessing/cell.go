package multiprocessing

import (
	"fmt"
	"math"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/go-braid/braid/internal/robust"
)

// A Scalar is what an [Array] or a [Value] can hold: a number of fixed size, or a bool.
type Scalar interface {
	~bool | ~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// A cell is where a T is in shared memory. All its operations are atomic, and in one order
// for all processes. A T of less than 32 bits is changed together with its neighbours in
// the same 32 bits, which keep their values.
type cell[T Scalar] struct{ at unsafe.Pointer }

var bigEndian = *(*byte)(unsafe.Pointer(&[]uint16{1}[0])) == 0

// word returns the 32 bits in which a cell of less is, how far up in them, and which of
// the lowest bits it has there.
func (c cell[T]) word() (w *atomic.Uint32, shift, mask uint32) {
	size := uint32(sizeOf[T]())
	off := uint32(uintptr(c.at) & 3)
	w = (*atomic.Uint32)(unsafe.Add(c.at, -int(off)))
	if bigEndian {
		off = 4 - size - off
	}
	return w, off * 8, 1<<(size*8) - 1
}

func (c cell[T]) bits() uint64 {
	switch sizeOf[T]() {
	case 8:
		return (*atomic.Uint64)(c.at).Load()
	case 4:
		return uint64((*atomic.Uint32)(c.at).Load())
	}
	w, shift, mask := c.word()
	return uint64(w.Load() >> shift & mask)
}

func (c cell[T]) swapBits(from, to uint64) bool {
	switch sizeOf[T]() {
	case 8:
		return (*atomic.Uint64)(c.at).CompareAndSwap(from, to)
	case 4:
		return (*atomic.Uint32)(c.at).CompareAndSwap(uint32(from), uint32(to))
	}
	w, shift, mask := c.word()
	for {
		old := w.Load()
		if old>>shift&mask != uint32(from) {
			return false
		}
		if w.CompareAndSwap(old, old&^(mask<<shift)|uint32(to)<<shift) {
			return true
		}
	}
}

func toBits[T Scalar](v T) uint64 {
	p := unsafe.Pointer(&v)
	switch sizeOf[T]() {
	case 8:
		return *(*uint64)(p)
	case 4:
		return uint64(*(*uint32)(p))
	case 2:
		return uint64(*(*uint16)(p))
	}
	return uint64(*(*uint8)(p))
}

func fromBits[T Scalar](b uint64) (v T) {
	p := unsafe.Pointer(&v)
	switch sizeOf[T]() {
	case 8:
		*(*uint64)(p) = b
	case 4:
		*(*uint32)(p) = uint32(b)
	case 2:
		*(*uint16)(p) = uint16(b)
	default:
		if b != 0 && kindOf[T]() == reflect.Bool {
			b = 1 // whatever somebody has written there
		}
		*(*uint8)(p) = uint8(b)
	}
	return v
}

func kindOf[T any]() reflect.Kind { return reflect.TypeFor[T]().Kind() }

func (c cell[T]) load() T { return fromBits[T](c.bits()) }

func (c cell[T]) store(v T) {
	for to := toBits(v); !c.swapBits(c.bits(), to); {
	}
}

func (c cell[T]) swap(from, to T) bool {
	for {
		b := c.bits()
		// Equal as Go has it: there are two zeros among floats, and one that equals nothing.
		if fromBits[T](b) != from {
			return false
		}
		if c.swapBits(b, toBits(to)) {
			return true
		}
	}
}

func (c cell[T]) add(delta T) T {
	for {
		b := c.bits()
		sum := addBits(b, delta)
		if c.swapBits(b, sum) {
			return fromBits[T](sum)
		}
	}
}

func addBits[T Scalar](b uint64, delta T) uint64 {
	d := toBits(delta)
	switch kindOf[T]() {
	case reflect.Bool:
		panic("multiprocessing: Add of a bool")
	case reflect.Float64:
		return math.Float64bits(math.Float64frombits(b) + math.Float64frombits(d))
	case reflect.Float32:
		return uint64(math.Float32bits(math.Float32frombits(uint32(b)) + math.Float32frombits(uint32(d))))
	}
	// Signed or not, the sum has the same bits. Those beyond the size are dropped.
	return (b + d) & (1<<(8*sizeOf[T]()) - 1)
}

// elementName is what memory says of the type of the values in it.
func elementName[T any]() string {
	t := reflect.TypeFor[T]()
	name := t.String()
	if t.PkgPath() != "" {
		name = t.PkgPath() + "." + t.Name()
	}
	return name[:min(len(name), robust.MaxName)]
}

// checkElement returns an error if memory has values of another type than T.
func checkElement[T any](r *robust.Region) error {
	p := r.Params()
	if want := elementName[T](); p.Element != want {
		return fmt.Errorf("it holds values of the type %q, not %s", p.Element, want)
	}
	if r.Kind() == arrayKind && p.B != uint64(sizeOf[T]()) {
		return ErrCorrupt
	}
	return nil
}

// update makes f of the value the value.
func (c cell[T]) update(f func(T) T) T {
	for {
		b := c.bits()
		next := f(fromBits[T](b))
		if c.swapBits(b, toBits(next)) {
			return next
		}
	}
}

// cellAt returns the cell at an offset in the memory of an object.
func cellAt[T Scalar](r *robust.Region, offset int) cell[T] {
	return cell[T]{unsafe.Pointer(robust.At[T](r, offset))}
}

// readElements is readShared for an object with values of type T.
func readElements[T any](b []byte, k *robust.Kind, s *shared) error {
	var got shared
	if err := readShared(b, []*robust.Kind{k}, &got); err != nil {
		return err
	}
	if err := checkElement[T](got.h.region); err != nil {
		_ = got.close()
		return fmt.Errorf("the %s cannot be opened: %w", k.Name, err)
	}
	_ = s.close()
	*s = got
	return nil
}
