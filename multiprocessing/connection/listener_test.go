//go:build unix

package connection_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/multiprocessing/connection"
)

var testKey = []byte("a key of the tests, which is long enough")

func address(t testing.TB, network string) string {
	if network == "unix" {
		return filepath.Join(t.TempDir(), "s")
	}
	return "127.0.0.1:0"
}

func listen(t testing.TB, network string, cfg connection.Config) *connection.Listener {
	t.Helper()
	l, err := connection.Listen(network, address(t, network), testKey, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

func dial(ctx context.Context, l *connection.Listener, key []byte) (*multiprocessing.Conn, error) {
	return connection.Dial(ctx, l.Addr().Network(), l.Addr().String(), key, connection.Config{})
}

// dialed returns the two sides of a connection. The configuration is that of the second.
func dialed(t testing.TB, ctx context.Context, network string, cfg connection.Config) (a, b *multiprocessing.Conn) {
	t.Helper()
	l := listen(t, network, connection.Config{})
	b, err := connection.Dial(ctx, network, l.Addr().String(), testKey, cfg)
	if err != nil {
		t.Fatal(err)
	}
	a, err = l.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// overNetworks runs a test for each network, in each world.
func overNetworks(t *testing.T, test func(t *testing.T, ctx context.Context, network string)) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, ctx context.Context) { test(t, ctx, network) })
		})
	}
}

// TestListen connects several diallers, with coming and going.
func TestListen(t *testing.T) {
	overNetworks(t, func(t *testing.T, ctx context.Context, network string) {
		l := listen(t, network, connection.Config{})
		var open []*multiprocessing.Conn
		for i := range 5 {
			d, err := dial(ctx, l, testKey)
			must(t, err)
			a, err := l.Accept(ctx)
			must(t, err)
			roundTrip(t, ctx, a, d, i)
			roundTrip(t, ctx, d, a, i)
			open = append(open, d, a)
		}
		if remote := open[2].RemoteAddr(); remote == nil || remote.String() != l.Addr().String() {
			t.Errorf("the dialler's remote address is %v, the listener has %v", remote, l.Addr())
		}
		if remote := open[3].RemoteAddr(); remote == nil || network == "tcp" && !strings.HasPrefix(remote.String(), "127.0.0.1:") {
			t.Errorf("the listener's remote address is %v", remote)
		}
		for _, c := range open {
			must(t, c.Close())
		}
		if s := l.Statistics(); s.Made != 5 || s.Refused != 0 || s.Waiting != 0 {
			t.Errorf("statistics: %+v", s)
		}
	})
}

// TestMultipleBind listens where somebody listens already.
func TestMultipleBind(t *testing.T) {
	overNetworks(t, func(t *testing.T, ctx context.Context, network string) {
		l := listen(t, network, connection.Config{})
		if m, err := connection.Listen(network, l.Addr().String(), testKey, connection.Config{}); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second listener: %v, %v", m, err)
		}
		d, err := dial(ctx, l, testKey) // the first one is as it was
		must(t, err)
		must(t, d.Close())
	})
}

