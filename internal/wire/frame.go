// Package wire carries frames between two processes: over a stream, such as a socket
// or a pair of pipes, or over a pair of rings in shared memory.
//
// A frame has a header of 32 bytes, with a checksum, and a payload. What the other side
// sends is not trusted: lengths are checked before anything is allocated or read, and
// what makes no sense is a [CorruptError].
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// A Header says what a frame is. Its fields mean nothing to this package, but Kind must
// not be 0 or 255.
type Header struct {
	Kind  uint8  // what kind of frame
	Flags uint8  // how it differs from others of its kind
	Index uint32 // a number
	Seq   uint64 // a number
}

// A Frame is what was received.
type Frame struct {
	Header
	Payload []byte     // valid until the next receive, unless Owned
	Owned   bool       // Payload is the receiver's for good
	Files   []*os.File // that came with it; the receiver closes them
}

// A Link is one end of a channel between two processes. Any number of goroutines may
// send; one at a time may receive.
type Link interface {
	// Send sends a frame whose payload is small followed by bulk. It blocks while
	// the other side does not keep up. It returns ErrTooLarge, and sends nothing, if
	// the payload is beyond the limit.
	Send(h Header, small, bulk []byte) error

	// Recv returns the next frame, for which it waits. Once the other side is gone
	// and all that it had sent is received, it returns io.EOF, or
	// io.ErrUnexpectedEOF if the last frame was cut short; after Close ErrClosed.
	Recv() (Frame, error)

	// Mark publishes a number to the other side, cheaply, after all that was sent
	// before.
	Mark(m uint64) error

	// PeerMark returns the last number that the other side published: for a stream,
	// as of the last frame received.
	PeerMark() uint64

	// HangUp says that the process on the other side is dead: who sends gets an
	// error, who receives gets what is left and then io.EOF.
	HangUp()

	// Close ends the link, and wakes who waits with ErrClosed. Further calls do
	// nothing.
	Close() error
}

// Errors of links.
var (
	// ErrTooLarge says that a payload is beyond the limit.
	ErrTooLarge = errors.New("wire: the message is too large")
	// ErrFiles says that files cannot be sent; the link is as good as before.
	ErrFiles = errors.New("wire: the open files cannot be sent")
	// ErrClosed says that the link was closed on this side.
	ErrClosed = errors.New("wire: the link is closed")
	// ErrGone says that the process on the other side is dead.
	ErrGone = errors.New("wire: the process on the other side is gone")
)

// A CorruptError says that the other side sent what makes no sense.
type CorruptError struct {
	Reason string // what does not
}

// Error returns the reason.
func (e *CorruptError) Error() string { return "wire: corrupt frame: " + e.Reason }

func corrupt(format string, args ...any) error {
	return &CorruptError{Reason: fmt.Sprintf(format, args...)}
}

func tooLarge(size, limit int64) error {
	return fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, limit)
}

// headerSize is the length of an encoded header.
//
//	0   4  length of the payload in this fragment
//	4   1  kind
//	5   1  flags
//	6   1  fragment: 0 the whole or the first, 1 a further one
//	7   1  number of files
//	8   8  seq
//	16  8  length of the whole payload
//	24  4  index
//	28  4  CRC-32C of the bytes before and of the payload, or a part of it
const headerSize = 32

// checked is the length up to which the checksum of a fragment in a ring covers the
// payload. Beyond, it covers the header only: the memory of a living machine does not
// flip bits, and what a dead process left unfinished is never published. Streams check
// all.
const checked = 4 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A fragment is the header of a fragment, decoded.
type fragment struct {
	Header
	length  int
	further bool
	files   int
	total   int64
	crc     uint32
}

func putHeader(b []byte, f *fragment) {
	_ = b[headerSize-1]
	binary.LittleEndian.PutUint32(b, uint32(f.length))
	b[4], b[5], b[6], b[7] = f.Kind, f.Flags, 0, byte(f.files)
	if f.further {
		b[6] = 1
	}
	binary.LittleEndian.PutUint64(b[8:], f.Seq)
	binary.LittleEndian.PutUint64(b[16:], uint64(f.total))
	binary.LittleEndian.PutUint32(b[24:], f.Index)
}

// seal writes the checksum of a header over itself and the payload.
func seal(header, small, bulk []byte) {
	crc := crc32.Update(0, castagnoli, header[:28])
	crc = crc32.Update(crc, castagnoli, small)
	crc = crc32.Update(crc, castagnoli, bulk)
	binary.LittleEndian.PutUint32(header[28:], crc)
}

// getHeader decodes a header and checks what can be checked without the payload.
// Further and done say which fragment of a message is due: done bytes of one of total
// bytes have come.
func getHeader(b []byte, limit int64, due *fragment, done int64) (f fragment, err error) {
	_ = b[headerSize-1]
	f.length = int(binary.LittleEndian.Uint32(b))
	f.Kind, f.Flags, f.further, f.files = b[4], b[5], b[6] == 1, int(b[7])
	f.Seq = binary.LittleEndian.Uint64(b[8:])
	total := binary.LittleEndian.Uint64(b[16:])
	f.Index = binary.LittleEndian.Uint32(b[24:])
	f.crc = binary.LittleEndian.Uint32(b[28:])
	switch {
	case b[6] > 1:
		return f, corrupt("the number of the fragment is %d", b[6])
	case f.Kind == 0:
		return f, corrupt("the kind is 0")
	case total > uint64(limit):
		return f, corrupt("the length is %d, the limit %d", total, limit)
	case uint64(binary.LittleEndian.Uint32(b)) > total:
		return f, corrupt("a fragment of %d bytes in a message of %d", binary.LittleEndian.Uint32(b), total)
	case f.further != (due != nil):
		return f, corrupt("a fragment out of turn")
	}
	f.total = int64(total)
	switch {
	case f.files > 0 && (int64(f.length) < f.total || f.Kind == kindMark):
		return f, corrupt("files with a message that carries none")
	case due != nil && (f.total != due.total || f.Header != due.Header || f.files != 0):
		return f, corrupt("a fragment of another message")
	case due != nil && (int64(f.length) > f.total-done || f.length == 0):
		return f, corrupt("a fragment of %d bytes where %d are due", f.length, f.total-done)
	}
	return f, nil
}

// verify compares the checksum.
func (f *fragment) verify(header, payload []byte) error {
	crc := crc32.Update(0, castagnoli, header[:28])
	if crc = crc32.Update(crc, castagnoli, payload); crc != f.crc {
		return corrupt("the checksum is wrong")
	}
	return nil
}

// An assembly puts the fragments of a message together.
type assembly struct {
	first fragment
	open  bool
	buf   []byte
}

// trusted is how much memory is set aside for a message because its first fragment says
// so. Beyond, it grows as bytes come.
const trusted = 64 << 20

func (a *assembly) begin(f fragment) {
	a.first, a.open = f, true
	a.buf = make([]byte, 0, min(f.total, trusted))
}

// due returns what getHeader wants to know.
func (a *assembly) due() (*fragment, int64) {
	if !a.open {
		return nil, 0
	}
	return &a.first, int64(len(a.buf))
}

// frame returns the message if it is complete.
func (a *assembly) frame() (Frame, bool) {
	if int64(len(a.buf)) < a.first.total {
		return Frame{}, false
	}
	f := Frame{Header: a.first.Header, Payload: a.buf, Owned: true}
	a.open, a.buf = false, nil
	return f, true
}
