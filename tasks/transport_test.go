package tasks

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/strand"
)

// All fetches wait at once, on one loop: the server answers none before it has
// been asked by all.
func TestLoopFetchesTogether(t *testing.T) {
	proctest.Check(t)
	const n = 200
	var asked atomic.Int64
	all := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == n {
			close(all)
		}
		<-all
		w.Write(make([]byte, 1000))
	})
	e := engine{newLoop(t)}
	var calls []*braid.Future[Response]
	for range n {
		calls = append(calls, braid.Submit(t.Context(), e.Executor, Fetch, s.URL))
	}
	for _, c := range calls {
		if got, err := c.Await(t.Context()); err != nil || got.Bytes != 1000 {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
}

// raw serves connections with bytes: each request, whatever it is, gets the next
// of the answers, after which the connection is closed if it ends with a "!".
func raw(t *testing.T, answers ...string) (address string, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var next, count atomic.Int64
	var serving sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			serving.Go(func() {
				defer c.Close()
				defer context.AfterFunc(ctx, func() { c.Close() })()
				for r := bufio.NewReader(c); ; {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					answer, ends := strings.CutSuffix(answers[int(next.Add(1)-1)%len(answers)], "!")
					io.WriteString(c, answer)
					if ends {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		serving.Wait()
	})
	return "http://" + l.Addr().String(), &count
}

// What servers send that is not plain, on goroutines as on loops.
func TestFetchResponses(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		status       int
		bytes        int64
		says         string // of an error
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, 3, ""},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n", 200, 5, ""},
		{"to the end", "HTTP/1.1 200 OK\r\n\r\nto the end!", 200, 10, ""},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nold!", 200, 3, ""},
		{"nothing", "HTTP/1.1 204 No Content\r\n\r\n", 204, 0, ""},
		{"provisional", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", 200, 1, ""},
		{"provisional for ever", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 20) + "!", 0, 0, "broke off"},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!", 0, 0, "broke off"},
		{"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf!", 0, 0, "broke off"},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n!", 0, 0, "broke off"},
		{"no HTTP", "220 mail.example.com ESMTP\r\n!", 0, 0, "malformed HTTP"},
		{"endless header", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1<<20)+"\r\n", 12) + "\r\n!", 0, 0, "header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, e engine) {
				t.Cleanup(client.CloseIdleConnections)
				address, _ := raw(t, c.answer)
				got, err := e.fetch(t.Context(), address)
				if c.says != "" {
					wantFetchError(t, err, address, 0, c.says)
					return
				}
				if err != nil || got.Status != c.status || got.Bytes != c.bytes {
					t.Errorf("got %+v, %v; want status %d, %d bytes", got, err, c.status, c.bytes)
				}
			})
		})
	}
}

// A connection is kept if the response says nothing else and was read to its end.
func TestLoopKeepsConnections(t *testing.T) {
	proctest.Check(t)
	const plain = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"
	for _, c := range []struct {
		name    string
		answers []string
		want    int64 // connections for three requests
	}{
		{"kept", []string{plain}, 1},
		{"without a body", []string{"HTTP/1.1 204 No Content\r\n\r\n"}, 1},
		{"closed by name", []string{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na"}, 3},
		{"HTTP/1.0", []string{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na"}, 3},
		{"more than was asked for", []string{plain + "and more"}, 3},
		// The server closes it, and only the next request finds out.
		{"stale", []string{plain + "!"}, 3},
		{"stale, with a last word", []string{plain, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nslow!"}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			address, connections := raw(t, c.answers...)
			e := engine{newLoop(t)}
			for range 3 {
				if _, err := e.fetch(t.Context(), address); err != nil {
					t.Fatal(err)
				}
			}
			if got := connections.Load(); got != c.want {
				t.Errorf("%d connections, want %d", got, c.want)
			}
		})
	}
}

// A limit on the time of a call ends its waits, though it is not the context that
// the coroutine was started with.
func TestLoopFetchTimeout(t *testing.T) {
	proctest.Check(t)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	_, err := braid.Submit(t.Context(), newLoop(t), Fetch, s.URL, braid.Timeout(10*time.Millisecond)).Await(t.Context())
	if limit, ok := errors.AsType[*braid.TimeoutError](err); !ok || limit.Limit != 10*time.Millisecond {
		t.Errorf("error %v, want that of the limit", err)
	}
}

// proxied has coroutines use a proxy.
func proxied(t *testing.T, proxy string, cfg *tls.Config) {
	t.Helper()
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	before := loopClient.Transport.(*loopTransport)
	loopClient.Transport = &loopTransport{proxy: http.ProxyURL(u), dial: before.dial, tls: cfg}
	t.Cleanup(func() { loopClient.Transport = before })
}

// tunnelProxy is a proxy that passes on what it is asked for in full, and connects
// to other hosts for those who know the password.
func tunnelProxy(t *testing.T) http.HandlerFunc {
	var passing sync.WaitGroup
	t.Cleanup(passing.Wait)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "Basic bWU6c2VjcmV0" { // me:secret
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if r.Method != http.MethodConnect {
			fmt.Fprintf(w, "asked for %s", r.RequestURI)
			return
		}
		there, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		here, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
			passing.Go(func() {
				io.Copy(struct{ io.Writer }{way[0]}, struct{ io.Reader }{way[1]}) // without pipes of the system's
				way[0].Close()
				way[1].Close()
			})
		}
	}
}

func TestLoopProxy(t *testing.T) {
	proctest.Check(t)
	target := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "secret page") }))
	t.Cleanup(target.Close)
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			proxy := httptest.NewUnstartedServer(tunnelProxy(t))
			known := x509.NewCertPool()
			known.AddCert(target.Certificate()) // httptest has one certificate for all
			if scheme == "https" {
				proxy.StartTLS()
			} else {
				proxy.Start()
			}
			t.Cleanup(proxy.Close)
			with := func(user string) string { return strings.Replace(proxy.URL, "://", "://"+user+"@", 1) }

			e := engine{newLoop(t)}
			proxied(t, with("me:secret"), &tls.Config{RootCAs: known})
			for range 2 {
				got, err := e.fetch(t.Context(), "http://example.test/page")
				if err != nil || got.Bytes != int64(len("asked for http://example.test/page")) {
					t.Errorf("plain: got %+v, %v", got, err)
				}
				got, err = e.fetch(t.Context(), target.URL)
				if err != nil || got.Bytes != int64(len("secret page")) {
					t.Errorf("tunnel: got %+v, %v", got, err)
				}
			}
			proxied(t, with("me:wrong"), &tls.Config{RootCAs: known})
			_, err := e.fetch(t.Context(), "http://example.test/page")
			wantFetchError(t, err, "http://example.test/page", http.StatusProxyAuthRequired, "status 407")
			_, err = e.fetch(t.Context(), target.URL)
			wantFetchError(t, err, target.URL, 0, "refuses to connect: 407 Proxy Authentication Required")
			if strings.Contains(err.Error(), "wrong") {
				t.Errorf("error %q tells the password", err)
			}
		})
	}
	t.Run("socks5", func(t *testing.T) {
		proxied(t, "socks5://127.0.0.1:1", nil)
		_, err := engine{newLoop(t)}.fetch(t.Context(), "http://example.test/")
		wantFetchError(t, err, "http://example.test/", 0, "the proxy is of the kind socks5, and an event loop knows those of http and https: run it on threads")
	})
}

