package asyncio_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/strand"
)

func TestPeerResets(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		client, server, err := pair(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		if _, err := client.Write([]byte("half a fra")); err != nil {
			return err
		}
		if err := client.Abort(); err != nil {
			return err
		}
		_, err = io.ReadFull(server, make([]byte, 20))
		if !errors.Is(err, syscall.ECONNRESET) {
			return fmt.Errorf("ReadFull: %v, want ECONNRESET", err)
		}
		for range 2 {
			if _, err = server.Write([]byte("x")); err != nil {
				break
			}
		}
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			return fmt.Errorf("Write: %v, want EPIPE", err)
		}
		return nil
	})
}

// TestSlowReader has a writer send more than the system's buffers hold: it waits, and
// all arrives in the end.
func TestSlowReader(t *testing.T) {
	withPair(t, func(ctx context.Context, client, server *asyncio.Conn) error {
		const size = 16 << 20
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i >> 8 * i)
		}
		wrote := false
		writer := asyncio.Go(ctx, func(ctx context.Context) error {
			n, err := client.Write(data)
			wrote = true
			if err != nil || n != size {
				return fmt.Errorf("Write: %d, %v", n, err)
			}
			return client.CloseWrite()
		})
		for range 200 {
			if err := strand.Yield(ctx); err != nil {
				return err
			}
		}
		if wrote {
			return errors.New("the writer did not wait for the reader")
		}
		sum := sha256.New()
		n, err := io.Copy(sum, server)
		if err != nil || n != size {
			return fmt.Errorf("Copy: %d, %v; want %d", n, err, size)
		}
		if want := sha256.Sum256(data); !bytes.Equal(sum.Sum(nil), want[:]) {
			return errors.New("what arrived is not what was sent")
		}
		return writer.Join(ctx)
	})
}

// TestWriteCut checks that a Write that is cut short says how much was taken.
func TestWriteCut(t *testing.T) {
	withPair(t, func(ctx context.Context, client, server *asyncio.Conn) error {
		data := make([]byte, 64<<20)
		if _, err := client.Write(data[:1]); err != nil {
			return err
		}
		if err := client.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			return err
		}
		n, err := client.Write(data)
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == len(data) {
			return fmt.Errorf("Write: %d, %v; want a timeout", n, err)
		}
		if err := client.Close(); err != nil {
			return err
		}
		got, err := io.Copy(io.Discard, server)
		if err != nil || got != 1+int64(n) {
			return fmt.Errorf("%d bytes arrived, %v; want %d", got, err, 1+n)
		}
		return nil
	})
}

func TestBusyPort(t *testing.T) {
	networks(t, func(t *testing.T, network, addr string) {
		onLoop(t, func(ctx context.Context) error {
			ln, err := asyncio.Listen(ctx, network, addr)
			if err != nil {
				return err
			}
			addr := ln.Addr().String()
			_, err = asyncio.Listen(ctx, network, addr)
			if e := (*net.OpError)(nil); !errors.Is(err, syscall.EADDRINUSE) || !errors.As(err, &e) {
				return fmt.Errorf("Listen: %v, want EADDRINUSE", err)
			}
			if err := ln.Close(); err != nil {
				return err
			}
			if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("the second Close: %v, want ErrClosed", err)
			}
			if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("Accept after Close: %v, want ErrClosed", err)
			}
			// At once free again.
			ln, err = asyncio.Listen(ctx, network, addr)
			if err != nil {
				return err
			}
			return ln.Close()
		})
	})
}

func TestUnixFile(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		path := filepath.Join(t.TempDir(), "socket")
		ln, err := asyncio.Listen(ctx, "unix", path)
		if err != nil {
			return err
		}
		// Somebody else takes the place.
		if err := os.Remove(path); err != nil {
			return err
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		if err := ln.Close(); err != nil {
			return err
		}
		if _, err := os.Lstat(path); err != nil {
			return fmt.Errorf("the file of another one was removed: %w", err)
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		// Gone already.
		if ln, err = asyncio.Listen(ctx, "unix", path); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		return ln.Close()
	})
}

func TestAcceptCutShort(t *testing.T) {
	networks(t, func(t *testing.T, network, addr string) {
		onLoop(t, func(ctx context.Context) error {
			ln, err := asyncio.Listen(ctx, network, addr)
			if err != nil {
				return err
			}
			defer ln.Close()
			if err := ln.SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
				return err
			}
			if _, err := ln.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("Accept: %v, want a timeout", err)
			}
			if err := ln.SetDeadline(time.Time{}); err != nil {
				return err
			}
			sub, cancel := context.WithCancel(ctx)
			a := asyncio.Go(ctx, func(context.Context) error {
				_, err := ln.AcceptConn(sub)
				return err
			})
			if err := strand.Yield(ctx); err != nil {
				cancel()
				return err
			}
			cancel()
			if err := a.Join(ctx); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("AcceptConn: %v, want Canceled", err)
			}
			return nil
		})
	})
}

