package parcel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/shm"
	"github.com/go-braid/braid/internal/wire"
	"github.com/go-braid/braid/strand"
	"golang.org/x/sys/unix"
)

// Packets is a [Transport] over a Unix socket of type SOCK_SEQPACKET. A parcel is one
// packet, which the kernel takes and gives as a whole, so that nothing that a process
// does or dies of can tear it.
//
// A packet has a header of 16 bytes:
//
//	0  1  kind
//	1  1  1 if the packet is only the beginning, and the rest in a memory file, else 0
//	2  2  shape
//	4  4  number of files, that one not counted
//	8  8  length of the message
//
// A large message has its beginning in the packet all the same: so the bytes in the
// socket bound how many of them are on the way.
type Packets struct {
	file    *os.File
	raw     syscall.RawConn
	in, out lane
	max     int64
	inline  int // what a packet that is sent holds of a message
	closed  atomic.Bool
}

// A lane is one direction of a socket.
type lane struct {
	gate     *strand.Semaphore // who waits in the poller
	block    func(func(fd uintptr) bool) error
	deadline func(time.Time) error
	op       strand.Op
}

const (
	maxInline = 64 << 10 // the most that a packet holds of a message
	maxRights = 253      // the files that the kernel passes with one packet
	maxFiles  = 200      // and those of a value, as elsewhere
)

// NewPackets makes two connected transports, for messages of at most limit bytes.
func NewPackets(limit int64) (a, b *Packets, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("a pipe cannot be made: %w", os.NewSyscallError("socketpair", err))
	}
	f, g := os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe")
	if a, err = OpenPackets(f, limit); err == nil {
		b, err = OpenPackets(g, limit)
	}
	if err != nil {
		_, _ = f.Close(), g.Close()
		return nil, nil, err
	}
	return a, b, nil
}

// OpenPackets makes a transport of f, which may come from elsewhere. If there is no
// error, f is the transport's.
func OpenPackets(f *os.File, limit int64) (*Packets, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var domain, kind, flags, room int
	var derr, kerr, ferr, rerr error
	if err := raw.Control(func(fd uintptr) {
		domain, derr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
		kind, kerr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
		flags, ferr = unix.FcntlInt(fd, unix.F_GETFL, 0)
		room, rerr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	}); err != nil {
		return nil, err
	}
	switch {
	case derr != nil, kerr != nil, domain != unix.AF_UNIX, kind != unix.SOCK_SEQPACKET:
		return nil, errors.New("what should be the end of a connection is no socket for Packets")
	case ferr != nil, rerr != nil, flags&unix.O_NONBLOCK == 0:
		return nil, errors.New("what should be the end of a connection would block the process")
	}
	// The poller of the runtime knows it: else nobody could be woken.
	if err := f.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	// A few Packets fit into the socket, also where the system gives it little room.
	p := &Packets{file: f, raw: raw, max: limit, inline: min(maxInline, room/3)}
	p.in = lane{
		gate: strand.NewBoundedSemaphore(1), block: raw.Read, deadline: f.SetReadDeadline,
		op: strand.Op{Object: p, Kind: strand.OpRead, Access: strand.Write},
	}
	p.out = lane{
		gate: strand.NewBoundedSemaphore(1), block: raw.Write, deadline: f.SetWriteDeadline,
		op: strand.Op{Object: p, Kind: strand.OpWrite, Access: strand.Write},
	}
	return p, nil
}

// do makes attempts, as the kernel has it, until one does not return EAGAIN.
func (p *Packets) do(ctx context.Context, l *lane, attempt func(fd int) error) error {
	if l.gate.TryAcquire(1) {
		err := error(unix.EAGAIN)
		cerr := p.raw.Control(func(fd uintptr) { err = attempt(int(fd)) })
		l.gate.Release(1)
		if p.closed.Load() && cerr != nil {
			return os.ErrClosed
		}
		if cerr != nil {
			return cerr
		}
		if err != unix.EAGAIN {
			return err
		}
	}
	return Aside(ctx, l.op, func(ctx context.Context) error { return p.wait(ctx, l, attempt) })
}

