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
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/strand"
)

// TestCopy sends what readers of several kinds have, and reads it with WriteTo.
func TestCopy(t *testing.T) {
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		open func(f *os.File) io.Reader
		want []byte
		err  error
	}{
		"file":           {func(f *os.File) io.Reader { return f }, data, nil},
		"rest of a file": {func(f *os.File) io.Reader { f.Seek(1000, io.SeekStart); return f }, data[1000:], nil},
		"part of a file": {func(f *os.File) io.Reader { return io.LimitReader(f, 2<<20) }, data[:2<<20], nil},
		"more than it":   {func(f *os.File) io.Reader { return io.LimitReader(f, 9<<20) }, data, nil},
		"memory":         {func(f *os.File) io.Reader { return bytes.NewBuffer(data) }, data, nil},
		"broken": {func(f *os.File) io.Reader {
			return io.MultiReader(bytes.NewReader(data[:100_000]), iotest.ErrReader(broken))
		}, data[:100_000], broken},
	} {
		t.Run(name, func(t *testing.T) {
			withPair(t, func(ctx context.Context, client, server *asyncio.Conn) error {
				writer := asyncio.Go(ctx, func(ctx context.Context) error {
					f, err := os.Open(path)
					if err != nil {
						return err
					}
					defer f.Close()
					n, err := client.ReadFrom(c.open(f))
					if err != c.err || n != int64(len(c.want)) {
						return fmt.Errorf("ReadFrom: %d, %v; want %d, %v", n, err, len(c.want), c.err)
					}
					return client.CloseWrite()
				})
				var got bytes.Buffer
				n, err := server.WriteTo(&got)
				if err != nil || n != int64(len(c.want)) || !bytes.Equal(got.Bytes(), c.want) {
					return fmt.Errorf("WriteTo: %d bytes, %v; want %d", n, err, len(c.want))
				}
				return writer.Join(ctx)
			})
		})
	}
}

// TestCloseReadWakes ends reading while a coroutine waits.
func TestCloseReadWakes(t *testing.T) {
	withPair(t, func(ctx context.Context, client, server *asyncio.Conn) error {
		reader := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := server.Read(make([]byte, 1))
			return err
		})
		if err := strand.Yield(ctx); err != nil {
			return err
		}
		if err := server.CloseRead(); err != nil {
			return err
		}
		if err := reader.Join(ctx); err != io.EOF {
			return fmt.Errorf("Read: %v, want EOF", err)
		}
		return nil
	})
}

// TestNetworkIsNoDeadlock waits for the network longer than it takes to find a deadlock.
func TestNetworkIsNoDeadlock(t *testing.T) {
	proctest.Check(t)
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		// A deadlock would be found first.
		time.AfterFunc(25*time.Millisecond, func() { ln.Close() })
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("Accept: %w, want ErrClosed", err)
		}
		return nil
	}, asyncio.With(asyncio.Config{DeadlockAfter: time.Millisecond}))
	if err != nil {
		t.Error(err)
	}
}

// TestWakeUps has goroutines submit calls to a loop that waits for descriptors, one
// after the other, so that the loop goes to sleep in between.
func TestWakeUps(t *testing.T) {
	proctest.Check(t)
	l := asyncio.NewLoop(asyncio.Config{})
	listening := braid.Go(t.Context(), l, func(ctx context.Context) (*asyncio.Listener, error) {
		return asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
	})
	ln, err := listening.Await(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := range 500 {
				call := braid.Go(t.Context(), l, func(context.Context) (int, error) { return i, nil })
				if got, err := call.Await(t.Context()); got != i || err != nil {
					t.Errorf("call %d: %d, %v", i, got, err)
				}
			}
		})
	}
	wg.Wait()
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
