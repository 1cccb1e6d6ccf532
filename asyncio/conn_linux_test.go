package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/strand"
	"golang.org/x/sys/unix"
)

// control calls f with the descriptor of c.
func control(c syscall.Conn, f func(fd int)) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}

func keepAliveOf(c syscall.Conn) string {
	var text string
	err := control(c, func(fd int) {
		get := func(level, option int) int {
			n, err := unix.GetsockoptInt(fd, level, option)
			if err != nil {
				return -1
			}
			return n
		}
		text = fmt.Sprint(get(unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 0, get(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE),
			get(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL), get(unix.IPPROTO_TCP, unix.TCP_KEEPCNT))
	})
	if err != nil {
		return err.Error()
	}
	return text
}

func sendUrgent(c *asyncio.Conn, s string) error {
	var err error
	if e := control(c, func(fd int) { err = unix.Sendto(fd, []byte(s), unix.MSG_OOB, nil) }); e != nil {
		return e
	}
	return err
}

// TestHalfOpen has a peer that is silent: a deadline finds out, and the keep-alive
// options are set as asked for.
func TestHalfOpen(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		client, server, err := pair(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer client.Close()
		defer server.Close()
		if err := server.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			return err
		}
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("Read: %v, want a timeout", err)
		}
		for name, c := range map[string]*asyncio.Conn{"dialled": client, "accepted": server} {
			noDelay := 0
			if err := control(c, func(fd int) {
				noDelay, _ = unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)
			}); err != nil || noDelay != 1 {
				return fmt.Errorf("%s: TCP_NODELAY is %d, %v; want 1", name, noDelay, err)
			}
			if got := keepAliveOf(c); got != "true 15 15 9" {
				return fmt.Errorf("%s: keep-alive is %s, want true 15 15 9", name, got)
			}
			if err := c.SetKeepAlive(net.KeepAliveConfig{Enable: true, Idle: 3 * time.Second, Interval: 1500 * time.Millisecond, Count: 4}); err != nil {
				return err
			}
			if got := keepAliveOf(c); got != "true 3 2 4" {
				return fmt.Errorf("%s: keep-alive is %s, want true 3 2 4", name, got)
			}
			if err := c.SetKeepAlive(net.KeepAliveConfig{}); err != nil {
				return err
			}
			if got := keepAliveOf(c); !strings.HasPrefix(got, "false") {
				return fmt.Errorf("%s: keep-alive is %s, want false", name, got)
			}
		}
		return nil
	})
}

func TestUrgentData(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		client, server, err := pair(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer client.Close()
		defer server.Close()
		buf := make([]byte, 100)
		for range 3 {
			// The urgent byte is the last of those sent with it, and is no part of
			// the stream; reads stop before it.
			if err := sendUrgent(client, "abcX"); err != nil {
				return err
			}
			if _, err := client.Write([]byte("def")); err != nil {
				return err
			}
			if n, err := io.ReadFull(server, buf[:6]); err != nil || string(buf[:n]) != "abcdef" {
				return fmt.Errorf("got %q, %v", buf[:n], err)
			}
		}
		return nil
	})
}

// inChild runs the test that calls it in a process of its own, and reports whether
// this is that process.
func inChild(t *testing.T) bool {
	t.Helper()
	const name = "ASYNCIO_TEST_ALONE"
	if os.Getenv(name) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), name+"="+t.Name())
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("in a process of its own: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("in a process of its own: %s", out)
	case !strings.Contains(string(out), "--- PASS: "+t.Name()):
		t.Errorf("the process of its own did not run it:\n%s", out)
	}
	return false
}

// warnings is a slog.Handler that counts.
type warnings struct{ n *int }

func (w warnings) Enabled(context.Context, slog.Level) bool { return true }
func (w warnings) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		*w.n++
	}
	return nil
}
func (w warnings) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w warnings) WithGroup(string) slog.Handler      { return w }

// TestOutOfDescriptors lets a listener run out of descriptors. It says so once, and
// accepts the connections that wait when there are descriptors again.
func TestOutOfDescriptors(t *testing.T) {
	if !inChild(t) {
		return
	}
	var reports int
	slog.SetDefault(slog.New(warnings{&reports}))
	onLoop(t, func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer ln.Close()
		// The clients' sockets exist before the limit is reached.
		const n = 5
		for range n {
			c, err := asyncio.Dial(ctx, "tcp", ln.Addr().String())
			if err != nil {
				return err
			}
			defer c.Close()
		}
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
		old := limit.Cur
		limit.Cur = 3
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
		accepted := 0
		acceptor := asyncio.Go(ctx, func(ctx context.Context) error {
			for range n {
				c, err := ln.Accept()
				if err != nil {
					return err
				}
				accepted++
				defer c.Close()
			}
			return nil
		})
		if err := strand.Sleep(ctx, 40*time.Millisecond); err != nil {
			return err
		}
		if accepted != 0 || reports != 1 {
			return fmt.Errorf("without descriptors, %d connections were accepted, and there are %d reports; want 0 and 1", accepted, reports)
		}
		limit.Cur = old
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
		if err := acceptor.Join(ctx); err != nil {
			return err
		}
		if reports != 1 {
			return fmt.Errorf("%d reports, want 1", reports)
		}
		return nil
	})
}

