package multiprocessing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/parcel"
)

// A Conn is one end of a connection on which whole messages travel: that of a pipe,
// which [NewPipe] makes, or of a connection to another program, which package
// multiprocessing/connection makes.
//
// A message is a string of bytes, for [Conn.SendBytes] and [Conn.RecvBytes], or a
// value, for [Send] and [Recv]. It arrives as a whole or not at all. Messages never
// merge, they keep their order, and one of no bytes is a message like any other.
//
// Any number of goroutines may use a Conn at the same time. The ends of pipes, and on
// Linux connections of network "unix", can travel: in the argument of a call, in that
// of [Start], or in a message on another Conn. Then any number of processes have the
// same end. Each message goes to one of those who receive, and the death of a process
// in the middle of what it does takes no more along than the messages that it had
// received.
//
// What waits parks its strand: a coroutine does not hold up its loop. If ctx is done
// first, it returns strand.Err(ctx) at once, and nothing was sent, or taken from the
// connection. Whatever need not wait is done without a look at ctx.
//
// Whoever has a Conn should close it. It lives on in other processes that have it.
type Conn struct {
	codec.Carrier
	transport parcel.Transport
	way       way
	max       int64
	remote    Addr
	closed    atomic.Bool
	counters  struct{ sent, sentBytes, received, receivedBytes atomic.Uint64 }
}

// NewConn returns a Conn over a transport, whose other side has the address given; nil
// means that there is none. It is for packages of this module that make connections.
func NewConn(t parcel.Transport, remote Addr) *Conn {
	return &Conn{transport: t, max: t.Max(), remote: remote}
}

// A way says in which directions a Conn can be used.
type way uint8

const (
	bothWays way = iota
	receives
	sends
)

// Errors of connections. Besides these, a receive returns io.EOF when nobody has the
// other end any more and all that was sent is received. Then a send returns an error
// that matches io.ErrClosedPipe. After Close, all return errors that match
// os.ErrClosed.
var (
	// ErrMessageTooLarge says that a message is larger than MaxMessage, and was not
	// sent. The two sides have agreed on that limit, and keep to it when they
	// receive as well.
	ErrMessageTooLarge = parcel.ErrTooLarge

	// ErrOneWay says that one end of a simplex pipe was used in the wrong direction.
	ErrOneWay = errors.New("multiprocessing: this is one end of a simplex pipe")

	// ErrMessageType says that a message is not of the type that it was received as.
	ErrMessageType = errors.New("multiprocessing: the message is of another type")

	errNoConn = errors.New("multiprocessing: this Conn is the zero value: NewPipe and package multiprocessing/connection make Conns")
)

// defaultMaxMessage is the default of MaxMessage everywhere.
const defaultMaxMessage = 1 << 30

// SendBytes sends a message. B can be used again when it has returned. It waits while
// the receivers do not keep up: what is on the way is bounded.
//
// A nil error says that the message is on its way, not that somebody has received it.
// A connection over a network finishes a message that has begun to leave when ctx is
// done, in the background; that is no error.
func (c *Conn) SendBytes(ctx context.Context, b []byte) error {
	buf := drafts.Get().(*draft)
	defer buf.free()
	buf.b = append(buf.b[:0], make([]byte, parcel.HeaderSize)...)
	return c.send(ctx, &parcel.Parcel{Kind: parcel.Bytes, Small: buf.b, Bulk: b})
}

// RecvBytes receives a message that was sent with SendBytes. The bytes are the
// caller's.
func (c *Conn) RecvBytes(ctx context.Context) ([]byte, error) {
	p, err := c.recv(ctx)
	if err != nil {
		return nil, err
	}
	if p.Kind != parcel.Bytes {
		p.Close()
		return nil, fmt.Errorf("%w: it was sent with Send as %v, and RecvBytes takes what SendBytes sends", ErrMessageType, p.Shape)
	}
	return p.Small, nil
}

// Send sends a value on c. It can be of any type that can be the argument of a task;
// if it holds open files, such as a [File] or the end of a pipe, those arrive open as
// well. V must not be changed before Send has returned. For the rest see
// [Conn.SendBytes].
func Send[T any](ctx context.Context, c *Conn, v T) error {
	cd, err := codec.For(reflect.TypeFor[T]())
	if err != nil {
		return fmt.Errorf("multiprocessing: %w", err)
	}
	buf := drafts.Get().(*draft)
	defer buf.free()
	p := parcel.Parcel{Kind: parcel.Value, Shape: cd.Shape()}
	p.Small, p.Bulk, p.Files, err = codec.Append(cd, append(buf.b[:0], make([]byte, parcel.HeaderSize)...), &v)
	buf.b = p.Small
	if err != nil {
		return fmt.Errorf("multiprocessing: a message cannot be written: %w", err)
	}
	err = c.send(ctx, &p)
	runtime.KeepAlive(&v)
	return err
}

