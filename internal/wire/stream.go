package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// kindMark is the kind of the frames that carry marks over a stream.
const kindMark = 255

// A Stream is a link over a connection. Make one with [NewStream].
type Stream struct {
	conn  io.ReadWriteCloser
	limit int64
	mark  atomic.Uint64
	gone  atomic.Bool
	once  sync.Once
	over  atomic.Bool

	sending sync.Mutex
	scratch []byte
	broken  error // a frame was written in part

	in    *bufio.Reader
	unix  *unixReader // in's source, if it can carry files
	small []byte      // payloads that are lent
}

const (
	streamFragment = 256 << 10
	streamSmall    = 64 << 10
)

// NewStream returns a link over conn for payloads of at most limit bytes. If conn is a
// *net.UnixConn the link can send open files as well.
func NewStream(conn io.ReadWriteCloser, limit int64) *Stream {
	s := &Stream{conn: conn, limit: limit}
	var src io.Reader = conn
	if u, ok := conn.(*net.UnixConn); ok {
		s.unix = &unixReader{conn: u}
		src = s.unix
	}
	s.in = bufio.NewReaderSize(src, streamSmall)
	return s
}

// Send implements [Link].
func (s *Stream) Send(h Header, small, bulk []byte) error {
	if total := int64(len(small)) + int64(len(bulk)); total > s.limit {
		return tooLarge(total, s.limit)
	}
	return s.send(h, small, bulk)
}

func (s *Stream) send(h Header, small, bulk []byte) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	f := fragment{Header: h, total: int64(len(small)) + int64(len(bulk))}
	for {
		// Small is written with the header in one go, and bulk apart.
		n := min(len(small), streamFragment)
		m := min(len(bulk), streamFragment-n)
		if n < len(small) {
			m = 0
		}
		f.length = n + m
		if err := s.write(&f, small[:n], bulk[:m], nil); err != nil {
			return err
		}
		small, bulk = small[n:], bulk[m:]
		if len(small)+len(bulk) == 0 {
			return nil
		}
		f.further = true
	}
}

// write writes a fragment, and the rights to its files. It needs s.sending.
func (s *Stream) write(f *fragment, small, bulk, rights []byte) error {
	switch {
	case s.over.Load():
		return ErrClosed
	case s.gone.Load():
		return ErrGone
	case s.broken != nil:
		return s.broken
	}
	b := append(s.scratch[:0], make([]byte, headerSize)...)
	putHeader(b, f)
	seal(b, small, bulk)
	b = append(b, small...)
	apart := len(bulk) > 16<<10
	if !apart {
		b = append(b, bulk...)
	}
	s.scratch = b[:0]
	var err error
	if len(rights) > 0 {
		err = s.unix.write(b, rights)
	} else {
		_, err = s.conn.Write(b)
	}
	if err == nil && apart {
		_, err = s.conn.Write(bulk)
	}
	if err != nil {
		if s.over.Load() {
			err = ErrClosed
		}
		// What was written in part cannot be taken back.
		s.broken = err
	}
	return err
}

// SendFiles sends a frame with open files, at most 200, which stay open here. It needs
// a link over a *net.UnixConn. If the files are at fault, the error wraps ErrFiles.
func (s *Stream) SendFiles(h Header, files ...*os.File) error {
	switch {
	case s.unix == nil:
		return fmt.Errorf("%w: this link carries none: %w", ErrFiles, errors.ErrUnsupported)
	case len(files) == 0 || len(files) > 200:
		return fmt.Errorf("%w: %d of them in a message, which takes 1 to 200", ErrFiles, len(files))
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	// A file that cannot be sent must not break the link.
	rights, err := s.unix.rights(files)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFiles, err)
	}
	defer runtime.KeepAlive(files)
	return s.write(&fragment{Header: h, files: len(files)}, nil, nil, rights)
}

