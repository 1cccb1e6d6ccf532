// Asyncio-http serves HTTP on an event loop: each connection is a coroutine, all of
// them on one loop. The protocol is that of github.com/valyala/fasthttp, as it is:
// a library that works in its caller's goroutine, on a net.Conn, works in a
// coroutine as well.
//
//	go run ./examples/asyncio-http            # listens on 127.0.0.1:8080
//	curl localhost:8080/                      # hello
//	curl localhost:8080/bytes/1000000 | wc -c # so many bytes
//	curl localhost:8080/sleep/500ms           # waits, and lets others run
//	curl --data-binary @file localhost:8080/echo
//	curl localhost:8080/served                # how many requests there were
//
// The first interrupt ends it when the requests under way are answered.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "listen on `HOST:PORT`")
	grace := flag.Duration("grace", 10*time.Second, "when interrupted, let requests go on for so `LONG`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second interrupt is the system's
	err := run(ctx, *addr, *grace, func(a net.Addr) { log.Printf("listening on http://%v", a) })
	if err != nil {
		log.Fatal(err)
	}
}

// run serves on addr until stop is done and what was under way then is answered,
// for which there is a time of grace. Once it listens it calls ready.
func run(stop context.Context, addr string, grace time.Duration, ready func(net.Addr)) error {
	// The loop outlives stop, since connections are served to their end.
	return asyncio.Run(context.WithoutCancel(stop), func(ctx context.Context) error {
		ln, err := asyncio.Listen(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		s := newServer()
		front := asyncio.Server{Handler: s.serve, Grace: grace}
		// Whoever ends stop does so on a goroutine; the rest is for the loop.
		loop := asyncio.LoopOf(ctx)
		defer context.AfterFunc(stop, func() {
			loop.CallSoonThreadsafe(s.close)
			front.Shutdown()
		})()
		ready(ln.Addr())
		return front.Serve(ctx, ln)
	})
}

// A server is a fasthttp.Server for connections of a loop. It has no lock, although
// all connections share it: one coroutine runs at a time.
type server struct {
	http    fasthttp.Server
	served  int
	closing bool
	idle    map[net.Conn]bool // connections that wait for a request
}

func newServer() *server {
	s := &server{idle: make(map[net.Conn]bool)}
	s.http = fasthttp.Server{
		Name:               "braid",
		Handler:            s.handle,
		ReadTimeout:        30 * time.Second,
		WriteTimeout:       30 * time.Second,
		IdleTimeout:        60 * time.Second,
		MaxRequestBodySize: 16 << 20,
		Logger:             quiet{},
		ConnState: func(c net.Conn, state fasthttp.ConnState) {
			if state == fasthttp.StateIdle {
				s.rest(c)
			} else {
				delete(s.idle, c)
			}
		},
	}
	return s
}

// quiet does not log that a client has hung up.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// A conn is a connection with the context of the coroutine that serves it.
type conn struct {
	net.Conn
	ctx context.Context
}

// serve serves a connection to its end.
func (s *server) serve(ctx context.Context, c net.Conn) {
	own := &conn{c, ctx}
	s.rest(own) // until its first request
	defer delete(s.idle, own)
	_ = s.http.ServeConn(own) // all that can fail is the connection
}

// rest takes note that c waits for a request, of which there will be no more when
// the server ends.
func (s *server) rest(c net.Conn) {
	if s.closing {
		_ = c.Close()
		return
	}
	s.idle[c] = true
}

// close has the server end: connections without a request are closed now, the
// others when theirs is answered.
func (s *server) close() {
	s.closing = true
	for c := range s.idle {
		_ = c.Close()
	}
}

// handle answers a request.
func (s *server) handle(r *fasthttp.RequestCtx) {
	s.served++
	defer func() {
		if s.closing {
			r.SetConnectionClose() // and tell the client so
		}
	}()
	switch path := string(r.Path()); {
	case path == "/":
		r.SetBodyString("hello\n")
	case path == "/served":
		fmt.Fprintln(r, s.served)
	case path == "/echo":
		r.SetBody(r.PostBody())
	case strings.HasPrefix(path, "/bytes/"):
		n, err := strconv.Atoi(strings.TrimPrefix(path, "/bytes/"))
		if err != nil || n < 0 || n > 1<<30 {
			r.Error("give a number of bytes, up to 1 GiB, as in /bytes/1000", fasthttp.StatusBadRequest)
			return
		}
		r.SetBodyStream(io.LimitReader(zeros{}, int64(n)), n)
	case strings.HasPrefix(path, "/sleep/"):
		d, err := time.ParseDuration(strings.TrimPrefix(path, "/sleep/"))
		if err != nil || d > time.Minute {
			r.Error("give a duration, up to a minute, as in /sleep/500ms", fasthttp.StatusBadRequest)
			return
		}
		if err := strand.Sleep(r.Conn().(*conn).ctx, d); err != nil {
			r.Error("the server ends: "+err.Error(), fasthttp.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(r, "slept %v\n", d)
	default:
		r.Error("there are /, /served, /echo, /bytes/N and /sleep/DURATION", fasthttp.StatusNotFound)
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
