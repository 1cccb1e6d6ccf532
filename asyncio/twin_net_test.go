package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid/asyncio"
)

// A halfCloser is what connections of both packages are.
type halfCloser interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
}

// outcome describes a result in terms that do not depend on addresses and numbers.
func outcome(op string, n int, err error) string {
	kind := "nil"
	switch {
	case err == nil:
	case err == io.EOF:
		kind = "EOF"
	case errors.Is(err, net.ErrClosed):
		kind = "closed"
	case errors.Is(err, os.ErrDeadlineExceeded):
		kind = "timeout"
	case errors.Is(err, syscall.EPIPE):
		kind = "EPIPE"
	case errors.Is(err, syscall.ECONNRESET):
		kind = "ECONNRESET"
	case errors.Is(err, syscall.ENOTCONN):
		kind = "ENOTCONN"
	default:
		kind = "other: " + err.Error()
	}
	if e := (*net.OpError)(nil); errors.As(err, &e) {
		timeout := ""
		if e.Timeout() {
			timeout = " (timeout)"
		}
		kind = "OpError " + e.Op + " " + e.Net + timeout + ": " + kind
	}
	return fmt.Sprintf("%s: %d %s", op, n, kind)
}

// scripts are what two ends of a connection do, one step after the other.
var scripts = map[string]func(a, b halfCloser, note func(op string, n int, err error)){
	"half-close": func(a, b halfCloser, note func(string, int, error)) {
		n, err := a.Write([]byte("hello"))
		note("write", n, err)
		note("close write", 0, a.CloseWrite())
		n, err = a.Write([]byte("more"))
		note("write after", n, err)
		buf := make([]byte, 3)
		for range 4 {
			n, err = b.Read(buf)
			note("read", n, err)
		}
		n, err = b.Write([]byte("back"))
		note("write back", n, err)
		note("close", 0, b.Close())
		for range 3 {
			n, err = a.Read(buf)
			note("read back", n, err)
		}
	},
	"close read": func(a, b halfCloser, note func(string, int, error)) {
		note("close read", 0, a.CloseRead())
		n, err := a.Read(make([]byte, 1))
		note("read", n, err)
		n, err = a.Write([]byte("x"))
		note("write", n, err)
		n, err = b.Read(make([]byte, 2))
		note("read", n, err)
	},
	"closed": func(a, b halfCloser, note func(string, int, error)) {
		note("close", 0, a.Close())
		note("close", 0, a.Close())
		n, err := a.Read(make([]byte, 1))
		note("read", n, err)
		n, err = a.Read(nil)
		note("read nothing", n, err)
		n, err = a.Write([]byte("x"))
		note("write", n, err)
		note("deadline", 0, a.SetDeadline(time.Time{}))
		note("read deadline", 0, a.SetReadDeadline(time.Time{}))
		note("close write", 0, a.CloseWrite())
		n, err = b.Read(make([]byte, 1))
		note("peer reads", n, err)
	},
	"deadlines": func(a, b halfCloser, note func(string, int, error)) {
		note("past", 0, a.SetDeadline(time.Now().Add(-time.Second)))
		n, err := a.Read(make([]byte, 1))
		note("read", n, err)
		n, err = a.Write([]byte("x"))
		note("write", n, err)
		n, err = a.Read(nil)
		note("read nothing", n, err)
		note("none", 0, a.SetDeadline(time.Time{}))
		n, err = a.Write([]byte("x"))
		note("write", n, err)
		note("soon", 0, a.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
		n, err = a.Read(make([]byte, 1))
		note("read", n, err)
		n, err = a.Write([]byte("x"))
		note("write", n, err)
	},
	"nothing": func(a, b halfCloser, note func(string, int, error)) {
		n, err := a.Write(nil)
		note("write nothing", n, err)
		n, err = a.Read(nil)
		note("read nothing", n, err)
		m, err := io.Copy(a, strings.NewReader("hello"))
		note("copy", int(m), err)
		n, err = io.ReadFull(b, make([]byte, 5))
		note("read", n, err)
	},
}

// TestTwin runs the same scripts on connections of this package and of package net.
func TestTwin(t *testing.T) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			networks(t, func(t *testing.T, network, addr string) {
				play := func(a, b halfCloser) (notes []string) {
					defer a.Close()
					defer b.Close()
					script(a, b, func(op string, n int, err error) { notes = append(notes, outcome(op, n, err)) })
					return notes
				}
				var got, want []string
				onLoop(t, func(ctx context.Context) error {
					a, b, err := pair(ctx, network, addr)
					if err != nil {
						return err
					}
					got = play(a, b)
					return nil
				})
				ln, err := net.Listen(network, addr)
				if err != nil {
					t.Fatal(err)
				}
				defer ln.Close()
				a, err := net.Dial(network, ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				b, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				want = play(a.(halfCloser), b.(halfCloser))
				if !slices.Equal(got, want) {
					t.Errorf("asyncio:\n\t%s\nnet:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
				}
			})
		})
	}
}

var _ halfCloser = (*asyncio.Conn)(nil)
