package tasks

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/go-braid/braid/asyncio"
)

// Limits of connecting, on every engine.
const (
	dialTimeout = 30 * time.Second
	tlsTimeout  = 10 * time.Second
)

// A loopTransport is an http.RoundTripper for requests without a body that come
// from coroutines. It uses connections of the coroutine's loop and starts no
// goroutine: the coroutine writes the request, reads the response and, as it
// reads the body, parks.
//
// It speaks HTTP/1.1 only. In HTTP/2 the requests share connections, which need
// strands of their own to read them; many connections serve a batch as well.
type loopTransport struct {
	proxy func(*http.Request) (*url.URL, error)
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	tls   *tls.Config
	pools connPools
}

// A route is the way to a server. Requests with the same one can share a
// connection.
type route struct {
	proxy  string // its URL; empty: none
	scheme string // http or https; empty if the proxy is told with each request
	addr   string // host and port
}

// throughProxy reports whether it is the proxy that does the requests.
func (r route) throughProxy() bool { return r.proxy != "" && r.addr == "" }

// RoundTrip implements [http.RoundTripper].
func (t *loopTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	loop := asyncio.LoopOf(req.Context())
	if loop == nil {
		return nil, errors.New("the context of the request is not that of a coroutine")
	}
	proxy, err := t.proxy(req)
	if err != nil {
		return nil, err
	}
	r, err := routeOf(req.URL, proxy)
	if err != nil {
		return nil, err
	}
	pool := t.pools.of(loop)
	for {
		c := pool.take(r)
		used := c != nil
		if !used {
			if c, err = t.connect(req.Context(), r, proxy); err != nil {
				return nil, err
			}
			c.pool = pool
		}
		if r.throughProxy() {
			req = authorized(req, proxy)
		}
		resp, err := c.exchange(req)
		if err != nil {
			c.close()
		}
		// The server may have closed a connection while nobody looked, some with
		// a last word. Then it has not seen the request, or not answered it: a
		// GET is sent again.
		switch {
		case used && err != nil && c.received == 0 && req.Context().Err() == nil:
		case used && err == nil && resp.StatusCode == http.StatusRequestTimeout:
			_ = resp.Body.Close()
		default:
			return resp, err
		}
	}
}

// routeOf returns the way to the server of u, through proxy if that is not nil.
func routeOf(u, proxy *url.URL) (route, error) {
	r := route{scheme: u.Scheme}
	var err error
	if r.addr, err = hostPort(u); err != nil || proxy == nil {
		return r, err
	}
	if proxy.Scheme != "http" && proxy.Scheme != "https" {
		return r, fmt.Errorf("the proxy is of the kind %s, and an event loop knows those of http and https: run it on threads", display(proxy.Scheme))
	}
	r.proxy = proxy.String()
	if u.Scheme == "http" {
		r.scheme, r.addr = "", ""
	}
	return r, nil
}

// hostPort returns what to dial for u.
func hostPort(u *url.URL) (string, error) {
	host, port := u.Hostname(), u.Port()
	for i := range len(host) {
		if host[i] >= 0x80 {
			return "", fmt.Errorf("on an event loop the name of a host has to be in ASCII, and %s is not: write it with xn--, or run it on threads", display(host))
		}
	}
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(host, port), nil
}

// connect makes a new connection for r.
func (t *loopTransport) connect(ctx context.Context, r route, proxy *url.URL) (*conn, error) {
	hop := r.addr
	if proxy != nil {
		var err error
		if hop, err = hostPort(proxy); err != nil {
			return nil, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := t.dial(limited, "tcp", hop)
	if err != nil {
		return nil, err
	}
	c := newConn(r, raw.(contextConn)) // as those of asyncio are
	if err := t.prepare(ctx, c, proxy); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// prepare makes all of the way of c that comes after its first hop.
func (t *loopTransport) prepare(ctx context.Context, c *conn, proxy *url.URL) error {
	if proxy != nil && proxy.Scheme == "https" {
		if err := c.secure(ctx, t.tls, proxy.Hostname()); err != nil {
			return err
		}
	}
	if c.route.scheme != "https" {
		return nil
	}
	if proxy != nil {
		if err := c.tunnel(ctx, proxy); err != nil {
			return err
		}
	}
	host, _, err := net.SplitHostPort(c.route.addr)
	if err != nil {
		return err
	}
	return c.secure(ctx, t.tls, host)
}

// authorized returns req with the password for the proxy.
func authorized(req *http.Request, proxy *url.URL) *http.Request {
	auth := proxyAuth(proxy)
	if auth == "" || req.Header.Get("Proxy-Authorization") != "" {
		return req
	}
	req = req.WithContext(req.Context())
	req.Header = req.Header.Clone()
	req.Header.Set("Proxy-Authorization", auth)
	return req
}

func proxyAuth(proxy *url.URL) string {
	if proxy.User == nil {
		return ""
	}
	password, _ := proxy.User.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password))
}

// tunnel has the proxy at the other end connect to the server.
func (c *conn) tunnel(ctx context.Context, proxy *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	req := (&http.Request{
		Method: http.MethodConnect, URL: &url.URL{Opaque: c.route.addr}, Host: c.route.addr, Header: make(http.Header),
	}).WithContext(ctx)
	if auth := proxyAuth(proxy); auth != "" {
		req.Header.Set("Proxy-Authorization", auth)
	}
	resp, err := c.roundTrip(req, req.Write)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy %s refuses to connect: %s", proxy.Redacted(), resp.Status)
	}
	if c.reader.Buffered() > 0 {
		return errors.New("the proxy sends what nobody has asked for")
	}
	return nil
}

// secure speaks TLS from now on.
func (c *conn) secure(ctx context.Context, cfg *tls.Config, host string) error {
	ctx, cancel := context.WithTimeout(ctx, tlsTimeout)
	defer cancel()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg = cfg.Clone()
	cfg.NextProtos = []string{"http/1.1"}
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	c.wire.ctx = ctx
	secured := tls.Client(c.over, cfg)
	// HandshakeContext would start a goroutine; the wire watches the context.
	if err := secured.Handshake(); err != nil {
		return err
	}
	c.over = secured
	c.reader = bufio.NewReader(c)
	return nil
}
