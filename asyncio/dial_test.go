package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid/asyncio"
)

// closedPort returns an address that nobody listens on.
func closedPort(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestDialErrors(t *testing.T) {
	refused := closedPort(t)
	onLoop(t, func(ctx context.Context) error {
		_, err := asyncio.Dial(ctx, "tcp", refused)
		e := (*net.OpError)(nil)
		if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &e) || e.Addr.String() != refused {
			t.Errorf("a closed port: %v, want ECONNREFUSED about %s", err, refused)
		}
		for _, c := range []struct{ network, addr string }{
			{"tcp", "127.0.0.1"},      // no port
			{"tcp", "127.0.0.1:none"}, // no such service
			{"tcp6", "127.0.0.1:80"},  // another family
			{"unix", "/nonexistent/socket"},
			{"sctp", "127.0.0.1:80"},
		} {
			conn, err := asyncio.Dial(ctx, c.network, c.addr)
			if e := (*net.OpError)(nil); !errors.As(err, &e) || e.Op != "dial" || conn != nil {
				t.Errorf("%s %s: %v, %v; want an OpError about dial", c.network, c.addr, conn, err)
			}
		}
		past, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
		defer cancel()
		_, err = asyncio.Dial(past, "tcp", refused)
		if n, ok := err.(net.Error); !ok || !n.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a deadline in the past: %v, want a timeout", err)
		}
		return nil
	})
	if _, err := asyncio.Dial(t.Context(), "tcp", refused); err == nil {
		t.Error("Dial outside of a loop has succeeded")
	}
}

func TestDialName(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp4", "localhost:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		_, port, _ := net.SplitHostPort(ln.Addr().String())
		for _, addr := range []string{"localhost:" + port, ":" + port} {
			c, err := asyncio.Dial(ctx, "tcp", addr)
			if err != nil {
				return fmt.Errorf("%s: %w", addr, err)
			}
			s, err := ln.AcceptConn(ctx)
			if err != nil {
				return err
			}
			if c.LocalAddr().String() != s.RemoteAddr().String() || c.RemoteAddr().String() != s.LocalAddr().String() {
				return fmt.Errorf("the ends of one connection: %v-%v and %v-%v", c.LocalAddr(), c.RemoteAddr(), s.LocalAddr(), s.RemoteAddr())
			}
			c.Close()
			s.Close()
		}
		return nil
	})
}

func TestDialFrom(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		d := asyncio.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
		c, err := d.Dial(ctx, "tcp", ln.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		if a := c.LocalAddr().(*net.TCPAddr); !a.IP.Equal(net.IPv4(127, 0, 0, 1)) || a.Port == 0 {
			return fmt.Errorf("LocalAddr is %v", a)
		}
		d.LocalAddr = &net.UnixAddr{Name: "x", Net: "unix"}
		if _, err := d.Dial(ctx, "tcp", ln.Addr().String()); err == nil {
			return errors.New("dialling TCP from a Unix address has succeeded")
		}
		return nil
	})
}