// TestConfigs: what makes no sense, or would be unsafe, is refused with a reason.
func TestConfigs(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	path := address(t, "unix")
	for _, c := range []struct {
		network, address string
		key              []byte
		cfg              connection.Config
		want             string
	}{
		{network: "unix", address: path, want: "the key is empty"},
		{network: "unix", address: path, key: []byte{}, want: "the key is empty"},
		{network: "udp", address: "127.0.0.1:0", key: testKey, want: `the network is "udp"`},
		{network: "unixpacket", address: path, key: testKey, want: `the network is "unixpacket"`},
		{network: "unix", address: path, key: testKey, cfg: connection.Config{MaxMessage: -1}, want: "MaxMessage"},
		{network: "unix", address: path, key: testKey, cfg: connection.Config{HandshakeTimeout: -1}, want: "HandshakeTimeout"},
		{network: "unix", address: path, key: testKey, cfg: connection.Config{Handshakes: -1}, want: "Handshakes"},
		{network: "unix", address: "", key: testKey, want: "the address is empty"},
		{network: "unix", address: "@name", key: testKey, want: "abstract"},
		{network: "unix", address: "\x00name", key: testKey, want: "abstract"},
		{network: "unix", address: "/" + strings.Repeat("x", 107), key: testKey, want: "a path of 108 bytes"},
		{network: "tcp", address: "0.0.0.0:1", key: testKey, want: "AllowRemote"},
		{network: "tcp", address: "192.0.2.1:1", key: testKey, want: "AllowRemote"},
		{network: "tcp6", address: "[2001:db8::1]:1", key: testKey, want: "AllowRemote"},
		{network: "tcp", address: "127.0.0.1", key: testKey, want: "missing port"},
	} {
		if l, err := connection.Listen(c.network, c.address, c.key, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Listen %s %s: %v, %v; want an error with %q", c.network, c.address, l, err, c.want)
		}
		if d, err := connection.Dial(ctx, c.network, c.address, c.key, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Dial %s %s: %v, %v; want an error with %q", c.network, c.address, d, err, c.want)
		}
	}
	if _, err := connection.Listen("tcp", ":0", testKey, connection.Config{}); err == nil || !strings.Contains(err.Error(), "AllowRemote") {
		t.Errorf("Listen on all addresses: %v", err)
	}
	if _, err := connection.Dial(ctx, "unix", path, testKey, connection.Config{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Dial where nobody listens: %v", err)
	}
}

// refusals collects what a listener says about diallers.
type refusals chan error

func (r refusals) add(_ net.Addr, err error) { r <- err }

// TestOtherKey: neither side talks to one with another key, and the listener goes on.
func TestOtherKey(t *testing.T) {
	overNetworks(t, func(t *testing.T, ctx context.Context, network string) {
		refused := make(refusals, 10)
		l := listen(t, network, connection.Config{Refused: refused.add})
		for _, key := range []string{"x", string(testKey) + "x", string(testKey[1:])} {
			d, err := dial(ctx, l, []byte(key))
			if !errors.Is(err, connection.ErrAuth) || d != nil {
				t.Errorf("Dial with key %q: %v, want ErrAuth", key, err)
			}
			if err := <-refused; !errors.Is(err, connection.ErrAuth) {
				t.Errorf("the listener was told %v, want ErrAuth", err)
			}
		}
		d, err := dial(ctx, l, testKey)
		must(t, err)
		defer d.Close()
		a, err := l.Accept(ctx)
		must(t, err)
		defer a.Close()
		roundTrip(t, ctx, a, d, 1)
		if s := l.Statistics(); s.Refused != 3 || s.Made != 1 {
			t.Errorf("statistics: %+v", s)
		}
	})
}

// socketType is the network that package net knows for the one of a listener.
func socketType(network string) string {
	if network == "unix" && runtime.GOOS == "linux" {
		return "unixpacket"
	}
	return network
}

// bare connects to l without a handshake.
func bare(t testing.TB, l *connection.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial(socketType(l.Addr().Network()), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestStrangers: whatever strangers send, they are sent away, with no more than a byte.
func TestStrangers(t *testing.T) {
	overNetworks(t, func(t *testing.T, ctx context.Context, network string) {
		refused := make(refusals, 10)
		l := listen(t, network, connection.Config{Refused: refused.add})
		for name, message := range map[string][]byte{
			"nothing": nil, "a byte": {0}, "zeros": make([]byte, 60), "HTTP": []byte("GET / HTTP/1.0\r\n\r\n"),
			"too long": make([]byte, 129), "far too long": make([]byte, 60<<10), "a length that lies": {255, 255, 0, 0},
			"a greeting": append([]byte{0, 53}, "braid-conn\x01 and what does not belong here, up to the end"...),
		} {
			c := bare(t, l)
			_, err := c.Write(message)
			if err != nil && name != "nothing" {
				t.Fatalf("%s: %v", name, err)
			}
			if name == "nothing" || name == "a byte" || name == "zeros" {
				c.Close() // else it would be waited for, up to the timeout
			}
			if err := <-refused; err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			c.Close()
		}
		if s := l.Statistics(); s.Made != 0 {
			t.Errorf("statistics: %+v", s)
		}
	})
}

// TestSlowStrangers: those who say nothing hold up nobody, and the oldest have to go.
func TestSlowStrangers(t *testing.T) {
	overNetworks(t, func(t *testing.T, ctx context.Context, network string) {
		const most = 4
		refused := make(refusals, 100)
		l := listen(t, network, connection.Config{HandshakeTimeout: time.Hour, Handshakes: most, Refused: refused.add})
		for range 3 * most {
			bare(t, l)
		}
		d, err := dial(ctx, l, testKey)
		must(t, err)
		defer d.Close()
		a, err := l.Accept(ctx)
		must(t, err)
		defer a.Close()
		roundTrip(t, ctx, a, d, 1)
		for range 3*most - (most - 1) {
			if err := <-refused; err == nil || !strings.Contains(err.Error(), "too many handshakes") {
				t.Errorf("a stranger who had to go: %v", err)
			}
		}
		eventually(t, "the others stay", func() bool { return l.Statistics().Shaking == most-1 })
	})
}

// TestHandshakeTimeout: both sides give up on one who says nothing, or stops in the
// middle.
func TestHandshakeTimeout(t *testing.T) {
	overNetworks(t, func(t *testing.T, ctx context.Context, network string) {
		cfg := connection.Config{HandshakeTimeout: 10 * time.Millisecond}
		refused := make(refusals, 10)
		cfg.Refused = refused.add
		l := listen(t, network, cfg)
		bare(t, l)
		if err := <-refused; !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "10ms") {
			t.Errorf("a silent dialler: %v", err)
		}
		if network == "tcp" {
			c := bare(t, l)
			_, err := c.Write([]byte{0, 84, 'b'})
			must(t, err)
			if err := <-refused; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a dialler who stops in the middle: %v", err)
			}
		}
		silent, err := net.Listen(socketType(network), address(t, network))
		must(t, err)
		defer silent.Close()
		if _, err := connection.Dial(ctx, network, silent.Addr().String(), testKey, cfg); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a silent listener: %v", err)
		}
		one, cancel := context.WithCancelCause(ctx)
		go func() {
			c, err := silent.Accept()
			if err == nil {
				defer c.Close()
			}
			if c, err = silent.Accept(); err == nil {
				defer c.Close()
			}
			cancel(errSentinel)
		}()
		_, err = connection.Dial(one, network, silent.Addr().String(), testKey, connection.Config{HandshakeTimeout: time.Hour})
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errSentinel) {
			t.Errorf("a Dial that is cancelled: %v", err)
		}
	})
}

