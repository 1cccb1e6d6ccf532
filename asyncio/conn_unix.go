//go:build linux || darwin || freebsd

package asyncio

import (
	"context"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A stream is a socket with a peer.
type stream struct{ *socket }

// newConn makes a connection of fd, which it closes if that fails.
func (l *Loop) newConn(fd int, network string, local, remote net.Addr) (*Conn, error) {
	k, err := l.newSocket(fd)
	if err != nil {
		return nil, err
	}
	return &Conn{stream: newStream(k, network), network: network, local: local, remote: remote}, nil
}

// newStream returns k, which has a peer, as a stream.
func newStream(k *socket, network string) stream {
	k.tcp = isTCP(network)
	k.packets = isUDP(network)
	k.out.ready = true
	return stream{k}
}

func isTCP(network string) bool { return len(network) >= 3 && network[:3] == "tcp" }

func isUDP(network string) bool { return len(network) >= 3 && network[:3] == "udp" }

// readable waits until a read returns something.
func (s stream) readable(ctx context.Context) error {
	w, ctx, err := s.in.begin(ctx)
	if err != nil {
		return err
	}
	defer s.in.end()
	if err := s.in.check(); err != nil {
		return err
	}
	return s.in.await(ctx, w)
}

func (s stream) closeRead() error {
	return s.use(func(fd int) error {
		return os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_RD))
	})
}

func (s stream) closeWrite() error {
	return s.use(func(fd int) error {
		return os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_WR))
	})
}

func (s stream) abort() error {
	_ = s.use(func(fd int) error {
		s.delayed = false
		return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
	return s.close()
}

func (s stream) setReadDeadline(t time.Time) error { return s.in.setDeadline(t) }

func (s stream) setWriteDeadline(t time.Time) error { return s.out.setDeadline(t) }

func (k *socket) setOption(level, option, value int) error {
	return k.use(func(fd int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, value))
	})
}

func (s stream) setNoDelay(on bool) error {
	return s.setOption(unix.IPPROTO_TCP, unix.TCP_NODELAY, integer(on))
}

func (s stream) setLinger(seconds int) error {
	return s.use(func(fd int) error {
		s.delayed = seconds > 0
		return os.NewSyscallError("setsockopt", unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER,
			&unix.Linger{Onoff: int32(integer(seconds >= 0)), Linger: int32(max(0, seconds))}))
	})
}

func (s stream) setReadBuffer(bytes int) error {
	return s.setOption(unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
}

func (s stream) setWriteBuffer(bytes int) error {
	return s.setOption(unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)
}

func (s stream) setKeepAlive(cfg net.KeepAliveConfig) error {
	return s.use(func(fd int) error { return keepAlive(fd, cfg) })
}

// keepAlive sets the options that cfg stands for: in a net.KeepAliveConfig, 0 means
// the default of package net, and negative values that of the system.
func keepAlive(fd int, cfg net.KeepAliveConfig) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, integer(cfg.Enable))
	set := func(option, value, standard int) {
		if value == 0 {
			value = standard
		}
		if err == nil && value > 0 {
			err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, option, value)
		}
	}
	if cfg.Enable {
		set(keepAliveIdle, seconds(cfg.Idle), 15)
		set(unix.TCP_KEEPINTVL, seconds(cfg.Interval), 15)
		set(unix.TCP_KEEPCNT, cfg.Count, 9)
	}
	return os.NewSyscallError("setsockopt", err)
}

// seconds rounds d up.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func integer(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sendFile implements what ReadFrom does with files.
func (s stream) sendFile(r io.Reader) (n int64, err error, done bool) {
	left := int64(1<<63 - 1)
	limited, _ := r.(*io.LimitedReader)
	if limited != nil {
		r, left = limited.R, limited.N
	}
	f, ok := r.(*os.File)
	if !ok || s.packets || left <= 0 {
		return 0, nil, false
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, nil, false
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, nil, false
	}
	for left > 0 {
		var sent int
		err = s.out.do(own, func(fd int) error {
			var sendErr error
			err := raw.Control(func(file uintptr) {
				sent, sendErr = sysSendFile(fd, int(file), int(min(left, maxRaw)))
			})
			if err != nil {
				return err
			}
			return sendErr
		})
		if err != nil && n == 0 && (err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP) {
			return 0, nil, false // not this kind of file or system
		}
		if err != nil || sent == 0 {
			break
		}
		n += int64(sent)
		left -= int64(sent)
		if limited != nil {
			limited.N -= int64(sent)
		}
	}
	return n, named("sendfile", err), true
}

func (s stream) rawConn() syscall.RawConn { return rawConn{s.socket} }

// A rawConn is a socket as a [syscall.RawConn].
type rawConn struct{ k *socket }

// Control implements [syscall.RawConn].
func (r rawConn) Control(f func(fd uintptr)) error {
	return r.k.use(func(fd int) error {
		f(uintptr(fd))
		return nil
	})
}

// Read implements [syscall.RawConn].
func (r rawConn) Read(f func(fd uintptr) bool) error { return r.k.in.do(own, until(f)) }

// Write implements [syscall.RawConn].
func (r rawConn) Write(f func(fd uintptr) bool) error { return r.k.out.do(own, until(f)) }

func until(f func(fd uintptr) bool) func(int) error {
	return func(fd int) error {
		if !f(uintptr(fd)) {
			return unix.EAGAIN
		}
		return nil
	}
}
