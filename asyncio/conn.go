package asyncio

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/go-braid/braid"
)

// What a task that uses connections fails with keeps its identity on the way from a
// worker process. The core does not import package net: a program that does takes half
// as long again to start.
func init() { braid.RegisterError(net.ErrClosed) }

// A Conn is a stream connection, over TCP or a Unix socket, or a UDP socket with a
// peer, whose operations park the coroutine and let the loop run others. It is a
// [net.Conn], so that protocol libraries which do their work in the goroutine that
// calls them run on a loop unchanged. [Dial] and [Listener.Accept] make them.
//
// A Conn belongs to the coroutines of the loop that it was made on: they alone may
// use it, and a use by others panics in builds with -race or -tags invariants.
// Close alone may be called from any goroutine. Several coroutines may read, or
// write, at once: each operation is whole, and they are done in the order of the
// calls. Reading and writing do not wait for each other.
//
// Read and Write obey the context that the coroutine was started with, ReadContext
// and WriteContext the one that they are given, and all of them the deadlines. Errors
// are those of package net: a [*net.OpError] about [os.ErrDeadlineExceeded],
// [net.ErrClosed], the error of a system call or that of the context; and plain
// [io.EOF].
//
// A loop that ends closes the connections that its coroutines have left open.
type Conn struct {
	stream
	network       string
	local, remote net.Addr
}

// own, which is nil, stands for the context that the coroutine was started with.
var own context.Context

// What a platform defines: a stream with the methods
//
//	read, write        as Conn has them
//	readable           waits until read might return something
//	sendFile           has the system copy (part of) a file, if it can
//	closeRead, closeWrite, close, abort
//	setReadDeadline, setWriteDeadline
//	setNoDelay, setKeepAlive, setLinger, setReadBuffer, setWriteBuffer
//	rawConn            for SyscallConn

var errNoNetwork = errors.New("asyncio: a loop with a Driver of its own has no network")

// fail puts an error in the form of package net.
func fail(op, network string, local, remote net.Addr, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if e := (*net.OpError)(nil); errors.As(err, &e) {
		return err
	}
	return &net.OpError{Op: op, Net: network, Source: local, Addr: remote, Err: err}
}

func (c *Conn) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fail(op, c.network, c.local, c.remote, err)
}

// Read reads up to len(p) bytes into p and returns their number, which is at least
// one. If nothing has come yet it waits, until the deadline at most or the context of
// the coroutine is done. It returns io.EOF when the peer has ended the stream.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.stream.read(own, p)
	return n, c.fail("read", err)
}

// ReadContext is [Conn.Read] that waits until ctx is done at most.
func (c *Conn) ReadContext(ctx context.Context, p []byte) (int, error) {
	n, err := c.stream.read(ctx, p)
	return n, c.fail("read", err)
}

// Write writes p and returns when the system has taken all of it: a peer that does
// not read makes the writer wait. If the deadline comes first, or the context of the
// coroutine is done, Write returns the number of bytes that were taken and an error.
// What needs no wait is written even if that context is done, so that a protocol can
// say good-bye.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.stream.write(own, p)
	return n, c.fail("write", err)
}

// WriteContext is [Conn.Write] that waits until ctx is done at most, and does nothing
// if it is from the start.
func (c *Conn) WriteContext(ctx context.Context, p []byte) (int, error) {
	n, err := c.stream.write(ctx, p)
	return n, c.fail("write", err)
}

// copySize is the size of the buffers that copy streams, which are in use only
// while there is something to copy.
const copySize = 64 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copySize]byte) }}

// ReadFrom implements [io.ReaderFrom]: it writes what r has until that returns
// io.EOF. If r is a file or part of one, the system sends it without a copy, where it
// can. Whatever r does happens on the loop: one that blocks holds it up.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if n, err, done := c.stream.sendFile(r); done {
		return n, c.fail("write", err)
	}
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{r}, buf[:])
}

// WriteTo implements [io.WriterTo]: it reads until the end of the stream and writes
// all of it to w. It holds a buffer only while there is something in it.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if err := c.stream.readable(own); err != nil {
			return total, c.fail("read", err)
		}
		n, err := c.pass(w)
		total += n
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// pass copies a buffer's worth to w.
func (c *Conn) pass(w io.Writer) (int64, error) {
	buf := copyBuffers.Get().(*[copySize]byte)
	defer copyBuffers.Put(buf)
	n, err := c.Read(buf[:])
	if err != nil {
		return 0, err
	}
	m, err := w.Write(buf[:n])
	if err == nil && m < n {
		err = io.ErrShortWrite
	}
	return int64(m), err
}

// Close closes the connection. Coroutines that wait in an operation on it get
// [net.ErrClosed], and so does who closes it again. What was written before is still
// sent, unless the peer has sent something that was not read, or SetLinger says
// otherwise. Close does not wait, and may be called from any goroutine.
func (c *Conn) Close() error { return c.fail("close", c.stream.close()) }

// Abort closes the connection at once: what was written and has not arrived may be
// lost, and the peer of a TCP connection is told by a reset. It may be called from
// any goroutine.
func (c *Conn) Abort() error { return c.fail("close", c.stream.abort()) }

// CloseRead ends reading: reads return io.EOF when what has come was read. Few
// programs need it.
func (c *Conn) CloseRead() error { return c.fail("close", c.stream.closeRead()) }

// CloseWrite ends the stream to the peer, who reads io.EOF after what was written.
// The other direction stays open.
func (c *Conn) CloseWrite() error { return c.fail("close", c.stream.closeWrite()) }

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets the deadlines of reading and writing: see [net.Conn]. It has an
// effect on operations that wait already. The zero time means none.
func (c *Conn) SetDeadline(t time.Time) error {
	err := c.stream.setReadDeadline(t)
	if err == nil {
		err = c.stream.setWriteDeadline(t)
	}
	return c.fail("set", err)
}

// SetReadDeadline sets the deadline of reading.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.fail("set", c.stream.setReadDeadline(t))
}

// SetWriteDeadline sets the deadline of writing.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.fail("set", c.stream.setWriteDeadline(t))
}

// SetNoDelay says whether small writes are sent at once, which they are by default,
// rather than held back to be sent together. It is for TCP.
func (c *Conn) SetNoDelay(on bool) error { return c.fail("set", c.stream.setNoDelay(on)) }

// SetKeepAlive says whether and how the system finds out that the peer is gone while
// nothing is sent. The zero values of the fields mean what package net says, and by
// default it is done every 15 seconds. It is for TCP.
func (c *Conn) SetKeepAlive(cfg net.KeepAliveConfig) error {
	return c.fail("set", c.stream.setKeepAlive(cfg))
}

// SetLinger says what happens to data that was not sent when the connection is
// closed: see net.TCPConn.SetLinger. A close that has to wait for it does so in the
// background.
func (c *Conn) SetLinger(seconds int) error { return c.fail("set", c.stream.setLinger(seconds)) }

// SetReadBuffer sets the size of the system's buffer for what has come, in bytes.
func (c *Conn) SetReadBuffer(bytes int) error { return c.fail("set", c.stream.setReadBuffer(bytes)) }

// SetWriteBuffer sets the size of the system's buffer for what is to be sent, in
// bytes.
func (c *Conn) SetWriteBuffer(bytes int) error {
	return c.fail("set", c.stream.setWriteBuffer(bytes))
}

// SyscallConn implements [syscall.Conn]. Control may be called from any coroutine of
// the loop; Read and Write park the one that calls them until their function
// returns true. The functions must not block, and not close the connection.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.stream.rawConn(), nil }