// TestIdleConns has thousands of connections wait, and one of them talk.
func TestIdleConns(t *testing.T) {
	if testing.Short() {
		t.Skip("many connections")
	}
	n := 10_000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	if most := (int(limit.Cur) - 200) / 2; most < n {
		t.Logf("only %d connections, by the limit of %d descriptors", most, limit.Cur)
		if n = most; n < 100 {
			proctest.Skip(t, "too few descriptors; raise the limit: ulimit -n 65536")
		}
	}
	onLoop(t, func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s := &asyncio.Server{MaxConns: n, Handler: func(ctx context.Context, c net.Conn) { _, _ = io.Copy(c, c) }}
		serving := asyncio.Go(ctx, func(ctx context.Context) error { return s.Serve(ctx, ln) })
		var all []net.Conn
		defer func() {
			for _, c := range all {
				c.Close()
			}
		}()
		for range n {
			c, err := asyncio.Dial(ctx, "tcp", ln.Addr().String())
			if err != nil {
				return err
			}
			all = append(all, c)
		}
		buf := make([]byte, 5)
		for _, c := range []net.Conn{all[0], all[n/2], all[n-1]} {
			if _, err := c.Write([]byte("hello")); err != nil {
				return err
			}
			if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "hello" {
				return fmt.Errorf("got %q, %v", buf, err)
			}
		}
		for _, c := range all {
			c.Close()
		}
		s.Shutdown()
		return serving.Join(ctx)
	})
}

// TestDialCancelled dials an address whose queue of connections is full, so that the
// connection never comes about.
func TestDialCancelled(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		if err := unix.Listen(fd, 0); err != nil {
			return err
		}
		sa, err := unix.Getsockname(fd)
		if err != nil {
			return err
		}
		addr := fmt.Sprintf("127.0.0.1:%d", sa.(*unix.SockaddrInet4).Port)
		d := asyncio.Dialer{Timeout: 50 * time.Millisecond}
		for i := 0; ; i++ {
			c, err := d.Dial(ctx, "tcp", addr)
			if err == nil {
				defer c.Close()
				if i == 10 {
					proctest.Skip(t, "this system's queues cannot be filled")
				}
				continue
			}
			if e, ok := err.(net.Error); !ok || !e.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("Dial: %v, want a timeout", err)
			}
			break
		}
		sub, cancel := context.WithCancel(ctx)
		dialling := asyncio.Go(sub, func(ctx context.Context) error {
			_, err := asyncio.Dial(ctx, "tcp", addr)
			return err
		})
		if err := strand.Yield(ctx); err != nil {
			cancel()
			return err
		}
		cancel()
		if err := dialling.Join(ctx); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("Dial: %v, want Canceled", err)
		}
		return nil
	})
}

// TestDescriptorsSent has a peer send a descriptor along: a read stops behind what
// came with it, although there is more.
func TestDescriptorsSent(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		client, server, err := pair(ctx, "unix", filepath.Join(t.TempDir(), "socket"))
		if err != nil {
			return err
		}
		defer client.Close()
		defer server.Close()
		if err := server.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		for range 3 {
			if e := control(client, func(fd int) {
				err = unix.Sendmsg(fd, []byte("abc"), unix.UnixRights(0), nil, 0)
			}); err != nil || e != nil {
				return errors.Join(err, e)
			}
			if _, err := client.Write([]byte("def")); err != nil {
				return err
			}
			buf := make([]byte, 6)
			if n, err := io.ReadFull(server, buf); err != nil || string(buf) != "abcdef" {
				return fmt.Errorf("got %q, %v", buf[:n], err)
			}
		}
		return nil
	})
}

// TestListenCancelled cancels a Listen at about the time that it succeeds.
func TestListenCancelled(t *testing.T) {
	onLoop(t, func(ctx context.Context) error {
		for i := range 100 {
			sub, cancel := context.WithCancel(ctx)
			listening := asyncio.Go(ctx, func(context.Context) error {
				ln, err := asyncio.Listen(sub, "tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				return ln.Close()
			})
			for range i % 10 {
				if err := strand.Yield(ctx); err != nil {
					cancel()
					return err
				}
			}
			cancel()
			if err := listening.Join(ctx); err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
		}
		return nil
	})
}
