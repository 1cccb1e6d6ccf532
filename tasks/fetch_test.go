package tasks

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/internal/proctest"
)

// serve starts a server for the test, and closes fetch's connections after it.
func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Cleanup(client.CloseIdleConnections)
	return s
}

// withTransports has fetch use other transports, on goroutines and on loops: with
// this configuration of TLS and, unless it is empty, with connections to this
// address whatever is asked for.
func withTransports(t *testing.T, cfg *tls.Config, address string) {
	t.Helper()
	stock, loops := client.Transport.(*http.Transport), loopClient.Transport.(*loopTransport)
	changed := stock.Clone()
	changed.TLSClientConfig = cfg
	changedLoops := &loopTransport{proxy: loops.proxy, dial: loops.dial, tls: cfg}
	if address != "" {
		changed.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return stock.DialContext(ctx, network, address)
		}
		changedLoops.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return loops.dial(ctx, network, address)
		}
	}
	client.Transport, loopClient.Transport = changed, changedLoops
	t.Cleanup(func() {
		changed.CloseIdleConnections()
		client.Transport, loopClient.Transport = stock, loops
	})
}

// An engine runs functions for a test, and waits for them.
type engine struct{ braid.Executor }

// do runs f on a strand of the engine.
func (e engine) do(t *testing.T, f func(ctx context.Context)) {
	t.Helper()
	_, err := braid.Go(t.Context(), e.Executor, func(ctx context.Context) (struct{}, error) {
		f(ctx)
		return struct{}{}, nil
	}).Await(t.Context())
	if err != nil && !t.Failed() {
		t.Fatal(err)
	}
}

// fetch runs the task as its users do.
func (e engine) fetch(ctx context.Context, address string) (Response, error) {
	return braid.Submit(ctx, e.Executor, Fetch, address).Await(context.WithoutCancel(ctx))
}

// eachEngine runs a test on goroutines and on an event loop, which have clients of
// their own, and sees that nothing is left.
func eachEngine(t *testing.T, test func(t *testing.T, e engine)) {
	t.Run("goroutines", func(t *testing.T) {
		proctest.Check(t)
		test(t, engine{})
	})
	t.Run("loop", func(t *testing.T) {
		proctest.Check(t)
		test(t, engine{newLoop(t)})
	})
}

// newLoop makes a loop for a test.
func newLoop(t *testing.T) *asyncio.Loop {
	loop := asyncio.NewLoop(asyncio.Config{SlowStep: -1})
	t.Cleanup(func() {
		if err := loop.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return loop
}

func wantFetchError(t *testing.T, err error, address string, status int, says string) {
	t.Helper()
	e, ok := errors.AsType[*FetchError](err)
	if !ok {
		t.Fatalf("error %v, want a *FetchError", err)
	}
	if e.URL != address || e.Status != status {
		t.Errorf("the error is about %q, status %d; want %q, status %d", e.URL, e.Status, address, status)
	}
	if text := e.Error(); !strings.HasPrefix(text, display(address)+": ") || !strings.Contains(text, says) {
		t.Errorf("error %q, want it to name %s and to say %q", text, address, says)
	}
}

func TestFetch(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		body := bytes.Repeat([]byte("x"), 3*pieceSize+17)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.UserAgent() != "braid" {
				t.Errorf("request %s by %q", r.Method, r.UserAgent())
			}
			switch r.URL.Path {
			case "/there":
				http.Redirect(w, r, "/body", http.StatusFound)
			case "/none":
				w.WriteHeader(http.StatusNoContent)
			case "/body":
				w.Write(body)
			}
		})
		for _, c := range []struct {
			path, final string
			status      int
			bytes       int64
		}{
			{"/body", "/body", 200, int64(len(body))},
			{"/none", "/none", 204, 0},
			{"/there", "/body", 200, int64(len(body))},
		} {
			got, err := e.fetch(t.Context(), s.URL+c.path)
			if err != nil {
				t.Fatal(err)
			}
			if got.Wall <= 0 {
				t.Errorf("%s: it took %v", c.path, got.Wall)
			}
			got.Wall = 0
			if want := (Response{URL: s.URL + c.path, Final: s.URL + c.final, Status: c.status, Bytes: c.bytes}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	})
}

// The bytes that count are those that were sent.
func TestFetchCountsBytesAsSent(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write(make([]byte, 10_000))
		z.Close()
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Accept-Encoding"); got != "" {
				t.Errorf("it asks for %s", got)
			}
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(packed.Bytes())
		})
		got, err := e.fetch(t.Context(), s.URL)
		if err != nil || got.Bytes != int64(packed.Len()) {
			t.Errorf("got %d bytes, %v; want %d", got.Bytes, err, packed.Len())
		}
	})
}