// Recv receives from c a value that was sent with [Send]. Numbers, strings and slices of
// numbers must be received as what they were sent as; other values as a type with the
// same fields. If that is not so, the message is lost, and the error says what it was.
func Recv[T any](ctx context.Context, c *Conn) (v T, err error) {
	cd, err := codec.For(reflect.TypeFor[T]())
	if err != nil {
		return v, fmt.Errorf("multiprocessing: %w", err)
	}
	p, err := c.recv(ctx)
	if err != nil {
		return v, err
	}
	switch {
	case p.Kind != parcel.Value:
		p.Close()
		return v, fmt.Errorf("%w: it was sent with SendBytes, and Recv takes what Send sends", ErrMessageType)
	case p.Shape != cd.Shape():
		p.Close()
		return v, fmt.Errorf("%w: it is %v, and was received as %v", ErrMessageType, p.Shape, reflect.TypeFor[T]())
	}
	if err := codec.Decode(cd, p.Small, true, p.Files, &v); err != nil {
		return *new(T), fmt.Errorf("multiprocessing: a message cannot be read as %v: %w", reflect.TypeFor[T](), err)
	}
	return v, nil
}

// A draft is what a message is written into.
type draft struct{ b []byte }

var drafts = sync.Pool{New: func() any { return new(draft) }}

func (d *draft) free() {
	if cap(d.b) <= 1<<20 {
		drafts.Put(d)
	}
}

func (c *Conn) send(ctx context.Context, p *parcel.Parcel) error {
	switch {
	case c.transport == nil:
		return errNoConn
	case c.closed.Load():
		return c.explain("send", os.ErrClosed)
	case c.way == receives:
		return fmt.Errorf("%w, which receives: send on the other one", ErrOneWay)
	case p.Size() > c.max:
		return fmt.Errorf("%w: it has %d bytes, and MaxMessage is %d", ErrMessageTooLarge, p.Size(), c.max)
	}
	size := p.Size()
	if err := c.transport.Send(ctx, p); err != nil {
		return c.explain("send", err)
	}
	c.counters.sent.Add(1)
	c.counters.sentBytes.Add(uint64(size))
	return nil
}

func (c *Conn) recv(ctx context.Context) (parcel.Parcel, error) {
	if err := c.mayReceive(); err != nil {
		return parcel.Parcel{}, err
	}
	p, err := c.transport.Recv(ctx)
	if err != nil {
		return parcel.Parcel{}, c.explain("receive", err)
	}
	c.counters.received.Add(1)
	c.counters.receivedBytes.Add(uint64(len(p.Small)))
	return p, nil
}

func (c *Conn) mayReceive() error {
	switch {
	case c.transport == nil:
		return errNoConn
	case c.closed.Load():
		return c.explain("receive", os.ErrClosed)
	case c.way == sends:
		return fmt.Errorf("%w, which sends: receive on the other one", ErrOneWay)
	}
	return nil
}

// explain returns what a user gets to see of an error of a transport.
func (c *Conn) explain(what string, err error) error {
	switch {
	case err == io.EOF, errors.Is(err, ErrMessageTooLarge):
		return err
	case c.closed.Load() && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("multiprocessing: %s: %w", what, os.ErrClosed)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("multiprocessing: %s: %w", what, err)
}

// Poll waits until there is something to receive, a message or the end, and takes
// nothing: the next receive need not wait, unless somebody else is faster. With a ctx
// that is done already it only looks, and a nil error says that there is something; what
// has just come over a network it may not see yet.
func (c *Conn) Poll(ctx context.Context) error {
	if err := c.mayReceive(); err != nil {
		return err
	}
	if err := c.transport.Poll(ctx); err != nil {
		return c.explain("poll", err)
	}
	return nil
}

// Close closes this end in this process. Those who wait here get an error that matches
// os.ErrClosed. What was sent can still be received. When the last process that has
// this end has closed it, or is gone, the other end comes to its end. Calls after the
// first do nothing.
func (c *Conn) Close() error {
	if c.transport == nil || !c.closed.CompareAndSwap(false, true) {
		return nil
	}
	return c.transport.Close()
}

// RemoteAddr returns the address of the other side as the system gives it: of one that
// has dialled over a Unix socket it is empty. It is nil for the end of a pipe, and for
// a Conn that came from another process.
func (c *Conn) RemoteAddr() Addr { return c.remote }

// An Addr is what package net calls an Addr, and any of those can be one.
type Addr interface {
	Network() string // such as "tcp"
	String() string  // the address, as people write it
}

// ConnStatistics is a snapshot of a [Conn]; it is out of date when it is read. It counts
// what was done with the Conn in this process.
type ConnStatistics struct {
	Sent          uint64 // messages
	SentBytes     uint64 // and their bytes, as they travel
	Received      uint64 // messages
	ReceivedBytes uint64 // and their bytes, as they travel
}

// Statistics returns a snapshot of c.
func (c *Conn) Statistics() ConnStatistics {
	return ConnStatistics{
		Sent: c.counters.sent.Load(), SentBytes: c.counters.sentBytes.Load(),
		Received: c.counters.received.Load(), ReceivedBytes: c.counters.receivedBytes.Load(),
	}
}
