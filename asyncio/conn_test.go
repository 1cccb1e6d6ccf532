package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/strand"
)

// onLoop runs main as a coroutine, and checks that nothing is left behind.
func onLoop(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	proctest.Check(t)
	if err := asyncio.Run(t.Context(), main); err != nil {
		t.Error(err)
	}
}

// networks calls f for each kind of stream, with an address to listen on.
func networks(t *testing.T, f func(t *testing.T, network, addr string)) {
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			switch network {
			case "tcp4":
				f(t, network, "127.0.0.1:0")
			case "tcp6":
				ln, err := net.Listen("tcp6", "[::1]:0")
				if err != nil {
					proctest.Skip(t, "no IPv6 here: %v", err)
				}
				ln.Close()
				f(t, network, "[::1]:0")
			default:
				f(t, network, filepath.Join(t.TempDir(), "socket"))
			}
		})
	}
}

// pair returns the two ends of a connection.
func pair(ctx context.Context, network, addr string) (client, server *asyncio.Conn, err error) {
	ln, err := asyncio.Listen(ctx, network, addr)
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	c, err := asyncio.Dial(ctx, network, ln.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	s, err := ln.AcceptConn(ctx)
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return c.(*asyncio.Conn), s, nil
}

// withPair runs f with the two ends of a connection of each kind.
func withPair(t *testing.T, f func(ctx context.Context, client, server *asyncio.Conn) error) {
	networks(t, func(t *testing.T, network, addr string) {
		onLoop(t, func(ctx context.Context) error {
			client, server, err := pair(ctx, network, addr)
			if err != nil {
				return err
			}
			defer client.Close()
			defer server.Close()
			return f(ctx, client, server)
		})
	})
}

func TestEcho(t *testing.T) {
	withPair(t, func(ctx context.Context, client, server *asyncio.Conn) error {
		echo := asyncio.Go(ctx, func(ctx context.Context) error {
			buf := make([]byte, 1000)
			for {
				n, err := server.Read(buf)
				if err == io.EOF {
					return server.CloseWrite()
				}
				if err != nil {
					return err
				}
				if _, err := server.Write(buf[:n]); err != nil {
					return err
				}
			}
		})
		var want, got bytes.Buffer
		buf := make([]byte, 5000)
		for i := range 100 {
			msg := bytes.Repeat([]byte{byte(i)}, 1+i*37)
			want.Write(msg)
			if _, err := client.Write(msg); err != nil {
				return err
			}
			n, err := io.ReadFull(client, buf[:len(msg)])
			got.Write(buf[:n])
			if err != nil {
				return err
			}
		}
		if err := client.CloseWrite(); err != nil {
			return err
		}
		if n, err := client.Read(buf); n != 0 || err != io.EOF {
			return fmt.Errorf("Read at the end: %d, %v; want 0, EOF", n, err)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			return errors.New("the echo is not what was sent")
		}
		return echo.Join(ctx)
	})
}

func TestReadCancelled(t *testing.T) {
	withPair(t, func(ctx context.Context, client, server *asyncio.Conn) error {
		sub, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		why := errors.New("why")
		reader := asyncio.Go(sub, func(ctx context.Context) error {
			_, err := server.Read(make([]byte, 1))
			return err
		})
		if err := strand.Yield(ctx); err != nil {
			return err
		}
		cancel(why)
		err := reader.Join(ctx)
		var op *net.OpError
		if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || !errors.As(err, &op) {
			return fmt.Errorf("Read returned %v (%T), want an OpError about the cancel and its cause", err, err)
		}
		// The connection is as good as before.
		if _, err := client.Write([]byte("x")); err != nil {
			return err
		}
		_, err = server.ReadContext(ctx, make([]byte, 1))
		return err
	})
}

func TestDeadline(t *testing.T) {
	withPair(t, func(ctx context.Context, client, server *asyncio.Conn) error {
		buf := make([]byte, 1)
		if err := client.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
			return err
		}
		wantTimeout := func(when string, err error) error {
			if e, ok := err.(net.Error); !ok || !e.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("%s: %v, want a timeout", when, err)
			}
			return nil
		}
		_, err := client.Read(buf)
		if err := wantTimeout("in the past", err); err != nil {
			return err
		}
		// In the past wins over data.
		if _, err := server.Write([]byte("ab")); err != nil {
			return err
		}
		_, err = client.Read(buf)
		if err := wantTimeout("in the past, with data", err); err != nil {
			return err
		}
		if err := client.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			return err
		}
		for _, want := range "ab" {
			if _, err := client.Read(buf); err != nil || buf[0] != byte(want) {
				return fmt.Errorf("in the future: %q, %v; want %q", buf, err, want)
			}
		}
		// Moved while a coroutine waits: to later, and to the past.
		reader := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := client.Read(buf)
			return err
		})
		if err := strand.Yield(ctx); err != nil {
			return err
		}
		if err := client.SetDeadline(time.Now().Add(2 * time.Hour)); err != nil {
			return err
		}
		if err := strand.Yield(ctx); err != nil {
			return err
		}
		if reader.Done() {
			return fmt.Errorf("the read ended early: %v", reader.Join(ctx))
		}
		if err := client.SetDeadline(time.Now().Add(-time.Hour)); err != nil {
			return err
		}
		if err := wantTimeout("moved to the past", reader.Join(ctx)); err != nil {
			return err
		}
		_, err = client.Write(buf)
		if err := wantTimeout("write", err); err != nil {
			return err
		}
		// By itself.
		if err := client.SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
			return err
		}
		_, err = client.Read(buf)
		if err := wantTimeout("soon", err); err != nil {
			return err
		}
		// And none.
		if err := client.SetDeadline(time.Time{}); err != nil {
			return err
		}
		if _, err := server.Write([]byte("c")); err != nil {
			return err
		}
		_, err = client.Read(buf)
		return err
	})
}

