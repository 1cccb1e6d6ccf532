//go:build linux || darwin || freebsd

package asyncio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-braid/braid/strand"
	"golang.org/x/sys/unix"
)

func (d *Dialer) dial(ctx context.Context, l *Loop, network, address string) (*Conn, error) {
	if network == "unix" {
		var from unix.Sockaddr
		if d.LocalAddr != nil {
			a, ok := d.LocalAddr.(*net.UnixAddr)
			if !ok {
				return nil, mismatched(d.LocalAddr, network)
			}
			from = &unix.SockaddrUnix{Name: a.Name}
		}
		return d.connect(ctx, l, network, unix.AF_UNIX, from, &unix.SockaddrUnix{Name: address})
	}
	addrs, err := d.resolve(ctx, l, network, address)
	if err != nil {
		return nil, err
	}
	if len(addrs) == 1 {
		return d.dialAddr(ctx, l, network, addrs[0])
	}
	r := &race{loop: l, dialer: d, network: network, delay: d.FallbackDelay}
	if r.delay == 0 {
		r.delay = 250 * time.Millisecond
	}
	return r.run(ctx, interleave(addrs))
}

func mismatched(a net.Addr, network string) error {
	return &net.AddrError{Err: "the local address does not fit network " + network, Addr: a.String()}
}

