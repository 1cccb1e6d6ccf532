package connection

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/go-braid/braid/internal/parcel"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
)

// A Config says how [Listen] and [Dial] make connections. The zero Config is a
// good one.
type Config struct {
	// MaxMessage bounds the size of a message, in bytes, as it travels, in both
	// directions; 0 means 1 GiB. The smaller one of the two sides' counts.
	MaxMessage int64

	// HandshakeTimeout bounds the time in which the other side must have proved that
	// it has the key; 0 means 5 seconds.
	HandshakeTimeout time.Duration

	// Handshakes bounds how many handshakes go on at once, and how many connections
	// wait to be accepted; 0 means 64. One more pushes the oldest handshake out. It
	// is for Listen.
	Handshakes int

	// AllowRemote permits addresses on the network beside those of this machine.
	// Messages are not encrypted, and not protected after the handshake: who can
	// change what is on the network can read and change them. Allow it only where
	// nobody can, such as inside a tunnel.
	AllowRemote bool

	// Refused is told of each dialler that did not get through a handshake, and why;
	// nil means that they are only counted. It is called from several goroutines,
	// and Close waits for it. It is for Listen.
	Refused func(from net.Addr, why error)
}

func (c Config) check(network string, key []byte) (Config, error) {
	switch {
	case len(key) == 0:
		return c, errors.New("connection: the key is empty, and so would be what it proves: share some 32 random bytes, such as those of crypto/rand")
	case c.MaxMessage < 0:
		return c, fmt.Errorf("connection: the field MaxMessage is %d: it must not be negative; 0 is the default, 1 GiB", c.MaxMessage)
	case c.HandshakeTimeout < 0:
		return c, fmt.Errorf("connection: the field HandshakeTimeout is %v: it must not be negative; 0 is the default", c.HandshakeTimeout)
	case c.Handshakes < 0:
		return c, fmt.Errorf("connection: the field Handshakes is %d: it must not be negative; 0 is the default", c.Handshakes)
	}
	switch network {
	case "unix", "tcp", "tcp4", "tcp6":
	default:
		return c, fmt.Errorf("connection: the network is %q: it must be unix, tcp, tcp4 or tcp6", network)
	}
	c.MaxMessage = cmp.Or(c.MaxMessage, 1<<30)
	c.HandshakeTimeout = cmp.Or(c.HandshakeTimeout, 5*time.Second)
	c.Handshakes = cmp.Or(c.Handshakes, 64)
	return c, nil
}

// checkPath refuses addresses of Unix sockets that would fail without a reason, or work
// without protection.
func checkPath(path string) error {
	limit := 103
	if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
		limit = 107
	}
	switch {
	case path == "":
		return errors.New("connection: the address is empty: it must be the path of a socket")
	case path[0] == '@' || path[0] == 0:
		return fmt.Errorf("connection: the address %q is an abstract name, which any user of the machine can take or connect to: use a path", path)
	case len(path) > limit:
		return fmt.Errorf("connection: the address is a path of %d bytes, and a Unix socket takes at most %d: use a shorter one", len(path), limit)
	}
	return nil
}

// checkHost refuses addresses, which are resolved, that are not of this machine.
func (c Config) checkHost(address string) error {
	if c.AllowRemote {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("the address %s can be reached from elsewhere, and messages are not encrypted: "+
			"use one of loopback, such as 127.0.0.1, or set AllowRemote if the network is safe", address)
	}
	return nil
}

// A Listener accepts connections from processes that have the same key: such that are
// not workers of this program, or on other machines. Make one with [Listen]. Its methods
// may be called from any goroutine.
type Listener struct {
	net    net.Listener
	key    []byte
	cfg    Config
	socket *socketFile // nil: it has none
	ready  *strand.Queue[*multiprocessing.Conn]
	ctx    context.Context
	end    context.CancelCauseFunc
	group  sync.WaitGroup

	mu      sync.Mutex
	shaking []*shaking // the oldest first
	refused uint64
	err     error // why it accepts no more
}

// A shaking is a handshake.
type shaking struct{ cancel context.CancelCauseFunc }

// Listen listens on network "unix", where the address is the path of a socket that is
// made, or "tcp", "tcp4" or "tcp6", where it is a host and a port as in package net; port
// 0 takes a free one. Who dials must prove that he has the key, and is given proof that
// the listener has it. The key must not be empty, and should be at least 16 random
// bytes: who connects to a listener of his own can try out a word at leisure. It does
// not travel.
//
// The socket of a Unix address can be used by this user only (its mode is 0600 from the
// start; Windows has none, there the rights of the directory decide). One that is left
// over from a listener that is dead is replaced, and Close removes it if it is still
// the listener's own. On Linux, connections of Unix sockets carry open files, and can
// travel themselves, like the ends of pipes.
//
// An address on the network must be one of this machine, see Config.AllowRemote.
// Listen may look up a name, and blocks as long.
func Listen(network, address string, key []byte, cfg Config) (*Listener, error) {
	cfg, err := cfg.check(network, key)
	if err != nil {
		return nil, err
	}
	l := &Listener{key: bytes.Clone(key), cfg: cfg, ready: strand.NewQueue[*multiprocessing.Conn](cfg.Handshakes)}
	if network == "unix" {
		if err := checkPath(address); err != nil {
			return nil, err
		}
		l.net, l.socket, err = listenSocket(address)
	} else {
		lc := net.ListenConfig{Control: controlHost(cfg)}
		l.net, err = lc.Listen(context.Background(), network, address)
	}
	if err != nil {
		return nil, fmt.Errorf("connection: %w", err)
	}
	l.ctx, l.end = context.WithCancelCause(context.Background())
	l.group.Go(l.serve)
	return l, nil
}

