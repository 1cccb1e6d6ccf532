package connection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/parcel"
	"github.com/go-braid/braid/internal/wire"
	"github.com/go-braid/braid/strand"
)

// stream is a transport over a connection that knows bytes only, such as one of TCP. It
// is in one process.
type stream struct {
	max     int64
	link    *wire.Stream
	out     *patient
	sending *strand.Semaphore
	taking  *strand.Semaphore

	mu   sync.Mutex
	next *arrival // nil: nobody receives, and nothing is there
}

// An arrival is a parcel that was received, or will be. A strand that does not want to
// wait any longer leaves it to the next one.
type arrival struct {
	done   chan struct{} // closed when the rest is there
	parcel parcel.Parcel
	err    error
}

func newStream(c net.Conn, limit int64) *stream {
	out := &patient{Conn: c}
	return &stream{max: limit, link: wire.NewStream(out, limit), out: out, sending: strand.NewBoundedSemaphore(1), taking: strand.NewBoundedSemaphore(1)}
}

// Send implements [parcel.Transport].
func (s *stream) Send(ctx context.Context, p *parcel.Parcel) error {
	if len(p.Files) > 0 {
		return fmt.Errorf("this connection cannot carry open files: only Unix sockets can, on Linux: %w", errors.ErrUnsupported)
	}
	err := parcel.Aside(ctx, strand.Op{Object: s, Kind: strand.OpWrite, Access: strand.Write}, func(ctx context.Context) error {
		return s.write(ctx, p)
	})
	if isPeerGone(err) {
		return parcel.ErrPeerGone
	}
	return err
}

func (s *stream) write(ctx context.Context, p *parcel.Parcel) error {
	if err := s.sending.Acquire(ctx, 1); err != nil {
		return err
	}
	release := func() { s.sending.Release(1) }
	s.out.begin()
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.out.interrupt()
		close(over)
	})
	h := wire.Header{Kind: uint8(p.Kind), Flags: p.Shape[0], Index: uint32(p.Shape[1])}
	err := s.link.Send(h, p.Small[parcel.HeaderSize:], p.Bulk)
	if !stop() {
		<-over
	}
	switch s.out.end() {
	case unsent:
		defer release()
		return strand.Err(ctx)
	case begun:
		go func() {
			defer release()
			s.out.finish()
		}()
		return err
	}
	release()
	return err
}

// arrival returns the next parcel, which is being received.
func (s *stream) arrival() *arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &arrival{done: make(chan struct{})}
		go s.receive(s.next)
	}
	return s.next
}

func (s *stream) receive(a *arrival) {
	defer close(a.done)
	f, err := s.link.Recv()
	var bad *wire.CorruptError
	switch {
	case errors.As(err, &bad):
		a.err = fmt.Errorf("%w: %w", parcel.ErrNonsense, err)
		return
	case err == io.ErrUnexpectedEOF:
		a.err = fmt.Errorf("the other side was gone in the middle of a message: %w", err)
		return
	case err != nil:
		a.err = err
		return
	}
	p := parcel.Parcel{Kind: parcel.Kind(f.Kind), Shape: codec.Shape{f.Flags, byte(f.Index)}, Small: f.Payload}
	if p.Kind != parcel.Bytes && p.Kind != parcel.Value || f.Index > 255 || f.Seq != 0 {
		a.err = parcel.ErrNonsense
		return
	}
	if !f.Owned {
		p.Small = append(make([]byte, 0, len(f.Payload)), f.Payload...)
	}
	a.parcel = p
}

// do waits for the next parcel, and takes it if that is asked for.
func (s *stream) do(ctx context.Context, take bool) (p parcel.Parcel, err error) {
	if s.taking.TryAcquire(1) {
		a := s.arrival()
		select {
		case <-a.done:
			defer s.taking.Release(1)
			return s.open(a, take)
		default:
			s.taking.Release(1)
		}
	}
	op := strand.Op{Object: s, Kind: strand.OpRead, Access: strand.Write}
	err = parcel.Aside(ctx, op, func(ctx context.Context) error {
		if err := s.taking.Acquire(ctx, 1); err != nil {
			return err
		}
		defer s.taking.Release(1)
		a := s.arrival()
		select {
		case <-a.done:
		case <-ctx.Done():
			return strand.Err(ctx)
		}
		p, err = s.open(a, take)
		return err
	})
	return p, err
}

// open looks at what has arrived. An error stays, for all who come later. It needs the
// right to take.
func (s *stream) open(a *arrival, take bool) (parcel.Parcel, error) {
	if !take {
		return parcel.Parcel{}, nil
	}
	if a.err != nil {
		return parcel.Parcel{}, a.err
	}
	s.mu.Lock()
	s.next = nil
	s.mu.Unlock()
	return a.parcel, nil
}

// Recv implements [parcel.Transport].
func (s *stream) Recv(ctx context.Context) (parcel.Parcel, error) { return s.do(ctx, true) }

// Poll implements [parcel.Transport].
func (s *stream) Poll(ctx context.Context) error {
	_, err := s.do(ctx, false)
	return err
}

// Max implements [parcel.Transport].
func (s *stream) Max() int64 { return s.max }

// Close implements [parcel.Transport].
func (s *stream) Close() error { return s.link.Close() }

// A patient is a connection on which a message can be interrupted while it is written.
// If nothing of it was written yet, it is dropped. If something was, the rest is kept
// and written later, since without it nobody could make sense of what follows.
//
// A message is of one goroutine at a time, from begin to the end of it.
type patient struct {
	net.Conn

	// Of the message.
	any     bool   // something of it is written
	dropped bool   // and nothing will be
	rest    []byte // is to be written later
	broken  error  // a message was written in part

	mu     sync.Mutex
	late   bool // the rest is being written
	closed bool
}

// progress is how far the writing of a message has come.
type progress uint8

const (
	written progress = iota
	unsent           // it was interrupted before it began
	begun            // it was interrupted in the middle: finish must be called
)

// lastWrite is how long the rest of a message may take after Close.
const lastWrite = time.Second

func (p *patient) begin() { p.any, p.dropped, p.rest = false, false, nil }

// interrupt has Write return soon, until end is called.
func (p *patient) interrupt() { _ = p.SetWriteDeadline(parcel.LongAgo) }

// Write writes a message, or a part of one.
func (p *patient) Write(b []byte) (int, error) {
	switch {
	case p.broken != nil:
		return 0, p.broken
	case p.dropped:
		return len(b), nil
	case p.rest != nil:
		p.rest = append(p.rest, b...)
		return len(b), nil
	}
	n, err := p.Conn.Write(b)
	p.any = p.any || n > 0
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if p.any {
		p.rest = append(p.rest, b[n:]...)
	} else {
		p.dropped = true
	}
	return len(b), nil
}

// end says that the message is written, as far as it could be.
func (p *patient) end() progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.SetWriteDeadline(time.Time{})
	switch {
	case p.dropped:
		return unsent
	case p.rest != nil:
		p.late = true
		return begun
	}
	return written
}

// finish writes the rest of a message.
func (p *patient) finish() {
	_, p.broken = p.Conn.Write(p.rest)
	p.rest = nil
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = false
	if p.closed {
		_ = p.Conn.Close()
	}
}

// Close ends the connection, once the rest of a message is written.
func (p *patient) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.late {
		_ = p.SetReadDeadline(parcel.LongAgo)
		_ = p.SetWriteDeadline(time.Now().Add(lastWrite))
		return nil
	}
	return p.Conn.Close()
}
