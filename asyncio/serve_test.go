package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

// A visit is a server that runs, and a way to talk to it.
type visit struct {
	ctx     context.Context
	addr    string
	serving *asyncio.Coroutine
	stop    context.CancelFunc // cancels the context of Serve
}

// serving runs f while s serves.
func serving(t *testing.T, s *asyncio.Server, f func(v *visit) error) {
	t.Helper()
	onLoop(t, func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		sub, stop := context.WithCancel(ctx)
		defer stop()
		v := &visit{ctx: ctx, addr: ln.Addr().String(), stop: stop}
		v.serving = asyncio.Go(ctx, func(context.Context) error { return s.Serve(sub, ln) })
		return f(v)
	})
}

func (v *visit) dial() (net.Conn, error) { return asyncio.Dial(v.ctx, "tcp", v.addr) }

// ask sends a message and returns the answer of the same length.
func ask(c net.Conn, s string) (string, error) {
	if _, err := io.WriteString(c, s); err != nil {
		return "", err
	}
	buf := make([]byte, len(s))
	n, err := io.ReadFull(c, buf)
	return string(buf[:n]), err
}

func echo(_ context.Context, c net.Conn) { _, _ = io.Copy(c, c) }

func TestServeDrains(t *testing.T) {
	for name, stop := range map[string]func(*asyncio.Server, *visit){
		"context":  func(_ *asyncio.Server, v *visit) { v.stop() },
		"Shutdown": func(s *asyncio.Server, _ *visit) { s.Shutdown() },
	} {
		t.Run(name, func(t *testing.T) {
			s := &asyncio.Server{Handler: echo, Grace: time.Hour}
			serving(t, s, func(v *visit) error {
				c, err := v.dial()
				if err != nil {
					return err
				}
				defer c.Close()
				if got, err := ask(c, "one"); err != nil || got != "one" {
					return fmt.Errorf("got %q, %v", got, err)
				}
				stop(s, v)
				// The handler goes on, and nobody else is let in.
				for {
					other, err := v.dial()
					if err != nil {
						break
					}
					other.Close()
				}
				if got, err := ask(c, "two"); err != nil || got != "two" {
					return fmt.Errorf("while the server stops: %q, %v", got, err)
				}
				if v.serving.Done() {
					return errors.New("Serve has returned before the handler")
				}
				c.Close()
				return v.serving.Join(v.ctx)
			})
		})
	}
}

func TestServeCuts(t *testing.T) {
	var cause error
	s := &asyncio.Server{Grace: -1, Handler: func(ctx context.Context, c net.Conn) {
		_, err := c.Read(make([]byte, 1))
		if errors.Is(err, context.Canceled) {
			cause = context.Cause(ctx)
		}
	}}
	serving(t, s, func(v *visit) error {
		for range 3 {
			c, err := v.dial()
			if err != nil {
				return err
			}
			defer c.Close()
		}
		// Until the three are being handled, which takes a round through the loop.
		for range 20 {
			if err := strand.Sleep(v.ctx, time.Millisecond); err != nil {
				return err
			}
		}
		s.Shutdown()
		err := v.serving.Join(v.ctx)
		if err == nil || !strings.Contains(err.Error(), "cut 3 connections") {
			return fmt.Errorf("Serve returned %v, want that 3 connections were cut", err)
		}
		if cause != asyncio.ErrServerStopped {
			return fmt.Errorf("the cause in the handler was %v", cause)
		}
		return nil
	})
}

// TestServeAborts has a handler that does not look at its context.
func TestServeAborts(t *testing.T) {
	s := &asyncio.Server{Grace: -1, Handler: func(ctx context.Context, c net.Conn) {
		for {
			if _, err := c.(*asyncio.Conn).ReadContext(context.WithoutCancel(ctx), make([]byte, 1)); err != nil {
				return
			}
		}
	}}
	serving(t, s, func(v *visit) error {
		c, err := v.dial()
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		if err := strand.Sleep(v.ctx, 10*time.Millisecond); err != nil {
			return err
		}
		v.stop()
		if err := v.serving.Join(v.ctx); err == nil || !strings.Contains(err.Error(), "cut 1 connection,") {
			return fmt.Errorf("Serve returned %v, want that 1 connection was cut", err)
		}
		return nil
	})
}

func TestServeContainsPanics(t *testing.T) {
	var log strings.Builder
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	s := &asyncio.Server{Handler: func(_ context.Context, c net.Conn) {
		buf := make([]byte, 1)
		_, _ = c.Read(buf)
		if buf[0] == 'p' {
			panic("at the disco")
		}
		_, _ = c.Write(buf)
	}}
	serving(t, s, func(v *visit) error {
		c, err := v.dial()
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := ask(c, "p"); err != io.EOF {
			return fmt.Errorf("the connection of a handler that panicked: %v, want EOF", err)
		}
		other, err := v.dial()
		if err != nil {
			return err
		}
		defer other.Close()
		if got, err := ask(other, "x"); got != "x" {
			return fmt.Errorf("after a panic: %q, %v", got, err)
		}
		if !strings.Contains(log.String(), "at the disco") || !strings.Contains(log.String(), "serve_test.go") {
			return fmt.Errorf("the log has no panic and stack: %s", log.String())
		}
		s.Shutdown()
		return v.serving.Join(v.ctx)
	})
}

func TestServeLimit(t *testing.T) {
	handled, most := 0, 0
	s := &asyncio.Server{MaxConns: 2, Handler: func(_ context.Context, c net.Conn) {
		handled++
		most = max(most, handled)
		_, _ = io.Copy(c, c)
		handled--
	}}
	serving(t, s, func(v *visit) error {
		var all []*asyncio.Coroutine
		for range 10 {
			all = append(all, asyncio.Go(v.ctx, func(ctx context.Context) error {
				c, err := asyncio.Dial(ctx, "tcp", v.addr)
				if err != nil {
					return err
				}
				defer c.Close()
				_, err = ask(c, "hello")
				return err
			}))
		}
		for _, c := range all {
			if err := c.Join(v.ctx); err != nil {
				return err
			}
		}
		if most != 2 {
			return fmt.Errorf("%d connections were handled at once, want 2", most)
		}
		s.Shutdown()
		return v.serving.Join(v.ctx)
	})
}

func TestServeErrors(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		if err := (&asyncio.Server{}).Serve(ctx, ln); err == nil {
			t.Error("Serve without a handler has succeeded")
		}
		if err := (&asyncio.Server{Handler: echo, MaxConns: -1}).Serve(ctx, ln); err == nil {
			t.Error("Serve with a negative limit has succeeded")
		}
		ln.Close()
		if err := asyncio.Serve(ctx, ln, echo); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve with a closed listener: %v, want ErrClosed", err)
		}
		s := &asyncio.Server{Handler: echo}
		s.Shutdown()
		ln, err = asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		if err := s.Serve(ctx, ln); err != nil {
			t.Errorf("Serve after Shutdown: %v, want nil", err)
		}
		return nil
	})
}
