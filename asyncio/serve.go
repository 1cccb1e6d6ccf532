package asyncio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A Server handles connections, a coroutine each. Handler alone must be set. The
// fields must not change once it serves.
type Server struct {
	// Handler handles a connection, which is closed when it returns. Ctx is that
	// of Serve, but is not done before Grace is over. If Handler panics, that is
	// logged with the stack, and costs this connection only.
	Handler func(ctx context.Context, c net.Conn)

	// MaxConns is the number of connections that are handled at once; further
	// ones wait in the system's queue. 0 means 10,000.
	MaxConns int

	// Grace is how long handlers may go on when the server stops; then their
	// context is cancelled. 0 means 5 seconds, and negative not at all.
	Grace time.Duration

	mu      sync.Mutex
	stopped bool
	stops   []context.CancelFunc
}

// ErrServerStopped is the cause with which the context of a handler is cancelled that
// goes on when the server has stopped and Server.Grace is over.
var ErrServerStopped = errors.New("asyncio: the server has stopped")

// How long handlers may take, when their context was cancelled, before their
// connections are aborted, and how long after that.
const parting = time.Second

// Serve is [Server.Serve] of a Server that has this handler and is otherwise zero.
func Serve(ctx context.Context, ln net.Listener, handler func(ctx context.Context, c net.Conn)) error {
	s := Server{Handler: handler}
	return s.Serve(ctx, ln)
}

// Serve accepts connections from ln and handles them, until ctx is done, Shutdown is
// called or Accept fails, as it does when ln is closed. Then it closes ln, lets the
// handlers go on for Grace, cancels the context of those that are left, and aborts
// the connections of those that do not end within a second after that.
//
// It returns nil if the handlers have all ended by themselves, an error that says how
// many connections were cut otherwise, and in any case that of Accept. It is for
// coroutines of the loop that ln belongs to.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	l, err := networkOf(ctx, "Serve")
	if err != nil {
		return err
	}
	if s.Handler == nil {
		return errors.New("asyncio: Serve: Server.Handler is nil")
	}
	if s.MaxConns < 0 {
		return fmt.Errorf("asyncio: Serve: Server.MaxConns is %d: it must be positive, or 0 for 10,000", s.MaxConns)
	}
	accepting, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(accepting, func() { ln.Close() })()
	if !s.enter(stop) {
		stop()
	}
	handling, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	v := &service{server: s, loop: l, room: strand.NewSemaphore(s.limit())}
	err = v.accept(accepting, handling, ln)
	if accepting.Err() != nil {
		err = nil
	}
	ln.Close()
	return errors.Join(err, v.drain(context.WithoutCancel(ctx), cancel))
}

// enter notes how to stop a call of Serve. It reports false if Shutdown was called.
func (s *Server) enter(stop context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stops = append(s.stops, stop)
	return !s.stopped
}

// Shutdown stops the server: all calls of Serve, present and future ones, come to an
// end as if their context were done. It does not wait for that, and may be called
// from any goroutine, any number of times.
func (s *Server) Shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, stop := range s.stops {
		stop()
	}
	s.stops = nil
}

func (s *Server) limit() int {
	if s.MaxConns == 0 {
		return 10_000
	}
	return s.MaxConns
}

func (s *Server) grace() time.Duration {
	if s.Grace == 0 {
		return 5 * time.Second
	}
	return max(0, s.Grace)
}

// A service is one call of Serve.
type service struct {
	server *Server
	loop   *Loop
	room   *strand.Semaphore
	conns  waitq.List[net.Conn] // that are being handled
	empty  *strand.Event        // set when there are none; nil before the end
}

// accept starts a handler for each connection, until there are no more.
func (v *service) accept(ctx, handling context.Context, ln net.Listener) error {
	for {
		if err := v.room.Acquire(ctx, 1); err != nil {
			return err
		}
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		n := &waitq.Node[net.Conn]{Value: c}
		v.conns.Push(n)
		Go(handling, func(ctx context.Context) error {
			defer v.leave(n)
			defer v.contain(c)
			v.server.Handler(ctx, c)
			return nil
		})
	}
}

// contain logs the panic of a handler.
func (v *service) contain(c net.Conn) {
	if e := recover(); e != nil {
		slog.Error("asyncio: the handler of a connection panicked", "loop", v.loop.cfg.Name,
			"remote", fmt.Sprint(c.RemoteAddr()), "panic", e, "stack", string(debug.Stack()))
	}
}

func (v *service) leave(n *waitq.Node[net.Conn]) {
	n.Value.Close()
	v.conns.Remove(n)
	v.room.Release(1)
	if v.conns.Len() == 0 && v.empty != nil {
		v.empty.Set()
	}
}

// drain waits for the handlers, and sees to it that they end.
func (v *service) drain(ctx context.Context, cancel context.CancelCauseFunc) error {
	v.empty = &strand.Event{}
	if v.conns.Len() == 0 || v.wait(ctx, v.server.grace()) {
		return nil
	}
	cut := v.conns.Len()
	cancel(ErrServerStopped)
	if !v.wait(ctx, parting) {
		for n := v.conns.Front(); n != nil; n = n.Next() {
			abort(n.Value)
		}
		if !v.wait(ctx, parting) {
			return fmt.Errorf("asyncio: the server has stopped and cut %s; %d of their handlers have not ended, although their context is done and the connection closed", connections(cut), v.conns.Len())
		}
	}
	return fmt.Errorf("asyncio: the server has stopped and cut %s, whose handlers had not ended in time", connections(cut))
}

// wait waits until all handlers have ended, and reports whether they have in d.
func (v *service) wait(ctx context.Context, d time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return v.empty.Wait(ctx) == nil
}

// abort aborts c, or closes it if it cannot be aborted.
func abort(c net.Conn) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok { // such as a *tls.Conn
		c = t.NetConn()
	}
	if a, ok := c.(interface{ Abort() error }); ok {
		_ = a.Abort()
		return
	}
	c.Close()
}

func connections(n int) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", n)
}
