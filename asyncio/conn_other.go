//go:build !(linux || darwin || freebsd)

package asyncio

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/go-braid/braid/strand"
)

// A stream is a connection of package net.
type stream struct {
	*endpoint
	conn net.Conn
}

// newConn makes a connection of c, which it closes if that fails.
func (l *Loop) newConn(c net.Conn, network string) (*Conn, error) {
	e, err := l.newEndpoint(c, c.SetReadDeadline, c.SetWriteDeadline)
	if err != nil {
		return nil, err
	}
	return &Conn{stream: stream{e, c}, network: network, local: c.LocalAddr(), remote: c.RemoteAddr()}, nil
}

func (s stream) read(ctx context.Context, p []byte) (n int, err error) {
	err = s.do(ctx, &s.in, func() (err error) {
		n, err = s.conn.Read(p)
		return err
	})
	return n, err
}

func (s stream) write(ctx context.Context, p []byte) (n int, err error) {
	err = s.do(ctx, &s.out, func() (err error) {
		n, err = s.conn.Write(p)
		return err
	})
	return n, err
}

// readable leaves the wait to read.
func (s stream) readable(context.Context) error { return nil }

func (s stream) sendFile(io.Reader) (int64, error, bool) { return 0, nil, false }

// option calls f with the connection, if it is what f takes.
func option[C any](s stream, f func(C) error) error {
	s.loop.current()
	c, ok := s.conn.(C)
	if !ok {
		return errors.ErrUnsupported
	}
	return f(c)
}

func (s stream) closeRead() error {
	return option(s, func(c interface{ CloseRead() error }) error { return c.CloseRead() })
}

func (s stream) closeWrite() error {
	return option(s, func(c interface{ CloseWrite() error }) error { return c.CloseWrite() })
}

func (s stream) abort() error {
	if c, ok := s.conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	return s.close()
}

func (s stream) setNoDelay(on bool) error {
	return option(s, func(c *net.TCPConn) error { return c.SetNoDelay(on) })
}

func (s stream) setKeepAlive(cfg net.KeepAliveConfig) error {
	return option(s, func(c *net.TCPConn) error { return c.SetKeepAliveConfig(cfg) })
}

func (s stream) setLinger(seconds int) error {
	return option(s, func(c *net.TCPConn) error { return c.SetLinger(seconds) })
}

func (s stream) setReadBuffer(bytes int) error {
	return option(s, func(c interface{ SetReadBuffer(int) error }) error { return c.SetReadBuffer(bytes) })
}

func (s stream) setWriteBuffer(bytes int) error {
	return option(s, func(c interface{ SetWriteBuffer(int) error }) error { return c.SetWriteBuffer(bytes) })
}

func (s stream) rawConn() syscall.RawConn { return s.raw(s.conn) }

// raw returns the system's view of c.
func (e *endpoint) raw(c any) syscall.RawConn {
	if c, ok := c.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			return rawConn{e, raw}
		}
	}
	return rawConn{e, nil}
}

// A rawConn is a syscall.RawConn whose Read and Write park the coroutine.
type rawConn struct {
	e   *endpoint
	raw syscall.RawConn
}

// Control implements [syscall.RawConn].
func (r rawConn) Control(f func(fd uintptr)) error {
	if r.raw == nil {
		return net.ErrClosed
	}
	return r.raw.Control(f)
}

// Read implements [syscall.RawConn].
func (r rawConn) Read(f func(fd uintptr) bool) error {
	if r.raw == nil {
		return net.ErrClosed
	}
	return r.e.do(own, &r.e.in, func() error { return r.raw.Read(f) })
}

// Write implements [syscall.RawConn].
func (r rawConn) Write(f func(fd uintptr) bool) error {
	if r.raw == nil {
		return net.ErrClosed
	}
	return r.e.do(own, &r.e.out, func() error { return r.raw.Write(f) })
}

// An acceptor is a listener of package net.
type acceptor struct {
	*endpoint
	ln    net.Listener
	file  *unixFile // of a Unix socket
	pause *pause
}

// listen has l take over ln.
func (l *Loop) listen(ln net.Listener, _ net.ListenConfig, network string) (*Listener, error) {
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	file := noteFile(ln.Addr())
	set := ln.(interface{ SetDeadline(t time.Time) error }).SetDeadline
	e, err := l.newEndpoint(ln, set, set)
	if err != nil {
		file.remove()
		return nil, err
	}
	e.in.kind = strand.OpAccept
	return &Listener{acceptor: acceptor{e, ln, file, new(pause)}, addr: ln.Addr(), network: network}, nil
}

func (a acceptor) accept(ctx context.Context, l *Listener) (*Conn, error) {
	w := l.loop.current()
	if ctx == own {
		ctx = &w.co.ctx
	}
	for {
		var c net.Conn
		err := a.do(ctx, &a.in, func() (err error) {
			c, err = a.ln.Accept()
			return err
		})
		switch {
		case err == nil:
			*a.pause = 0
			return a.loop.newConn(c, l.network)
		case c != nil:
			c.Close()
		case errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE):
			if err := strand.Sleep(&strandContext{ctx, w.co}, a.pause.grow(l.addr, err)); err != nil {
				return nil, err
			}
			continue
		}
		return nil, err
	}
}

func (a acceptor) close() error {
	err := a.endpoint.close()
	if err == nil {
		a.file.remove()
	}
	return err
}

func (a acceptor) setDeadline(t time.Time) error { return a.in.setDeadline(t) }

func (a acceptor) rawConn() syscall.RawConn { return a.raw(a.ln) }

func (d *Dialer) dial(ctx context.Context, l *Loop, network, address string) (*Conn, error) {
	dialer := net.Dialer{
		FallbackDelay:   d.FallbackDelay,
		LocalAddr:       d.LocalAddr,
		KeepAliveConfig: d.keepAlive(),
		KeepAlive:       d.KeepAlive,
		Resolver:        d.Resolver,
	}
	var c net.Conn
	err := l.elsewhere(ctx, strand.OpConnect, func(ctx context.Context) (err error) {
		c, err = dialer.DialContext(ctx, network, address)
		return err
	}, func() { c.Close() })
	if err != nil {
		return nil, err
	}
	return l.newConn(c, network)
}

// packets is a UDP socket of package net.
type packets struct {
	*endpoint
	conn *net.UDPConn
}

// listenPacket has l take over pc.
func (l *Loop) listenPacket(pc net.PacketConn, network string) (*PacketConn, error) {
	e, err := l.newEndpoint(pc, pc.SetReadDeadline, pc.SetWriteDeadline)
	if err != nil {
		return nil, err
	}
	return &PacketConn{packets: packets{e, pc.(*net.UDPConn)}, addr: pc.LocalAddr(), network: network}, nil
}

func (s packets) readFrom(ctx context.Context, p []byte) (n int, from net.Addr, err error) {
	var a netip.AddrPort
	err = s.do(ctx, &s.in, func() (err error) {
		n, a, err = s.conn.ReadFromUDPAddrPort(p)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a.Addr().Unmap(), a.Port())), nil
}

func (s packets) writeTo(ctx context.Context, p []byte, to net.Addr) (n int, err error) {
	err = s.do(ctx, &s.out, func() (err error) {
		n, err = s.conn.WriteTo(p, to)
		return err
	})
	return n, err
}

func (s packets) setReadBuffer(bytes int) error { return s.conn.SetReadBuffer(bytes) }

func (s packets) setWriteBuffer(bytes int) error { return s.conn.SetWriteBuffer(bytes) }

func (s packets) rawConn() syscall.RawConn { return s.raw(s.conn) }