// TestImpostor: a listener that does not know the key is found out, whatever it claims.
func TestImpostor(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	fake, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer fake.Close()
	hello := "\x00\x34braid-conn\x01" // the rest is as the dialler has it
	for _, verdict := range []string{"\x00\x21\x01" + strings.Repeat("p", 32), "\x00\x01\x01", "\x00\x00", "\x00\x01\x07", "\x00\x01\x02", "\xff\xff"} {
		var done sync.WaitGroup
		done.Go(func() {
			c, err := fake.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			// It speaks like this program.
			_, _ = io.WriteString(c, hello+string(rune(strconvIntBytes))+"\x00\x00\x00\x00\x40\x00\x00\x00"+strings.Repeat("n", 32))
			answer := make([]byte, 2+84)
			if _, err := io.ReadFull(c, answer); err != nil {
				t.Errorf("the dialler's answer: %v", err)
			}
			_, _ = io.WriteString(c, verdict)
		})
		d, err := connection.Dial(ctx, "tcp", fake.Addr().String(), testKey, connection.Config{})
		if err == nil {
			t.Errorf("verdict %q was believed: %v", verdict, d)
		}
		done.Wait()
	}
}

// strconvIntBytes is how many bytes an int has.
const strconvIntBytes = 4 << (^uint(0) >> 63)

// TestAcceptWaits cancels Accept, and closes the listener.
func TestAcceptWaits(t *testing.T) {
	overNetworks(t, func(t *testing.T, ctx context.Context, network string) {
		l := listen(t, network, connection.Config{})
		one, cancel := context.WithCancelCause(ctx)
		cancel(errSentinel)
		if _, err := l.Accept(one); !errors.Is(err, context.Canceled) || !errors.Is(err, errSentinel) {
			t.Errorf("a cancelled Accept: %v", err)
		}
		// A connection that nobody accepts ends with the listener.
		d, err := dial(ctx, l, testKey)
		must(t, err)
		defer d.Close()
		eventually(t, "the connection waits", func() bool { return l.Statistics().Waiting == 1 })
		must(t, l.Close())
		if _, err := d.RecvBytes(ctx); err != io.EOF {
			t.Errorf("a connection that was not accepted: %v, want io.EOF", err)
		}

		l = listen(t, network, connection.Config{})
		got := make(chan error)
		for range 3 {
			go func() {
				_, err := l.Accept(ctx)
				got <- err
			}()
		}
		bare(t, l) // a handshake that goes on
		must(t, l.Close())
		must(t, l.Close())
		for range 3 {
			if err := <-got; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept of a closed listener: %v", err)
			}
		}
		if _, err := l.Accept(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
		if _, err := dial(ctx, l, testKey); err == nil {
			t.Error("Dial after Close: no error")
		}
	})
}