func TestFetchReusesConnections(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		var opened atomic.Int64
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				http.NotFound(w, r)
			}
		}))
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				opened.Add(1)
			}
		}
		s.Start()
		t.Cleanup(s.Close)
		t.Cleanup(client.CloseIdleConnections)
		for range 10 {
			if _, err := e.fetch(t.Context(), s.URL+"/"); err != nil {
				t.Fatal(err)
			}
			if _, err := e.fetch(t.Context(), s.URL+"/missing"); err == nil {
				t.Fatal("no error")
			}
		}
		if got := opened.Load(); got != 1 {
			t.Errorf("%d connections for 20 requests in turn, want 1", got)
		}

		const workers = 8
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range 10 {
					if _, err := e.fetch(t.Context(), s.URL+"/"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		// A request that finds none idle dials, and may then be served by another's
		// that became idle: what it dialled is kept for later.
		if got := opened.Load(); got > 2*workers {
			t.Errorf("%d connections for %d workers", got, workers)
		}
	})
}

func TestFetchStatus(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			var code int
			fmt.Sscan(r.URL.Path[1:], &code)
			if code == 429 {
				w.Header().Set("Retry-After", "120")
			}
			w.WriteHeader(code)
			io.WriteString(w, strings.Repeat("sorry ", 100))
		})
		for _, c := range []struct {
			code int
			says string
		}{
			{400, "status 400 Bad Request: ask the server's owner"},
			{401, "status 401 Unauthorized: it asks for permission"},
			{404, "status 404 Not Found: check the path"},
			{429, "Retry-After: 120"},
			{500, "status 500 Internal Server Error: the fault is the server's"},
			{503, "run fewer tasks at once"},
			{599, "status 599: the fault"},
		} {
			address := fmt.Sprint(s.URL, "/", c.code)
			_, err := e.fetch(t.Context(), address)
			wantFetchError(t, err, address, c.code, c.says)
		}
	})
}

// The body of a failure is not waited for to its end.
func TestFetchStatusWithEndlessBody(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		hungUp := make(chan struct{})
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			defer close(hungUp)
			w.WriteHeader(http.StatusNotFound)
			for {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		})
		e.do(t, func(ctx context.Context) {
			_, err := fetch(ctx, s.URL)
			wantFetchError(t, err, s.URL, 404, "check the path")
			<-hungUp // before the context ends, and with it the connection
		})
	})
}

func TestFetchBadURLs(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for _, c := range []struct{ address, says string }{
			{"example.com/path", "write it in full, as https://example.com/path"},
			{"ftp://example.com/", "it begins with ftp:, not with http:// or https://"},
			{"file:///etc/passwd", "not with http:// or https://: write it as https://example.com/path"},
			{"localhost:8080/", "write it in full, as https://localhost:8080/"},
			{"", "it does not begin with http:// or https://: write it as https://example.com/path"},
			{"http://", "it names no host"},
			{"https://:80/", "it names no host"},
			{"http://example.com/%zz", "not a URL: invalid URL escape"},
			{"http://exa mple.com/", "not a URL"},
		} {
			_, err := e.fetch(t.Context(), c.address)
			wantFetchError(t, err, c.address, 0, c.says)
		}
	})
}

func TestFetchHidesPasswords(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
				w.WriteHeader(http.StatusForbidden)
			}
		})
		withPassword := func(password string) string {
			return strings.Replace(s.URL, "http://", "http://me:"+password+"@", 1)
		}
		got, err := e.fetch(t.Context(), withPassword("secret"))
		if err != nil {
			t.Fatal(err)
		}
		if got.URL != withPassword("xxxxx") || strings.Contains(got.String()+got.Fingerprint(), "secret") {
			t.Errorf("got %+v", got)
		}
		_, err = e.fetch(t.Context(), withPassword("wrong"))
		wantFetchError(t, err, withPassword("xxxxx"), 403, "permission")
	})
}

func TestFetchRedirects(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			var n int
			switch _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); {
			case r.URL.Path == "/round":
				http.Redirect(w, r, "/round", http.StatusFound)
			case r.URL.Path == "/ftp":
				http.Redirect(w, r, "ftp://example.com/", http.StatusFound)
			case err == nil && n > 0:
				http.Redirect(w, r, fmt.Sprintf("/%d", n-1), http.StatusFound)
			}
		})
		if _, err := e.fetch(t.Context(), fmt.Sprint(s.URL, "/", maxRedirects)); err != nil {
			t.Errorf("%d redirects: %v", maxRedirects, err)
		}
		address := fmt.Sprint(s.URL, "/", maxRedirects+1)
		_, err := e.fetch(t.Context(), address)
		wantFetchError(t, err, address, 0, "more than 10 redirects")
		_, err = e.fetch(t.Context(), s.URL+"/round")
		wantFetchError(t, err, s.URL+"/round", 0, "more than 10 redirects")
		_, err = e.fetch(t.Context(), s.URL+"/ftp")
		wantFetchError(t, err, s.URL+"/ftp", 0, "it begins with ftp:")
	})
}

