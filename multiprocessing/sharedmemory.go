package multiprocessing

import (
	"fmt"
	"io"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/robust"
)

// maxShared is the size, in bytes, up to which objects in shared memory are made.
const maxShared = 1 << 46

// SharedMemory is memory that several processes have at the same time. Make it with
// [NewSharedMemory], and give it to other processes in the argument or result of a call:
// they get the same memory, and nothing is copied. It has no name, so that nobody else
// finds it, and none to be left over: the system takes it back when the last process that
// has it is gone, however that ends. Its size cannot be changed. A copy of a SharedMemory
// is the same memory.
//
// Nothing orders what processes do in it: see [Mutex], and for numbers [Array] and
// [Value].
type SharedMemory struct {
	codec.Carrier
	shared
}

var sharedMemoryKind = &robust.Kind{
	Name: "memory", Alone: true,
	Size: func(p robust.Params) (int64, error) {
		if p.A < 1 || p.A > maxShared || p.B != 0 || p.Element != "" {
			return 0, fmt.Errorf("shared memory has 1 to %d bytes, not %d", int64(maxShared), p.A)
		}
		return int64(p.A), nil
	},
	New: func(*robust.Region) robust.Object { return robust.Plain{} },
}

// NewSharedMemory returns shared memory of that size, in bytes, all zero. Pages that
// nobody has written to cost nothing. It returns an error if size is less than 1.
func NewSharedMemory(size int) (*SharedMemory, error) {
	if size < 1 {
		return nil, fmt.Errorf("multiprocessing: NewSharedMemory(%d): the size must be at least 1 byte", size)
	}
	s, err := create("NewSharedMemory", sharedMemoryKind, robust.Params{A: uint64(size)}, nil)
	if err != nil {
		return nil, err
	}
	return &SharedMemory{shared: s}, nil
}

// Size returns the size of the memory, in bytes, or 0 if m is closed in this process.
func (m *SharedMemory) Size() int {
	if m.enter() != nil {
		return 0
	}
	defer m.exit()
	return int(m.h.region.Params().A)
}

// Bytes returns the memory itself, which begins at a multiple of 4096. It panics if m is
// closed in this process.
//
// It is not Go's memory: it lasts until Close, or until m is dropped, and who touches it
// after that ends the program. A deferred Close does for both. What came in the argument
// of a task is kept until the task has returned, and its result is written. ReadAt and
// WriteAt have no such pitfall.
func (m *SharedMemory) Bytes() []byte {
	m.mustEnter("Bytes")
	defer m.exit()
	size := int(m.h.region.Params().A)
	return m.h.region.Bytes()[:size:size]
}

// ReadAt implements [io.ReaderAt]. After Close it returns an error that matches
// os.ErrClosed.
func (m *SharedMemory) ReadAt(p []byte, off int64) (n int, err error) {
	return m.transfer(len(p), off, func(b []byte) int { return copy(p, b) }, io.EOF)
}

// WriteAt implements [io.WriterAt]. What would be beyond the end is not written, and
// returns an error that matches io.ErrShortWrite. After Close it returns an error that
// matches os.ErrClosed.
func (m *SharedMemory) WriteAt(p []byte, off int64) (n int, err error) {
	return m.transfer(len(p), off, func(b []byte) int { return copy(b, p) }, io.ErrShortWrite)
}

func (m *SharedMemory) transfer(want int, off int64, do func(b []byte) int, short error) (n int, err error) {
	if err := m.enter(); err != nil {
		return 0, err
	}
	defer m.exit()
	if off < 0 {
		return 0, fmt.Errorf("multiprocessing: the offset %d is negative", off)
	}
	b := m.h.region.Bytes()
	if off < int64(len(b)) {
		n = do(b[off:])
	}
	if n < want {
		err = short
	}
	return n, err
}

// Close takes the memory from this process; what Bytes has returned must not be used any
// more. Other processes keep it. Calls after the first do nothing; the error is always
// nil.
func (m *SharedMemory) Close() error { return m.close() }

// MarshalCBOR writes m for its way to another process. It fails elsewhere.
func (m *SharedMemory) MarshalCBOR() ([]byte, error) { return writeShared(m.shared) }

// UnmarshalCBOR reads what MarshalCBOR has written.
func (m *SharedMemory) UnmarshalCBOR(b []byte) error {
	return readShared(b, []*robust.Kind{sharedMemoryKind}, &m.shared)
}