// TestHog has one coroutine be served by a fast peer without ever having to wait:
// others run nevertheless.
func TestHog(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		client, server, err := pair(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer server.Close()
		if _, err := client.Write(make([]byte, 100_000)); err != nil {
			return err
		}
		client.Close()
		others := 0
		other := asyncio.Go(ctx, func(ctx context.Context) error {
			for {
				others++
				if err := strand.Yield(ctx); err != nil {
					return nil
				}
				if others > 1_000_000 {
					return nil
				}
			}
		})
		reads := 0
		for buf := make([]byte, 10); ; reads++ {
			if _, err := server.Read(buf); err == io.EOF {
				break
			} else if err != nil {
				return err
			}
		}
		if others < 100_000/10/17 {
			return fmt.Errorf("the other coroutine ran %d times during %d reads", others, reads)
		}
		others = 1 << 30
		return other.Join(ctx)
	})
}

func TestSeveralReaders(t *testing.T) {
	withPair(t, func(ctx context.Context, client, server *asyncio.Conn) error {
		var readers []*asyncio.Coroutine
		var order []byte
		for i := range 5 {
			readers = append(readers, asyncio.Go(ctx, func(ctx context.Context) error {
				buf := make([]byte, 1)
				_, err := server.Read(buf)
				order = append(order, byte('0'+i), buf[0])
				return err
			}))
			if err := strand.Yield(ctx); err != nil {
				return err
			}
		}
		if _, err := client.Write([]byte("abcde")); err != nil {
			return err
		}
		for _, r := range readers {
			if err := r.Join(ctx); err != nil {
				return err
			}
		}
		if string(order) != "0a1b2c3d4e" {
			return fmt.Errorf("the readers and what they got: %s", order)
		}
		return nil
	})
}

// TestSeveralWriters checks that writes at the same time do not mix.
func TestSeveralWriters(t *testing.T) {
	withPair(t, func(ctx context.Context, client, server *asyncio.Conn) error {
		const size = 1 << 20
		var writers []*asyncio.Coroutine
		for i := range 4 {
			writers = append(writers, asyncio.Go(ctx, func(ctx context.Context) error {
				return second(client.Write(bytes.Repeat([]byte{byte(i)}, size)))
			}))
		}
		buf := make([]byte, size)
		for i := range 4 {
			if _, err := io.ReadFull(server, buf); err != nil {
				return err
			}
			if !bytes.Equal(buf, bytes.Repeat([]byte{byte(i)}, size)) {
				return fmt.Errorf("write %d is mixed with others", i)
			}
		}
		for _, w := range writers {
			if err := w.Join(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestLoopEnds leaves connections open, with coroutines that wait, when the loop
// ends: by its main coroutine's return, and by Close from outside.
func TestLoopEnds(t *testing.T) {
	open := func(ctx context.Context, conns *[]*asyncio.Conn) error {
		client, server, err := pair(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		*conns = append(*conns, client, server)
		for _, c := range []*asyncio.Conn{client, server} {
			asyncio.Go(ctx, func(ctx context.Context) error { return second(c.Read(make([]byte, 1))) })
		}
		if _, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		return strand.Yield(ctx)
	}
	check := func(t *testing.T, conns []*asyncio.Conn) {
		for _, c := range conns {
			if err := c.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Close after the loop has ended: %v, want ErrClosed", err)
			}
		}
	}
	t.Run("inside", func(t *testing.T) {
		var conns []*asyncio.Conn
		onLoop(t, func(ctx context.Context) error { return open(ctx, &conns) })
		check(t, conns)
	})
	t.Run("outside", func(t *testing.T) {
		proctest.Check(t)
		l := asyncio.NewLoop(asyncio.Config{Grace: 10 * time.Millisecond})
		var conns []*asyncio.Conn
		opened := make(chan error, 1)
		call := braid.Go(t.Context(), l, func(ctx context.Context) (int, error) {
			err := open(ctx, &conns)
			opened <- err
			if err == nil {
				_, err = conns[0].Read(make([]byte, 1)) // until the loop is closed
			}
			return 0, err
		})
		if err := <-opened; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Close: %v, want that it was cut short", err)
		}
		if _, err := call.Await(t.Context()); !errors.Is(err, context.Canceled) {
			t.Errorf("the call that read: %v, want that it was cancelled", err)
		}
		check(t, conns)
	})
}

// TestManyConns has many connections at once talk to echo handlers.
func TestManyConns(t *testing.T) {
	networks(t, func(t *testing.T, network, addr string) {
		onLoop(t, func(ctx context.Context) error {
			ln, err := asyncio.Listen(ctx, network, addr)
			if err != nil {
				return err
			}
			s := &asyncio.Server{Handler: func(ctx context.Context, c net.Conn) { _, _ = io.Copy(c, c) }}
			serving := asyncio.Go(ctx, func(ctx context.Context) error { return s.Serve(ctx, ln) })
			var clients []*asyncio.Coroutine
			for i := range 200 {
				clients = append(clients, asyncio.Go(ctx, func(ctx context.Context) error {
					c, err := asyncio.Dial(ctx, network, ln.Addr().String())
					if err != nil {
						return err
					}
					defer c.Close()
					msg := bytes.Repeat([]byte{byte(i)}, 1+i*i)
					got := make([]byte, len(msg))
					for range 10 {
						if _, err := c.Write(msg); err != nil {
							return err
						}
						if _, err := io.ReadFull(c, got); err != nil {
							return err
						}
						if !bytes.Equal(got, msg) {
							return errors.New("the echo is that of somebody else")
						}
					}
					return nil
				}))
			}
			for _, c := range clients {
				if err := c.Join(ctx); err != nil {
					return err
				}
			}
			s.Shutdown()
			return serving.Join(ctx)
		})
	})
}