// Recv implements [Link].
func (s *Stream) Recv() (Frame, error) {
	var a assembly
	for {
		var header [headerSize]byte
		if s.over.Load() {
			return Frame{}, ErrClosed // and not what was read ahead
		}
		if n, err := io.ReadFull(s.in, header[:]); err != nil {
			return Frame{}, s.readError(err, a.open || n > 0)
		}
		due, done := a.due()
		limit := s.limit
		f, err := getHeader(header[:], limit, due, done)
		if err != nil {
			return Frame{}, err
		}
		var payload []byte
		switch {
		case a.open:
			payload, err = s.readInto(&a.buf, f.length)
		case int64(f.length) < f.total:
			a.begin(f)
			payload, err = s.readInto(&a.buf, f.length)
		case f.length > streamSmall:
			a.begin(f)
			payload, err = s.readInto(&a.buf, f.length)
		default:
			s.small = s.small[:0]
			payload, err = s.readInto(&s.small, f.length)
		}
		if err != nil {
			return Frame{}, s.readError(err, true)
		}
		if err := f.verify(header[:], payload); err != nil {
			return Frame{}, err
		}
		files, err := s.unix.take(f.files)
		if err != nil {
			return Frame{}, s.readError(err, true)
		}
		if a.open {
			if fr, ok := a.frame(); ok {
				fr.Files = files
				return fr, nil
			}
			continue
		}
		if f.Kind == kindMark {
			s.mark.Store(f.Seq)
			continue
		}
		return Frame{Header: f.Header, Payload: payload, Files: files}, nil
	}
}

// readInto appends n bytes to *buf and returns them. A length that lies costs no more
// than twice the bytes that really come.
func (s *Stream) readInto(buf *[]byte, n int) ([]byte, error) {
	start := len(*buf)
	for n > 0 {
		b := *buf
		if cap(b) == len(b) {
			b = append(b, make([]byte, min(n, max(len(b), 4<<10)))...)[:len(b)]
		}
		m := min(n, cap(b)-len(b))
		if _, err := io.ReadFull(s.in, b[len(b):len(b)+m]); err != nil {
			return nil, err
		}
		*buf = b[:len(b)+m]
		n -= m
	}
	return (*buf)[start:], nil
}

// readError returns what Recv returns for an error of a read, inside a message or
// between two.
func (s *Stream) readError(err error, inside bool) error {
	var bad *CorruptError
	switch {
	case s.over.Load():
		return ErrClosed
	case errors.As(err, &bad):
		return err
	case !s.gone.Load() && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !isReset(err):
		return err
	case inside:
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// isReset reports whether an error of a read says that the other side is gone and had
// not received all that was sent to it.
func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// Mark implements [Link].
func (s *Stream) Mark(m uint64) error { return s.send(Header{Kind: kindMark, Seq: m}, nil, nil) }

// PeerMark implements [Link].
func (s *Stream) PeerMark() uint64 { return s.mark.Load() }

// HangUp implements [Link]. The system ends a stream when all who have its other end
// are gone; if a descendant of the dead process still has it, this link waits for a
// second.
func (s *Stream) HangUp() {
	s.gone.Store(true)
	if d, ok := s.conn.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(time.Now().Add(time.Second))
	}
}

// Close implements [Link].
func (s *Stream) Close() (err error) {
	s.once.Do(func() {
		s.over.Store(true)
		err = s.conn.Close()
		s.unix.close()
	})
	return err
}

// A unixReader reads from a Unix socket and keeps the files that come along. A nil one
// has none.
type unixReader struct {
	conn *net.UnixConn

	mu     sync.Mutex
	files  []*os.File
	closed bool
}

// take takes the next n files.
func (r *unixReader) take(n int) ([]*os.File, error) {
	if r == nil {
		if n > 0 {
			return nil, corrupt("it announces %d files on a link that carries none", n)
		}
		return nil, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > len(r.files) {
		return nil, corrupt("it announces %d files, and %d have come", n, len(r.files))
	}
	if n == 0 {
		return nil, nil
	}
	files := r.files[:n:n]
	r.files = r.files[n:]
	return files, nil
}

func (r *unixReader) keep(files []*os.File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		closeFiles(files)
		return
	}
	r.files = append(r.files, files...)
}

func (r *unixReader) close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	closeFiles(r.files)
	r.files = nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