func TestRoutes(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "proxy:3128"}
	for _, c := range []struct {
		address string
		proxy   *url.URL
		want    route
	}{
		{"http://a/x", nil, route{"", "http", "a:80"}},
		{"https://a/x", nil, route{"", "https", "a:443"}},
		{"http://a:8080/x", nil, route{"", "http", "a:8080"}},
		{"http://[::1]/x", nil, route{"", "http", "[::1]:80"}},
		{"http://a/x", proxy, route{"http://proxy:3128", "", ""}},
		{"https://a/x", proxy, route{"http://proxy:3128", "https", "a:443"}},
	} {
		u, err := url.Parse(c.address)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := routeOf(u, c.proxy); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.address, got, err, c.want)
		}
	}
	u := &url.URL{Scheme: "http", Host: "bücher.example"}
	if _, err := routeOf(u, nil); err == nil || !strings.Contains(err.Error(), "write it with xn--") {
		t.Errorf("%v: error %v", u, err)
	}
}

// closer is a connection that notes when it is closed.
type closer struct {
	contextConn
	closed *[]int
	id     int
}

func (c closer) Close() error {
	*c.closed = append(*c.closed, c.id)
	return nil
}

// Connections that nobody uses are closed after a while, and those that are used
// are not.
func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed []int
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			var pools connPools
			pool := pools.of(asyncio.LoopOf(ctx))
			r := route{scheme: "http", addr: "a:80"}
			for id := range 3 {
				c := newConn(r, closer{closed: &closed, id: id})
				c.pool = pool
				pool.put(c)
			}
			// The one that was used last is used again.
			for range 10 {
				if err := strand.Sleep(ctx, idleTimeout/4); err != nil {
					return err
				}
				if c := pool.take(r); c != nil {
					pool.put(c)
				}
			}
			if fmt.Sprint(closed) != "[0 1]" {
				t.Errorf("closed %v while 2 is in use, want 0 and 1", closed)
			}
			if err := strand.Sleep(ctx, idleTimeout+1); err != nil {
				return err
			}
			if fmt.Sprint(closed) != "[0 1 2]" || pool.n != 0 || len(pool.idle) != 0 {
				t.Errorf("closed %v, %d of %d hosts left", closed, pool.n, len(pool.idle))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed []int
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			var pools connPools
			pool := pools.of(asyncio.LoopOf(ctx))
			for id := range 3 * maxIdlePerHost {
				c := newConn(route{addr: fmt.Sprint(id % 3)}, closer{closed: &closed, id: id})
				c.pool = pool
				pool.put(c)
			}
			if pool.n != maxIdle || len(closed) != 3*maxIdlePerHost-maxIdle {
				t.Errorf("%d kept, %d closed", pool.n, len(closed))
			}
			before := len(closed)
			one := newConn(route{addr: "0"}, closer{closed: &closed})
			one.pool = pool
			pool.put(one)
			if len(closed) != before+1 {
				t.Error("one more was kept")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// What is known of loops that have ended goes when another one comes.
func TestEndedLoopsAreForgotten(t *testing.T) {
	var pools connPools
	for range 5 {
		loop := asyncio.NewLoop(asyncio.Config{})
		pools.of(loop)
		if err := loop.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(pools.pools); n != 1 {
		t.Errorf("%d pools, want that of the last loop", n)
	}
}

func TestLoopTransportNeedsALoop(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loopClient.Do(req); err == nil || !strings.Contains(err.Error(), "not that of a coroutine") {
		t.Errorf("error %v", err)
	}
}

// A body that was not read to its end cannot be read after Close.
func TestBodyAfterClose(t *testing.T) {
	proctest.Check(t)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(bytes.Repeat([]byte("x"), 100)) })
	engine{newLoop(t)}.do(t, func(ctx context.Context) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := loopClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 10)); err != nil {
			t.Error(err)
		}
		resp.Body.Close()
		resp.Body.Close()
		if n, err := resp.Body.Read(make([]byte, 10)); n != 0 || err != http.ErrBodyReadAfterClose {
			t.Errorf("read %d bytes, %v", n, err)
		}
	})
}
