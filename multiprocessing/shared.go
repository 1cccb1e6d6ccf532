package multiprocessing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/robust"
	"github.com/go-braid/braid/strand"
)

// What [SharedMemory], [Array], [Value], [Mutex], [Semaphore], [Event], [Condition],
// [Barrier] and [Queue] have in common.

// MaxProcesses is how many processes can have one shared object open at a time; a Value
// or a SharedMemory is not counted. When more come, what brings the object to them fails.
const MaxProcesses = robust.MaxProcesses

// ErrOwnerDied says that a process died while it held a lock: what the lock guards may be
// half done. See [Mutex.Recover].
var ErrOwnerDied = errors.New("multiprocessing: a process died while it held the lock, and what that guards may be half done")

// ErrTooLarge says that an item has more bytes than a [Queue] can ever hold.
var ErrTooLarge = errors.New("multiprocessing: the item is larger than the queue")

// ErrCorrupt says that what is in shared memory makes no sense: some process has
// written there what it should not.
var ErrCorrupt = errors.New("multiprocessing: the shared memory is corrupt")

// errClosed is the error of what is closed in this process.
var errClosed = fmt.Errorf("multiprocessing: it is closed in this process: %w", os.ErrClosed)

func init() {
	codec.RegisterError(ErrOwnerDied, ErrTooLarge, ErrCorrupt, robust.ErrTooManyProcesses)
}

// shared is what every shared object is in this process: a pointer, so that the object
// can be copied.
type shared struct{ h *handle }

// A handle is how a program holds a region. It gives it up when it is closed, or dropped.
type handle struct {
	region  *robust.Region
	uses    atomic.Int64 // operations under way, and isClosed
	last    sync.Once
	cleanup runtime.Cleanup
}

const isClosed = 1 << 62

func newHandle(r *robust.Region) *handle {
	h := &handle{region: r}
	h.cleanup = runtime.AddCleanup(h, func(r *robust.Region) { r.Release() }, r)
	return h
}

// create makes a shared object, in the name of a constructor.
func create(constructor string, k *robust.Kind, p robust.Params, init func(*robust.Region)) (shared, error) {
	r, err := robust.Create(k, p, init)
	if err != nil {
		return shared{}, fmt.Errorf("multiprocessing: %s: %w", constructor, err)
	}
	return shared{newHandle(r)}, nil
}

// Gone implements [robust.Owner].
func (h *handle) Gone() error {
	if h.uses.Load()&isClosed != 0 {
		return errClosed
	}
	return nil
}

// enter begins an operation, during which the memory stays. The object is used until
// exit, so that it is not dropped before.
func (s shared) enter() error {
	if s.h == nil {
		return errors.New("multiprocessing: it is the zero value, and was not made by its constructor")
	}
	if s.h.uses.Add(1)&isClosed != 0 {
		s.exit()
		return errClosed
	}
	s.h.region.Order()
	return nil
}

// mustEnter is enter for operations without an error.
func (s shared) mustEnter(operation string) {
	if err := s.enter(); err != nil {
		panic(fmt.Sprintf("%v: %s is not possible", err, operation))
	}
}

// exit ends an operation.
func (s shared) exit() {
	s.h.region.Order()
	if s.h.uses.Add(-1) == isClosed {
		s.h.last.Do(s.h.region.Release)
	}
}

// close closes the object in this process.
func (s shared) close() error {
	if s.h == nil || s.enter() != nil {
		return nil
	}
	defer s.exit()
	if s.h.uses.Or(isClosed)&isClosed != 0 {
		return nil
	}
	s.h.cleanup.Stop()
	for i := range s.h.region.Lines() {
		s.h.region.Line(i).Evict(s.h)
	}
	return nil
}

// wait has the strand wait in line until try succeeds. The object is entered.
func (s shared) wait(ctx context.Context, line *robust.Line, op strand.Op, w *robust.Waiter) error {
	w.Owner = s.h
	return line.Wait(ctx, op, w)
}

// writeShared writes shared objects for their way to another process: their numbers among the
// open files that go with the message, as a byte string in CBOR.
func writeShared(objects ...shared) ([]byte, error) {
	b := []byte{0x40 | byte(len(objects))}
	for _, s := range objects {
		if err := s.enter(); err != nil {
			return nil, err
		}
		n, err := codec.AttachFile(s.h.region.File())
		s.exit()
		if err != nil {
			return nil, err
		}
		if n > 255 {
			return nil, errors.New("more than 256 open files and shared objects cannot travel in one message")
		}
		b = append(b, byte(n))
	}
	return b, nil
}

// readShared opens what writeShared has written, in place of what the objects were.
func readShared(b []byte, kinds []*robust.Kind, objects ...*shared) error {
	if len(b) != 1+len(objects) || b[0] != 0x40|byte(len(objects)) {
		return errors.New("it is not written as a shared object is")
	}
	opened := make([]shared, 0, len(objects))
	for i, k := range kinds {
		f, err := codec.TakeFile(int(b[1+i]))
		if err == nil {
			var r *robust.Region
			if r, err = robust.Open(k, f); err == nil {
				opened = append(opened, shared{newHandle(r)})
				continue
			}
			err = fmt.Errorf("the %s cannot be opened: %w", k.Name, err)
		}
		for _, s := range opened {
			_ = s.close()
		}
		return err
	}
	for i, s := range opened {
		_ = objects[i].close()
		*objects[i] = s
	}
	return nil
}

// fixedSize is the size of objects that are a T, whatever their parameters.
func fixedSize[T any](p robust.Params) (int64, error) {
	if p != (robust.Params{}) {
		return 0, errors.New("it has parameters, where there are none")
	}
	return sizeOf[T](), nil
}

func sizeOf[T any]() int64 {
	var zero T
	return int64(unsafe.Sizeof(zero))
}