func TestFetchRefused(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := "http://" + l.Addr().String()
		l.Close()
		_, err = e.fetch(t.Context(), address)
		wantFetchError(t, err, address, 0, "nothing listens there")
	})
}

func TestFetchBrokenOff(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if r.URL.Path != "/" {
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			}
			if r.URL.Path == "/reset" {
				conn.(*net.TCPConn).SetLinger(0)
			}
		})
		for _, path := range []string{"/", "/body", "/reset"} {
			_, err := e.fetch(t.Context(), s.URL+path)
			wantFetchError(t, err, s.URL+path, 0, "the server broke off")
		}
	})
}

func TestFetchTLS(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // failed handshakes are what is tested
		s.StartTLS()
		t.Cleanup(s.Close)
		plain := serve(t, func(http.ResponseWriter, *http.Request) {})

		t.Run("unknown authority", func(t *testing.T) {
			_, err := e.fetch(t.Context(), s.URL)
			wantFetchError(t, err, s.URL, 0, "does not know who signed")
		})
		t.Run("no TLS there", func(t *testing.T) {
			address := strings.Replace(plain.URL, "http:", "https:", 1)
			_, err := e.fetch(t.Context(), address)
			wantFetchError(t, err, address, 0, "use http://")
		})

		known := x509.NewCertPool()
		known.AddCert(s.Certificate())
		t.Run("known authority", func(t *testing.T) {
			withTransports(t, &tls.Config{RootCAs: known}, "")
			if got, err := e.fetch(t.Context(), s.URL); err != nil || got.Bytes != 5 {
				t.Errorf("got %+v, %v", got, err)
			}
		})
		t.Run("another name", func(t *testing.T) {
			withTransports(t, &tls.Config{RootCAs: known}, s.Listener.Addr().String())
			_, err := e.fetch(t.Context(), "https://another.test/")
			wantFetchError(t, err, "https://another.test/", 0, "is for another name")
		})
		t.Run("out of date", func(t *testing.T) {
			withTransports(t, &tls.Config{RootCAs: known, Time: func() time.Time { return s.Certificate().NotAfter.Add(time.Hour) }}, "")
			_, err := e.fetch(t.Context(), s.URL)
			wantFetchError(t, err, s.URL, 0, "out of date")
		})
	})
}

func TestFetchHints(t *testing.T) {
	x, err := parseTarget("http://x")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err  error
		says string
	}{
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}, "unknown host"},
		{&net.DNSError{Err: "server misbehaving", Name: "x", IsTemporary: true}, "the name server"},
		{&net.DNSError{Err: "timeout", Name: "x", IsTimeout: true}, "the name server"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", connRefused)}, "nothing listens there"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", netUnreachable)}, "no way to the host"},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", connReset)}, "broke off"},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "timeout"},
		{tls.AlertError(40), "TLS failed"},
		{errors.New("anything else"), "check the URL and the network"},
	} {
		err := newFetchError(x, &url.Error{Op: "Get", URL: "http://x", Err: c.err})
		wantFetchError(t, err, "http://x", 0, c.says)
		if !errors.Is(err, c.err) || strings.Contains(err.Error(), "Get") {
			t.Errorf("error %q, want it to wrap %q", err, c.err)
		}
	}
	err = newFetchError(x, &url.Error{Op: "Get", URL: "http://y/", Err: syscall.EINVAL})
	wantFetchError(t, err, "http://x", 0, "redirected to http://y/: ")
}

func TestFetchCancelled(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		reached := make(chan struct{})
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/body" {
				io.WriteString(w, "the beginning")
				w.(http.Flusher).Flush()
			}
			reached <- struct{}{}
			<-r.Context().Done() // the client hangs up
		})
		for _, path := range []string{"/", "/body"} {
			cause := errors.New("nobody wants it")
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				<-reached
				cancel(cause)
			}()
			_, err := e.fetch(ctx, s.URL+path)
			if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
				t.Errorf("%s: error %v, want context.Canceled and its cause", path, err)
			}
		}
	})
}

func TestResponseString(t *testing.T) {
	r := Response{URL: "http://a/", Final: "http://a/", Status: 200, Bytes: 12, Wall: 1234567 * time.Nanosecond}
	if got, want := r.String(), "200  12 bytes in 1.23ms  http://a/"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	moved := r
	moved.Final = "http://b/"
	if got, want := moved.String(), "200  12 bytes in 1.23ms  http://a/ -> http://b/"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	slower := r
	slower.Wall *= 2
	if r.Fingerprint() != slower.Fingerprint() || r.Fingerprint() == moved.Fingerprint() {
		t.Errorf("fingerprints %q, slower %q, moved %q", r.Fingerprint(), slower.Fingerprint(), moved.Fingerprint())
	}
}