func TestClose(t *testing.T) {
	for name, closing := range map[string]func(c *asyncio.Conn) error{
		"inside":  (*asyncio.Conn).Close,
		"outside": func(c *asyncio.Conn) error { return elsewhere(c.Close) },
		"abort":   (*asyncio.Conn).Abort,
	} {
		t.Run(name, func(t *testing.T) {
			withPair(t, func(ctx context.Context, c, peer *asyncio.Conn) error {
				var readers []*asyncio.Coroutine
				for range 3 {
					readers = append(readers, asyncio.Go(ctx, func(ctx context.Context) error {
						return second(c.Read(make([]byte, 1)))
					}))
				}
				if err := strand.Yield(ctx); err != nil {
					return err
				}
				if err := closing(c); err != nil {
					return err
				}
				for _, r := range readers {
					if err := r.Join(ctx); !errors.Is(err, net.ErrClosed) {
						return fmt.Errorf("Read returned %v, want ErrClosed", err)
					}
				}
				if err := closing(c); !errors.Is(err, net.ErrClosed) {
					return fmt.Errorf("the second Close returned %v, want ErrClosed", err)
				}
				for op, err := range map[string]error{
					"Read":        second(c.Read(make([]byte, 1))),
					"Write":       second(c.Write(make([]byte, 1))),
					"SetDeadline": c.SetDeadline(time.Time{}),
					"CloseWrite":  c.CloseWrite(),
				} {
					if e := (*net.OpError)(nil); !errors.Is(err, net.ErrClosed) || !errors.As(err, &e) {
						return fmt.Errorf("%s after Close: %v, want an OpError about ErrClosed", op, err)
					}
				}
				_, err := peer.Read(make([]byte, 1))
				if want := io.EOF; name != "abort" && err != want || err == nil {
					return fmt.Errorf("the peer's Read returned %v", err)
				}
				return nil
			})
		})
	}
}

// elsewhere runs f on another goroutine, and blocks the loop meanwhile.
func elsewhere(f func() error) error {
	done := make(chan error)
	go func() { done <- f() }()
	return <-done
}

func second(_ int, err error) error { return err }

// The error of a closed connection is the same one in another process.
func TestErrClosedTravels(t *testing.T) {
	err, broken := codec.DecodeError(codec.AppendError(nil, fmt.Errorf("reading: %w", net.ErrClosed)))
	if broken != nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("it arrived as %v, %v", err, broken)
	}
}