// serve accepts what comes.
func (l *Listener) serve() {
	const most = time.Second
	for pause := time.Duration(0); ; {
		c, err := l.net.Accept()
		if err == nil {
			pause = 0
			l.begin(c)
			continue
		}
		if l.ctx.Err() != nil || !isPassing(err) {
			l.mu.Lock()
			l.err = err
			l.mu.Unlock()
			l.ready.Shutdown()
			return
		}
		// Too many open files, or a dialler that is gone already. It gets better.
		pause = min(max(2*pause, 5*time.Millisecond), most)
		if strand.Sleep(l.ctx, pause) != nil {
			continue // the next Accept says why
		}
	}
}

// begin begins a handshake.
func (l *Listener) begin(c net.Conn) {
	ctx, cancel := context.WithCancelCause(l.ctx)
	s := &shaking{cancel: cancel}
	l.mu.Lock()
	if len(l.shaking) >= l.cfg.Handshakes {
		l.shaking[0].cancel(errPushedOut)
		l.shaking = slices.Delete(l.shaking, 0, 1)
	}
	l.shaking = append(l.shaking, s)
	l.mu.Unlock()
	l.group.Go(func() {
		defer cancel(nil)
		from := c.RemoteAddr()
		err := l.shake(ctx, c, from)
		l.mu.Lock()
		l.shaking = slices.DeleteFunc(l.shaking, func(t *shaking) bool { return s == t })
		if err != nil {
			l.refused++
		}
		l.mu.Unlock()
		if err != nil && l.cfg.Refused != nil {
			l.cfg.Refused(from, err)
		}
	})
}

var errPushedOut = errors.New("there were too many handshakes at once, and this one was the oldest")

// shake does a handshake, and puts the connection where Accept finds it.
func (l *Listener) shake(ctx context.Context, c net.Conn, from net.Addr) error {
	t, err := shake(ctx, c, l.key, l.cfg, welcome)
	if err != nil {
		return err
	}
	conn := multiprocessing.NewConn(t, from)
	ctx, cancel := context.WithTimeout(ctx, l.cfg.HandshakeTimeout)
	defer cancel()
	if err := l.ready.Put(ctx, conn); err != nil {
		_ = conn.Close()
		return fmt.Errorf("nobody accepted the connection: %w", err)
	}
	return nil
}

// Accept returns the next connection. It waits for one, as coroutines wait. It returns
// strand.Err(ctx) if ctx is done first, and an error that matches net.ErrClosed after
// Close. Diallers that do not get through the handshake it never sees: they hold up
// nobody, and are counted.
func (l *Listener) Accept(ctx context.Context) (*multiprocessing.Conn, error) {
	c, err := l.ready.TryGet()
	if errors.Is(err, strand.ErrEmpty) {
		op := strand.Op{Object: l, Kind: strand.OpAccept, Access: strand.Write}
		err = parcel.Aside(ctx, op, func(ctx context.Context) (err error) {
			c, err = l.ready.Get(ctx)
			return err
		})
	}
	if err == nil {
		return c, nil
	}
	if !errors.Is(err, strand.ErrShutdown) {
		return nil, err
	}
	if l.ctx.Err() != nil {
		return nil, fmt.Errorf("connection: accept: %w", net.ErrClosed)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return nil, fmt.Errorf("connection: accept: %w", l.err)
}

// Addr returns the address that others dial.
func (l *Listener) Addr() net.Addr {
	if l.socket != nil {
		return &net.UnixAddr{Name: l.socket.path, Net: "unix"}
	}
	return l.net.Addr()
}

// Close ends the listener, with the handshakes that are going on and the connections
// that nobody has accepted. Those that were accepted live on. Those who wait in Accept
// get an error that matches net.ErrClosed. Calls after the first do nothing.
func (l *Listener) Close() error {
	if l.ctx.Err() != nil {
		return nil
	}
	l.end(net.ErrClosed)
	l.socket.remove()
	err := l.net.Close()
	l.group.Wait()
	for _, c := range l.ready.ShutdownNow() {
		_ = c.Close()
	}
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// ListenerStatistics is a snapshot of a [Listener]; it is out of date when it is read.
type ListenerStatistics struct {
	Shaking int    // handshakes that are going on
	Waiting int    // connections that wait to be accepted
	Made    uint64 // connections made so far
	Refused uint64 // diallers that did not get through, or were not accepted in time
}

// Statistics returns a snapshot of l.
func (l *Listener) Statistics() ListenerStatistics {
	q := l.ready.Statistics()
	l.mu.Lock()
	defer l.mu.Unlock()
	return ListenerStatistics{Shaking: len(l.shaking), Waiting: q.Len, Made: q.Puts, Refused: l.refused}
}