// resolve returns the addresses that address stands for.
func (d *Dialer) resolve(ctx context.Context, l *Loop, network, address string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	fits := func(a netip.Addr) bool {
		switch network[len(network)-1] {
		case '4':
			return familyOf(a) == unix.AF_INET
		case '6':
			return familyOf(a) == unix.AF_INET6
		}
		return true
	}
	var ips []netip.Addr
	if host == "" {
		ips = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	} else if ip, err := netip.ParseAddr(host); err == nil {
		ips = []netip.Addr{ip}
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if ips == nil || err != nil {
		resolver := d.Resolver
		if resolver == nil {
			resolver = net.DefaultResolver
		}
		err := l.elsewhere(ctx, strand.OpWait, func(ctx context.Context) error {
			n, err := resolver.LookupPort(ctx, network, service)
			port = uint64(n)
			if err == nil && ips == nil {
				ips, err = resolver.LookupNetIP(ctx, "ip", host)
			}
			return err
		}, func() {})
		if err != nil {
			return nil, err
		}
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		if fits(ip) {
			addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
		}
	}
	if len(addrs) == 0 {
		return nil, &net.AddrError{Err: "no suitable address found for network " + network, Addr: host}
	}
	return addrs, nil
}

// interleave sorts addrs so that the families take turns, the first one's first.
func interleave(addrs []netip.AddrPort) []netip.AddrPort {
	var first, second []netip.AddrPort
	for _, a := range addrs {
		if a.Addr().Is4() == addrs[0].Addr().Is4() {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	var sorted []netip.AddrPort
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			sorted = append(sorted, first[i])
		}
		if i < len(second) {
			sorted = append(sorted, second[i])
		}
	}
	return sorted
}

// A race is a number of attempts to connect, of which the first to succeed wins. It is
// what the coroutine that dials waits for: for news of them, or the time to begin the
// next one.
type race struct {
	loop    *Loop
	dialer  *Dialer
	network string
	delay   time.Duration
	timed   bool // the next wait ends after delay

	won    *Conn
	errs   []error
	going  int
	failed bool // one of them, since the last wait
	waits  *worker
	timer  timer
}

func (r *race) run(ctx context.Context, addrs []netip.AddrPort) (*Conn, error) {
	attempts, cancel := context.WithCancel(ctx)
	var all []*Coroutine
	done := false
	defer func() {
		cancel()
		if done {
			return
		}
		for _, c := range all {
			_ = c.Join(context.WithoutCancel(ctx))
		}
		if r.won != nil {
			r.won.Close()
		}
	}()
	op := strand.Op{Object: r, Kind: strand.OpConnect}
	for i, a := range addrs {
		r.going++
		all = append(all, Go(attempts, func(ctx context.Context) error {
			r.attempt(ctx, a)
			return nil
		}))
		r.failed = false
		for next := i+1 < len(addrs); r.won == nil && r.going > 0 && !(next && r.failed); {
			r.timed = next && r.delay > 0
			if err := r.loop.current().wait(ctx, op, r); err != nil {
				return nil, err
			}
			if r.timed && !r.failed {
				break
			}
		}
		if r.won != nil {
			break
		}
	}
	cancel()
	for _, c := range all {
		if err := c.Join(context.WithoutCancel(ctx)); err != nil {
			return nil, err
		}
	}
	done = true
	if r.won == nil {
		return nil, errors.Join(r.errs...)
	}
	return r.won, nil
}

func (r *race) attempt(ctx context.Context, a netip.AddrPort) {
	c, err := r.dialer.dialAddr(ctx, r.loop, r.network, a)
	r.going--
	switch {
	case err != nil:
		r.errs = append(r.errs, err)
		r.failed = true
	case r.won != nil:
		c.Close()
	default:
		r.won = c
	}
	r.fire()
}

// Arm implements [strand.Waitable].
func (r *race) Arm(func()) bool {
	r.waits = r.loop.running
	if r.timed {
		r.loop.timers.set(&r.timer, r.loop.clock()+int64(r.delay), r)
	}
	return true
}

// Disarm implements [strand.Waitable].
func (r *race) Disarm() bool {
	if r.waits == nil {
		return false
	}
	r.waits = nil
	r.loop.timers.cancel(&r.timer)
	return true
}

// fire implements firer: there are news, or it is time for the next attempt.
func (r *race) fire() {
	if w := r.waits; w != nil {
		r.Disarm()
		r.loop.ready.push(w)
	}
}

// dialAddr connects to one address.
func (d *Dialer) dialAddr(ctx context.Context, l *Loop, network string, to netip.AddrPort) (*Conn, error) {
	family := familyOf(to.Addr())
	var from unix.Sockaddr
	var local netip.AddrPort
	switch a := d.LocalAddr.(type) {
	case nil:
	case *net.TCPAddr:
		local = a.AddrPort()
	case *net.UDPAddr:
		local = a.AddrPort()
	}
	if d.LocalAddr != nil {
		if !strings.HasPrefix(network, d.LocalAddr.Network()) {
			return nil, mismatched(d.LocalAddr, network)
		}
		ip := local.Addr().Unmap()
		if !ip.IsValid() { // only a port
			ip = netip.IPv4Unspecified()
			if family == unix.AF_INET6 {
				ip = netip.IPv6Unspecified()
			}
		}
		if familyOf(ip) != family {
			return nil, &net.AddrError{Err: "the local address is of another IP version than " + to.String(), Addr: d.LocalAddr.String()}
		}
		from = sockaddr(family, netip.AddrPortFrom(ip, local.Port()))
	}
	return d.connect(ctx, l, network, family, from, sockaddr(family, to))
}

// connect connects a socket to an address, from another one if that is not nil.
func (d *Dialer) connect(ctx context.Context, l *Loop, network string, family int, from, to unix.Sockaddr) (*Conn, error) {
	for tries := 0; ; tries++ {
		c, err := d.tryConnect(ctx, l, network, family, from, to)
		if err != nil {
			return nil, fail("dial", network, d.LocalAddr, netAddr(network, to), timely(err))
		}
		// The system may have chosen, on this machine, the very port that we
		// connect to, and connected the socket to itself.
		if !isTCP(network) || from != nil || tries == 2 || c.local.String() != c.remote.String() {
			return c, nil
		}
		c.Close()
	}
}

func (d *Dialer) tryConnect(ctx context.Context, l *Loop, network string, family int, from, to unix.Sockaddr) (*Conn, error) {
	w := l.current()
	if ctx.Err() != nil {
		return nil, strand.Err(ctx)
	}
	kind := unix.SOCK_STREAM
	if isUDP(network) {
		kind = unix.SOCK_DGRAM
	}
	fd, err := sysSocket(family, kind)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	switch {
	case isTCP(network):
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		_ = keepAlive(fd, d.keepAlive())
	case isUDP(network) && family == unix.AF_INET:
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	}
	if from != nil {
		if err := unix.Bind(fd, from); err != nil {
			unix.Close(fd)
			return nil, os.NewSyscallError("bind", err)
		}
	}
	connectErr := unix.Connect(fd, to)
	switch connectErr {
	case nil, unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
	default:
		unix.Close(fd)
		return nil, os.NewSyscallError("connect", connectErr)
	}
	k, err := l.newSocket(fd) // not before: until then the system says that it has hung up
	if err != nil {
		return nil, err
	}
	connected := false
	defer func() {
		if !connected {
			_ = k.close()
		}
	}()
	if connectErr != nil {
		if err := k.awaitConnect(ctx, w); err != nil {
			return nil, err
		}
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	connected = true
	return &Conn{
		stream:  newStream(k, network),
		network: network,
		local:   netAddr(network, local),
		remote:  netAddr(network, to),
	}, nil
}

// awaitConnect waits until k is connected.
func (k *socket) awaitConnect(ctx context.Context, w *worker) error {
	op := k.out.op
	defer func() { k.out.op = op }()
	k.out.op.Kind = strand.OpConnect
	for {
		if err := k.out.await(ctx, w); err != nil {
			return err
		}
		code, err := unix.GetsockoptInt(k.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			return os.NewSyscallError("getsockopt", err)
		}
		switch e := unix.Errno(code); e {
		case 0, unix.EISCONN:
			if _, err := unix.Getpeername(k.fd); err == nil {
				return nil
			}
		case unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
		default:
			return os.NewSyscallError("connect", e)
		}
		k.out.ready = false
	}
}
