//go:build linux || darwin || freebsd

package asyncio

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// packets is a socket without a peer.
type packets struct {
	stream
	family int
}

// listenPacket has l take over the socket of pc.
func (l *Loop) listenPacket(pc net.PacketConn, network string) (*PacketConn, error) {
	defer pc.Close()
	fd, err := duplicate(pc.(syscall.Conn))
	if err != nil {
		return nil, err
	}
	family := unix.AF_INET
	if sa, err := unix.Getsockname(fd); err == nil {
		if _, ok := sa.(*unix.SockaddrInet6); ok {
			family = unix.AF_INET6
		}
	}
	k, err := l.newSocket(fd)
	if err != nil {
		return nil, err
	}
	return &PacketConn{packets: packets{newStream(k, network), family}, addr: pc.LocalAddr(), network: network}, nil
}

func (s packets) readFrom(ctx context.Context, p []byte) (n int, from net.Addr, err error) {
	var sa unix.Sockaddr
	err = s.in.do(ctx, func(fd int) (err error) {
		n, sa, err = unix.Recvfrom(fd, p, 0)
		return err
	})
	if err != nil {
		return 0, nil, named("recvfrom", err)
	}
	return n, netAddr("udp", sa), nil
}

func (s packets) writeTo(ctx context.Context, p []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok || a == nil {
		return 0, &net.AddrError{Err: "a UDP socket sends to a *net.UDPAddr", Addr: addrString(to)}
	}
	ap := a.AddrPort()
	ip := ap.Addr()
	switch {
	case !ip.IsValid() && s.family == unix.AF_INET6:
		ip = netip.IPv6Loopback()
	case !ip.IsValid():
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if s.family == unix.AF_INET && familyOf(ip) != s.family {
		return 0, &net.AddrError{Err: "an IPv4 socket cannot send to an IPv6 address", Addr: to.String()}
	}
	if s.family == unix.AF_INET {
		ip = ip.Unmap()
	}
	sa := sockaddr(s.family, netip.AddrPortFrom(ip, ap.Port()))
	err := s.out.do(ctx, func(fd int) error { return unix.Sendto(fd, p, 0, sa) })
	if err != nil {
		return 0, named("sendto", err)
	}
	return len(p), nil
}

// named says which system call has failed, if one has.
func named(call string, err error) error {
	if e, ok := err.(syscall.Errno); ok {
		return os.NewSyscallError(call, e)
	}
	return err
}

func addrString(a net.Addr) string {
	if a == nil {
		return "<nil>"
	}
	return a.String()
}
