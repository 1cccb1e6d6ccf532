package multiprocessing

import (
	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/robust"
)

// A Value is a number, or a bool, that several processes have at the same time. Make one
// with [NewValue], and give it to other processes in the argument or result of a call. It
// may be used from any goroutine, and be copied: a copy is the same value.
//
// All operations are atomic, in one order for all processes, and take no lock, so that a
// process that dies leaves the old value or the new one. They panic if the value is
// closed in this process.
type Value[T Scalar] struct {
	codec.Carrier
	shared
}

var valueKind = &robust.Kind{
	Name: "value", Alone: true,
	Size: func(robust.Params) (int64, error) { return 8, nil },
	New:  func(*robust.Region) robust.Object { return robust.Plain{} },
}

// NewValue returns a value that is initial at first.
func NewValue[T Scalar](initial T) (*Value[T], error) {
	s, err := create("NewValue", valueKind, robust.Params{Element: elementName[T]()}, nil)
	if err != nil {
		return nil, err
	}
	v := &Value[T]{shared: s}
	v.cell().store(initial)
	return v, nil
}

func (v *Value[T]) cell() cell[T] { return cellAt[T](v.h.region, 0) }

// Load returns the value.
func (v *Value[T]) Load() T {
	v.mustEnter("Load")
	defer v.exit()
	return v.cell().load()
}

// Store makes x the value.
func (v *Value[T]) Store(x T) {
	v.mustEnter("Store")
	defer v.exit()
	v.cell().store(x)
}

// Add adds delta to the value and returns the sum. An integer that overflows wraps
// around. It panics for a bool.
func (v *Value[T]) Add(delta T) T {
	v.mustEnter("Add")
	defer v.exit()
	return v.cell().add(delta)
}

// CompareAndSwap makes x the value if it is old, and reports whether it was. Floats are
// compared by ==, so that a NaN is never old.
func (v *Value[T]) CompareAndSwap(old, x T) bool {
	v.mustEnter("CompareAndSwap")
	defer v.exit()
	return v.cell().swap(old, x)
}

// Update makes f(x) the value, where x is the value before, and returns it. F is called
// again if the value has changed meanwhile, so it must do nothing but compute; and it
// should be quick. There is no lock that could be left over by a process that dies in f.
func (v *Value[T]) Update(f func(T) T) T {
	v.mustEnter("Update")
	defer v.exit()
	return v.cell().update(f)
}

// Close takes the value from this process; other processes keep it. A Value that is
// dropped is closed by the collector. Calls after the first do nothing; the error is
// always nil.
func (v *Value[T]) Close() error { return v.close() }

// MarshalCBOR writes v for its way to another process. It fails elsewhere.
func (v *Value[T]) MarshalCBOR() ([]byte, error) { return writeShared(v.shared) }

// UnmarshalCBOR reads what MarshalCBOR has written.
func (v *Value[T]) UnmarshalCBOR(b []byte) error {
	return readElements[T](b, valueKind, &v.shared)
}
