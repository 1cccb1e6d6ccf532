package asyncio

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/go-braid/braid/strand"
)

// A Listener accepts connections, and parks the coroutine that waits for one. It is a
// [net.Listener]. As with a [Conn], Close may be called from any goroutine, and all
// else is for the coroutines of its loop; several may accept at once, and are served
// in the order of their calls.
type Listener struct {
	acceptor
	addr    net.Addr
	network string
}

// What a platform defines: an acceptor with the methods
//
//	accept            as Listener has it
//	setDeadline, close, rawConn
//
// and listen, which makes one.

// Listen listens for connections on a local address, as [net.Listen] does: network is
// "tcp", "tcp4", "tcp6" or "unix". It is for coroutines, and uses no others while it
// looks up a name.
func Listen(ctx context.Context, network, addr string) (*Listener, error) {
	return ListenWith(ctx, net.ListenConfig{}, network, addr)
}

// ListenWith is [Listen] with the options of cfg, such as a function to set further
// ones of the socket.
func ListenWith(ctx context.Context, cfg net.ListenConfig, network, addr string) (*Listener, error) {
	l, err := networkOf(ctx, "Listen")
	if err != nil {
		return nil, fail("listen", network, nil, nil, err)
	}
	switch network {
	case "tcp", "tcp4", "tcp6", "unix":
	default:
		return nil, fail("listen", network, nil, nil, net.UnknownNetworkError(network))
	}
	var ln net.Listener
	if err := l.elsewhere(ctx, strand.OpWait, func(ctx context.Context) (err error) {
		ln, err = cfg.Listen(ctx, network, addr)
		return err
	}, func() { ln.Close() }); err != nil {
		return nil, fail("listen", network, nil, nil, err)
	}
	made, err := l.listen(ln, cfg, network)
	if err != nil {
		return nil, fail("listen", network, nil, ln.Addr(), err)
	}
	return made, nil
}

// networkOf returns the loop of the coroutine that calls function name.
func networkOf(ctx context.Context, name string) (*Loop, error) {
	l := LoopOf(ctx)
	if l == nil {
		return nil, errors.New("asyncio: " + name + ": the context is not that of a coroutine; outside of a loop, use package net")
	}
	l.current()
	return l, nil
}

// Accept waits for the next connection and returns it, a [*Conn]. It obeys the
// context that the coroutine was started with. If the process or the system has run
// out of descriptors, that is logged, and Accept waits and tries again, after 5 ms at
// first and a second in the end: the connections stay in the system's queue.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.acceptor.accept(own, l)
	if err != nil {
		return nil, fail("accept", l.network, nil, l.addr, err)
	}
	return c, nil
}

// AcceptConn is [Listener.Accept] that waits until ctx is done at most.
func (l *Listener) AcceptConn(ctx context.Context) (*Conn, error) {
	c, err := l.acceptor.accept(ctx, l)
	if err != nil {
		return nil, fail("accept", l.network, nil, l.addr, err)
	}
	return c, nil
}

// A pause is how long Accept waits for descriptors; 0: all is well.
type pause time.Duration

// grow makes the pause longer, and reports the first one, which is because of err.
func (p *pause) grow(addr net.Addr, err error) time.Duration {
	const first, most = 5 * time.Millisecond, time.Second
	if *p == 0 {
		slog.Warn("asyncio: cannot accept connections for now: they wait", "address", addr.String(), "error", err)
	}
	*p = pause(min(max(first, 2*time.Duration(*p)), most))
	return time.Duration(*p)
}

// Close stops listening; connections that nobody has accepted are reset. The file of
// a Unix socket is removed, unless somebody has put another one in its place.
// Coroutines that wait in Accept get [net.ErrClosed], and so does who closes it
// again. Connections that were accepted stay open.
func (l *Listener) Close() error { return fail("close", l.network, nil, l.addr, l.acceptor.close()) }

// Addr returns the address that the listener listens on.
func (l *Listener) Addr() net.Addr { return l.addr }

// SetDeadline sets the deadline of Accept, also of those that wait already. The zero
// time means none.
func (l *Listener) SetDeadline(t time.Time) error {
	return fail("set", l.network, nil, l.addr, l.acceptor.setDeadline(t))
}

// SyscallConn implements [syscall.Conn]: see [Conn.SyscallConn].
func (l *Listener) SyscallConn() (syscall.RawConn, error) { return l.acceptor.rawConn(), nil }

// A unixFile is the file of a Unix socket.
type unixFile struct {
	path string
	info os.FileInfo
}

// noteFile returns the file of addr, or nil if it has none.
func noteFile(addr net.Addr) *unixFile {
	a, ok := addr.(*net.UnixAddr)
	if !ok || a.Name == "" || a.Name[0] == '@' {
		return nil
	}
	info, err := os.Lstat(a.Name)
	if err != nil {
		return nil
	}
	return &unixFile{a.Name, info}
}

// remove removes the file if it is the same one still.
func (f *unixFile) remove() {
	if f == nil {
		return
	}
	if now, err := os.Lstat(f.path); err == nil && os.SameFile(f.info, now) {
		_ = os.Remove(f.path)
	}
}
