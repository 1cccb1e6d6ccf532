//go:build linux || darwin || freebsd

package asyncio

import (
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// addrPort returns the address and port in sa.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			ip = ip.WithZone(zoneName(int(sa.ZoneId)))
		}
		return netip.AddrPortFrom(ip, uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// netAddr returns sa in the form of package net.
func netAddr(network string, sa unix.Sockaddr) net.Addr {
	if sa, ok := sa.(*unix.SockaddrUnix); ok {
		return &net.UnixAddr{Name: sa.Name, Net: network}
	}
	a := addrPort(sa)
	switch {
	case !a.IsValid():
		return nil
	case isUDP(network):
		return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
}

// localAddr returns the address of fd, which came from a listener on ln.
func localAddr(fd int, ln net.Addr) net.Addr {
	if a, ok := ln.(*net.TCPAddr); !ok || !a.IP.IsUnspecified() && len(a.IP) > 0 {
		return ln
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return ln
	}
	return netAddr("tcp", sa)
}

// sockaddr returns a for a socket of family.
func sockaddr(family int, a netip.AddrPort) unix.Sockaddr {
	if family == unix.AF_INET {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port()), ZoneId: zoneID(a.Addr().Zone())}
}

func familyOf(a netip.Addr) int {
	if a.Is4() || a.Is4In6() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func zoneName(id int) string {
	if i, err := net.InterfaceByIndex(id); err == nil {
		return i.Name
	}
	return strconv.Itoa(id)
}

func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	id, _ := strconv.Atoi(zone)
	return uint32(id)
}
