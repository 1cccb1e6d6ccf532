//go:build linux || darwin || freebsd

package asyncio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid/internal/proctest"
)

func TestInterleave(t *testing.T) {
	parse := func(list ...string) (addrs []netip.AddrPort) {
		for _, s := range list {
			addrs = append(addrs, netip.MustParseAddrPort(s))
		}
		return addrs
	}
	got := interleave(parse("[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "[::4]:1", "2.2.2.2:1"))
	want := parse("[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1", "[::4]:1")
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestRace dials several addresses: ones that refuse, one that never answers and one
// that does.
func TestRace(t *testing.T) {
	proctest.Check(t)
	listen := func() (netip.AddrPort, net.Listener) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return netip.MustParseAddrPort(ln.Addr().String()), ln
	}
	good, ln := listen()
	defer ln.Close()
	refused, closed := listen()
	closed.Close()
	other, closed := listen()
	closed.Close()
	dial := func(d *Dialer, delay time.Duration, addrs ...netip.AddrPort) (c *Conn, err error) {
		err = Run(t.Context(), func(ctx context.Context) error {
			r := &race{loop: LoopOf(ctx), dialer: d, network: "tcp", delay: delay}
			conn, err := r.run(ctx, addrs)
			if err != nil {
				return err
			}
			c = conn
			if c.RemoteAddr().String() != good.String() {
				return fmt.Errorf("connected to %v, want %v", c.RemoteAddr(), good)
			}
			return nil
		})
		return c, err
	}
	// A delay of an hour: only a failure begins the next attempt.
	for _, delay := range []time.Duration{-1, time.Hour} {
		if _, err := dial(&Dialer{}, delay, refused, other, good); err != nil {
			t.Errorf("delay %v: %v", delay, err)
		}
		if _, err := dial(&Dialer{}, delay, good, refused); err != nil {
			t.Errorf("delay %v: %v", delay, err)
		}
		_, err := dial(&Dialer{}, delay, refused, other)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("delay %v: %v, want ECONNREFUSED", delay, err)
		}
		for _, a := range []netip.AddrPort{refused, other} {
			if err == nil || !strings.Contains(err.Error(), a.String()) {
				t.Errorf("delay %v: %v, want it to name %v", delay, err, a)
			}
		}
	}
	silent, full := fullQueue(t)
	defer full()
	if _, err := dial(&Dialer{}, time.Millisecond, silent, refused, silent, good); err != nil {
		t.Errorf("behind one that does not answer: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := Run(ctx, func(ctx context.Context) error {
		r := &race{loop: LoopOf(ctx), dialer: &Dialer{}, network: "tcp", delay: time.Millisecond}
		_, err := r.run(ctx, []netip.AddrPort{silent, silent})
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("none answers: %v, want DeadlineExceeded", err)
	}
}

// fullQueue returns an address on which connections do not come about.
func fullQueue(t *testing.T) (netip.AddrPort, func()) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	var open []net.Conn
	clean := func() {
		for _, c := range open {
			c.Close()
		}
		syscall.Close(fd)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(sa.(*syscall.SockaddrInet4).Port))
	for range 20 {
		c, err := net.DialTimeout("tcp", addr.String(), 50*time.Millisecond)
		if err != nil {
			return addr, clean
		}
		open = append(open, c)
	}
	clean()
	proctest.Skip(t, "this system's queues cannot be filled")
	return addr, nil
}