// wait is the slow path of do. It blocks the goroutine.
func (p *Packets) wait(ctx context.Context, l *lane, attempt func(fd int) error) error {
	if err := l.gate.Acquire(ctx, 1); err != nil {
		return err
	}
	defer l.gate.Release(1)
	if ctx.Done() != nil {
		over := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			_ = l.deadline(LongAgo)
			close(over)
		})
		defer func() {
			if !stop() {
				<-over
				_ = l.deadline(time.Time{}) // before the next one waits
			}
		}()
	}
	err := error(unix.EAGAIN)
	berr := l.block(func(fd uintptr) bool {
		err = attempt(int(fd))
		return err != unix.EAGAIN
	})
	switch {
	case err != unix.EAGAIN:
		return err
	case p.closed.Load():
		return os.ErrClosed
	case ctx.Err() != nil:
		return strand.Err(ctx)
	}
	return berr
}

// Send implements [Transport].
func (p *Packets) Send(ctx context.Context, c *Parcel) error {
	if len(c.Files) > maxFiles {
		return fmt.Errorf("the message holds %d open files, and at most %d can travel together", len(c.Files), maxFiles)
	}
	size := c.Size()
	h := c.Small[:HeaderSize]
	h[0], h[1], h[2], h[3] = byte(c.Kind), 0, c.Shape[0], c.Shape[1]
	binary.LittleEndian.PutUint32(h[4:], uint32(len(c.Files)))
	binary.LittleEndian.PutUint64(h[8:], uint64(size))
	small, bulk, files := c.Small, c.Bulk, c.Files
	if size > int64(p.inline) {
		h[1] = 1
		n := min(len(small), HeaderSize+p.inline)
		m := HeaderSize + p.inline - n
		mem, err := store(size-int64(p.inline), small[n:], bulk[m:])
		if err != nil {
			return fmt.Errorf("a message of %d bytes needs a memory file, and this process cannot make it: %w", size, err)
		}
		defer mem.Close()
		small, bulk, files = small[:n], bulk[:m], append([]*os.File{mem}, files...)
	}
	return wire.WithDescriptors(files, func(fds []int) error {
		var rights []byte
		if len(fds) > 0 {
			rights = unix.UnixRights(fds...)
		}
		parts := [][]byte{small, bulk}
		if len(bulk) == 0 {
			parts = parts[:1]
		}
		err := p.do(ctx, &p.out, func(fd int) error {
			for {
				_, err := unix.SendmsgBuffers(fd, parts, rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
				if err != unix.EINTR {
					return err
				}
			}
		})
		if err == unix.ETOOMANYREFS {
			err = fmt.Errorf("more open files are on the way than this process may have open: receive some first: %w", err)
		}
		switch err {
		case unix.EPIPE, unix.ECONNRESET, unix.ENOTCONN, unix.ECONNREFUSED:
			return ErrPeerGone
		}
		if e, ok := err.(syscall.Errno); ok {
			err = os.NewSyscallError("sendmsg", e)
		}
		return err
	})
}

// store makes a memory file of the given size that holds parts.
func store(size int64, parts ...[]byte) (*os.File, error) {
	f, err := shm.Create("message", size)
	if err != nil {
		return nil, err
	}
	// To write and to read is faster than to map: no page is cleared first, and none
	// faults.
	for _, b := range parts {
		if _, err := f.Write(b); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	return f, nil
}

// A scratch is what a packet is received into.
type scratch struct {
	data [HeaderSize + maxInline + 1]byte
	oob  [256 + 4*maxRights]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Recv implements [Transport].
func (p *Packets) Recv(ctx context.Context) (Parcel, error) {
	var a arrived
	err := p.do(ctx, &p.in, func(fd int) (err error) {
		s := scratches.Get().(*scratch)
		defer scratches.Put(s)
		a, err = s.receive(fd, p.max)
		return err
	})
	if e, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError("recvmsg", e)
	}
	if err != nil {
		return Parcel{}, err
	}
	if a.memory != nil {
		defer a.memory.Close()
		if err := a.complete(); err != nil {
			closeFiles(a.Files)
			return Parcel{}, err
		}
	}
	return a.Parcel, nil
}

// arrived is a packet that was received.
type arrived struct {
	Parcel
	memory *os.File // holds the rest of the message
	total  int64
}

// complete reads the rest of a large message.
func (a *arrived) complete() error {
	rest := a.total - int64(len(a.Small))
	size, err := shm.Check(a.memory)
	switch {
	case err != nil:
		return fmt.Errorf("the rest of a message is not where it should be: %w", err)
	case size != rest:
		return fmt.Errorf("the rest of a message has %d bytes and should have %d", size, rest)
	}
	b := make([]byte, a.total)
	n := copy(b, a.Small)
	if _, err := a.memory.ReadAt(b[n:], 0); err != nil {
		return fmt.Errorf("the rest of a message cannot be read: %w", err)
	}
	a.Small = b
	return nil
}

// receive receives a packet, with a message of at most limit bytes.
func (s *scratch) receive(fd int, limit int64) (arrived, error) {
	for {
		n, on, flags, _, err := unix.Recvmsg(fd, s.data[:], s.oob[:], unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		switch err {
		case nil:
			return parsePacket(s.data[:n], parseRights(s.oob[:on]), flags, limit)
		case unix.EINTR:
		case unix.ECONNRESET:
			// The other end was closed with messages in it. The kernel says so once,
			// before it gives what is left here, and the end.
		default:
			return arrived{}, err
		}
	}
}

// parseRights returns the files that came with a packet.
func parseRights(oob []byte) (files []*os.File) {
	if len(oob) == 0 {
		return nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for _, m := range msgs {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files
}

// parsePacket reads a packet, which is copied.
func parsePacket(b []byte, files []*os.File, flags int, limit int64) (a arrived, err error) {
	defer func() {
		if err != nil {
			closeFiles(files)
		}
	}()
	if len(b) == 0 {
		return a, io.EOF
	}
	if len(b) < HeaderSize || flags&unix.MSG_TRUNC != 0 {
		return a, ErrNonsense
	}
	total := binary.LittleEndian.Uint64(b[8:])
	count := int64(binary.LittleEndian.Uint32(b[4:]))
	body := b[HeaderSize:]
	a.Kind, a.Shape = Kind(b[0]), codec.Shape{b[2], b[3]}
	switch {
	case a.Kind != Bytes && a.Kind != Value, b[1] > 1, total > 1<<62,
		a.Kind == Bytes && count > 0,
		len(body) > maxInline,
		b[1] == 0 && total != uint64(len(body)),
		b[1] == 1 && (len(body) == 0 || total <= uint64(len(body))):
		return a, ErrNonsense
	case int64(total) > limit:
		return a, fmt.Errorf("%w: it has %d bytes, and MaxMessage is %d; it is dropped", ErrTooLarge, total, limit)
	case int64(len(files)) != count+int64(b[1]):
		if flags&unix.MSG_CTRUNC != 0 {
			return a, fmt.Errorf("the open files of a message could not be received, and it is dropped: this process may not have as many: %w", unix.EMFILE)
		}
		return a, fmt.Errorf("a message should have %d open files and came with %d", count+int64(b[1]), len(files))
	}
	a.total = int64(total)
	if b[1] == 1 {
		a.memory, files = files[0], files[1:]
	}
	a.Small = append(make([]byte, 0, len(body)), body...)
	a.Files = files
	return a, nil
}

// Poll implements [Transport].
func (p *Packets) Poll(ctx context.Context) error {
	return p.do(ctx, &p.in, func(fd int) error {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			n, err := unix.Poll(fds, 0)
			switch {
			case err == unix.EINTR:
				continue
			case err == nil && n == 0:
				return unix.EAGAIN
			}
			return err
		}
	})
}

// Max implements [Transport].
func (p *Packets) Max() int64 { return p.max }

// File returns the socket, which stays the transport's.
func (p *Packets) File() *os.File { return p.file }

// Close implements [Transport].
func (p *Packets) Close() error {
	p.closed.Store(true)
	err := p.file.Close()
	runtime.KeepAlive(p)
	return err
}
