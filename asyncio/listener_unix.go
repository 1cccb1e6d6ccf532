//go:build linux || darwin || freebsd

package asyncio

import (
	"context"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/go-braid/braid/strand"
	"golang.org/x/sys/unix"
)

// An acceptor is a socket that listens.
type acceptor struct {
	*socket
	file  *unixFile // of a Unix socket
	retry *retry
}

// A retry is the pause of an acceptor that got no descriptor.
type retry struct {
	side   *side
	pause  time.Duration // the last one; 0: all is well
	paused bool
	timer  timer
}

// fire implements firer: the pause is over.
func (r *retry) fire() {
	r.paused = false
	r.side.wake()
}

// listen has l take over the socket of ln.
func (l *Loop) listen(ln net.Listener, cfg net.ListenConfig, network string) (*Listener, error) {
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	defer ln.Close()
	file := noteFile(ln.Addr())
	fd, err := duplicate(ln.(syscall.Conn))
	if err != nil {
		file.remove()
		return nil, err
	}
	k, err := l.newSocket(fd)
	if err != nil {
		file.remove()
		return nil, err
	}
	k.in.op.Kind = strand.OpAccept
	a := &Listener{acceptor: acceptor{k, file, &retry{side: &k.in}}, addr: ln.Addr(), network: network}
	if isTCP(network) {
		// Connections inherit these.
		_ = a.setOption(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		alive := cfg.KeepAliveConfig
		if !alive.Enable && cfg.KeepAlive >= 0 {
			alive = net.KeepAliveConfig{Enable: true, Idle: cfg.KeepAlive, Interval: cfg.KeepAlive}
		}
		_ = a.use(func(fd int) error { return keepAlive(fd, alive) })
	}
	return a, nil
}

// duplicate returns another descriptor of the socket of c, which does not block.
func duplicate(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	controlErr := raw.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if controlErr != nil {
		return -1, controlErr
	}
	return fd, os.NewSyscallError("fcntl", err)
}

func (a acceptor) accept(ctx context.Context, l *Listener) (*Conn, error) {
	d := &a.in
	w, ctx, err := d.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer d.end()
	if ctx.Err() != nil {
		return nil, strand.Err(ctx)
	}
	for {
		if err := d.check(); err != nil {
			return nil, err
		}
		if err := d.await(ctx, w); err != nil {
			return nil, err
		}
		var fd int
		var peer unix.Sockaddr
		err := a.use(func(ln int) (err error) {
			fd, peer, err = sysAccept(ln)
			return err
		})
		switch err {
		case nil:
			a.retry.pause = 0
			return a.loop.newConn(fd, l.network, localAddr(fd, l.addr), netAddr(l.network, peer))
		case unix.EAGAIN:
			d.ready = false
		case unix.EINTR, unix.ECONNABORTED:
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			if err := a.rest(ctx, w, l, err); err != nil {
				return nil, err
			}
		default:
			return nil, named("accept", err)
		}
	}
}

// rest waits until it makes sense to try again after err.
func (a acceptor) rest(ctx context.Context, w *worker, l *Listener, err error) error {
	r := a.retry
	if r.pause == 0 {
		slog.Warn("asyncio: cannot accept connections for now: they wait", "address", l.addr.String(), "error", err)
	}
	r.pause = min(max(minPause, 2*r.pause), maxPause)
	r.paused = true
	timers := &a.loop.timers
	timers.set(&r.timer, a.loop.clock()+int64(r.pause), r)
	defer timers.cancel(&r.timer)
	for r.paused {
		if err := a.in.check(); err != nil {
			return err
		}
		if !a.isOpen() {
			return net.ErrClosed
		}
		if err := w.wait(ctx, a.in.op, &a.in); err != nil {
			return err
		}
	}
	return nil
}

func (a acceptor) setDeadline(t time.Time) error { return a.in.setDeadline(t) }

func (a acceptor) close() error {
	if !a.isOpen() {
		return net.ErrClosed
	}
	a.file.remove() // first, so that who finds it can connect
	return a.socket.close()
}

func (a acceptor) rawConn() syscall.RawConn { return rawConn{a.socket} }

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