// TestConnsOutliveListener: what was accepted lives on.
func TestConnsOutliveListener(t *testing.T) {
	overNetworks(t, func(t *testing.T, ctx context.Context, network string) {
		l := listen(t, network, connection.Config{})
		d, err := dial(ctx, l, testKey)
		must(t, err)
		defer d.Close()
		a, err := l.Accept(ctx)
		must(t, err)
		defer a.Close()
		must(t, l.Close())
		roundTrip(t, ctx, a, d, 1)
	})
}

// TestSocketFile: the socket is its owner's alone, one that is left over is replaced,
// one that is in use or no socket is not, and Close removes nobody else's.
func TestSocketFile(t *testing.T) {
	proctest.Check(t)
	ctx := deadline(t)
	path := address(t, "unix")
	open := func() *connection.Listener {
		t.Helper()
		l, err := connection.Listen("unix", path, testKey, connection.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	works := func(l *connection.Listener) {
		t.Helper()
		d, err := dial(ctx, l, testKey)
		must(t, err)
		must(t, d.Close())
	}
	l := open()
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket is %v, %v; want mode 0600", info.Mode(), err)
	}
	must(t, l.Close())
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Close has left the socket: %v", err)
	}

	// Left over from one who is dead, whatever kind of socket it was.
	for _, network := range []string{"unix", socketType("unix")} {
		dead, err := net.Listen(network, path)
		must(t, err)
		dead.(*net.UnixListener).SetUnlinkOnClose(false)
		must(t, dead.Close())
		l = open()
		works(l)
		must(t, l.Close())
	}

	// In use by somebody else.
	other, err := net.Listen("unix", path)
	must(t, err)
	if _, err := connection.Listen("unix", path, testKey, connection.Config{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("where somebody else listens: %v", err)
	}
	must(t, other.Close())

	// A file that is no socket.
	must(t, os.WriteFile(path, []byte("text"), 0o600))
	if _, err := connection.Listen("unix", path, testKey, connection.Config{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("where a file is: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "text" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	must(t, os.Remove(path))

	// Somebody else's in the place of ours.
	l = open()
	must(t, os.Remove(path))
	m := open()
	must(t, l.Close())
	works(m)
	must(t, m.Close())
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 0 {
		t.Errorf("left in the directory: %v, %v", entries, err)
	}
}

// TestUnixConnCarries: on Linux, connections over Unix sockets carry open files, and
// travel themselves.
func TestUnixConnCarries(t *testing.T) {
	if runtime.GOOS != "linux" {
		proctest.Skip(t, "sockets that keep messages apart need Linux")
	}
	proctest.Check(t)
	ctx := deadline(t)
	a, b := dialed(t, ctx, "unix", connection.Config{})
	c, d := dialed(t, ctx, "unix", connection.Config{})
	must(t, multiprocessing.Send(ctx, a, c))
	got, err := multiprocessing.Recv[*multiprocessing.Conn](ctx, b)
	must(t, err)
	defer got.Close()
	roundTrip(t, ctx, got, d, 1)
	roundTrip(t, ctx, d, got, 2)
	if got.RemoteAddr() != nil {
		t.Errorf("a Conn that has travelled knows the address %v", got.RemoteAddr())
	}

	e, _ := dialed(t, ctx, "tcp", connection.Config{})
	if err := multiprocessing.Send(ctx, e, c); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a Conn sent over a network: %v", err)
	}
	if err := multiprocessing.Send(ctx, a, e); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a Conn of a network sent: %v", err)
	}
}

// TestManyDiallers has many dial at once, and others disturb.
func TestManyDiallers(t *testing.T) {
	overNetworks(t, func(t *testing.T, ctx context.Context, network string) {
		const n = 20
		l := listen(t, network, connection.Config{})
		var group sync.WaitGroup
		for i := range n {
			group.Go(func() {
				d, err := dial(ctx, l, testKey)
				if err != nil {
					t.Error(err)
					return
				}
				defer d.Close()
				if err := multiprocessing.Send(ctx, d, i); err != nil {
					t.Error(err)
				}
				if got, err := multiprocessing.Recv[int](ctx, d); err != nil || got != i*i {
					t.Errorf("the answer to %d is %d, %v", i, got, err)
				}
			})
			group.Go(func() {
				if _, err := dial(ctx, l, []byte("another key")); !errors.Is(err, connection.ErrAuth) {
					t.Errorf("with another key: %v", err)
				}
			})
		}
		for range n {
			c, err := l.Accept(ctx)
			if err != nil {
				t.Fatal(err)
			}
			group.Go(func() {
				defer c.Close()
				i, err := multiprocessing.Recv[int](ctx, c)
				if err == nil {
					err = multiprocessing.Send(ctx, c, i*i)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	})
}
