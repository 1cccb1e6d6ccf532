package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

// Fetch is the task fetch: it takes a URL and requests it by HTTP GET, to the
// last byte of the body, which it counts and lets go. Redirects are followed, up
// to 10 of them, and connections are kept for further requests. A proxy is taken
// from HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Only connecting has limits of its
// own, 30 s, and 10 s more for TLS; for the whole, set [braid.Timeout].
//
// On an event loop the connections are the loop's own: whatever it waits for, it
// parks its coroutine. There it speaks HTTP/1.1 only, while goroutines also use
// HTTP/2 where the server offers that; proxies are of the kinds http and https,
// without socks5; and names of hosts are in ASCII, with xn-- for other letters.
//
// Failures are of type [*FetchError]; a response with a status of 400 or more is
// one.
var Fetch = braid.Define("fetch", fetch,
	braid.Doc("The status, size and time of an HTTP request."),
	braid.Idempotent())

// A Response is the result of [Fetch].
type Response struct {
	URL    string        `json:"url"`     // as it was given, without the password if there was one
	Final  string        `json:"final"`   // the URL that answered, after redirects
	Status int           `json:"status"`  // 200 and so on, less than 400
	Bytes  int64         `json:"bytes"`   // the size of the body as it was sent
	Wall   time.Duration `json:"wall_ns"` // from the request to the last byte
}

const maxRedirects = 10

// Bodies are read in smaller pieces than files: thousands of fetches may be under
// way, and each holds a piece while it waits.
const fetchPieceSize = 32 << 10

var fetchPieces = sync.Pool{New: func() any { return new([fetchPieceSize]byte) }}

// client is for goroutines.
var client = &http.Client{
	Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: tlsTimeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        maxIdle,
		MaxIdleConnsPerHost: maxIdlePerHost,
		IdleConnTimeout:     idleTimeout,

		// Bytes are to be those that were sent.
		DisableCompression: true,
	},
	CheckRedirect: checkRedirect,
}

// loopClient is for coroutines.
var loopClient = &http.Client{
	Transport:     &loopTransport{proxy: http.ProxyFromEnvironment, dial: asyncio.Dial},
	CheckRedirect: checkRedirect,
}

func clientFor(ctx context.Context) *http.Client {
	if asyncio.LoopOf(ctx) != nil {
		return loopClient
	}
	return client
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errRedirects
	}
	return checkScheme(req.URL)
}

func fetch(ctx context.Context, address string) (Response, error) {
	t, err := parseTarget(address)
	if err != nil {
		return Response{}, err
	}
	begin := strand.Now(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.String(), nil)
	if err != nil {
		return Response{}, newFetchError(t, err)
	}
	req.Header.Set("User-Agent", "braid")
	resp, err := clientFor(ctx).Do(req)
	if ctx.Err() != nil && err != nil {
		return Response{}, strand.Err(ctx)
	}
	if err != nil {
		return Response{}, newFetchError(t, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		// A short body is read, so that the connection can be used again.
		_, _ = io.CopyN(io.Discard, resp.Body, pieceSize)
		return Response{}, newStatusError(t, resp)
	}
	piece := fetchPieces.Get().(*[fetchPieceSize]byte)
	defer fetchPieces.Put(piece)
	size, err := readBy(ctx, resp.Body, piece[:],
		func(err error) error { return newFetchError(t, err) },
		func([]byte) error { return nil })
	if err != nil {
		return Response{}, err
	}
	r := Response{URL: t.shown, Final: t.shown, Status: resp.StatusCode, Bytes: size, Wall: strand.Now(ctx).Sub(begin)}
	if resp.Request != req {
		r.Final = resp.Request.URL.Redacted()
	}
	return r, nil
}

// A target is what fetch asks for.
type target struct {
	*url.URL
	shown string // as it was given, without the password if there was one
}

var errNoHost = errors.New("it names no host")

// parseTarget reads an address, and sees that fetch can ask for it.
func parseTarget(address string) (target, error) {
	const form = "write it as https://example.com/path"
	u, err := url.Parse(address)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the rest repeats the address
		}
		return target{}, &FetchError{URL: address, Err: fmt.Errorf("not a URL: %w", err), Hint: form + ", with % before what is special"}
	}
	t := target{u, address}
	if u.User != nil {
		t.shown = u.Redacted()
	}
	if err := checkScheme(u); err != nil {
		hint := form
		if address != "" && (u.Scheme == "" || u.Opaque != "") { // as example.com/path or localhost:80
			hint = "write it in full, as https://" + t.shown
		}
		return target{}, &FetchError{URL: t.shown, Err: err, Hint: hint}
	}
	if u.Hostname() == "" {
		return target{}, &FetchError{URL: t.shown, Err: errNoHost, Hint: form}
	}
	return t, nil
}

func checkScheme(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return &schemeError{u.Scheme}
	}
	return nil
}

// String returns status, size, time and address.
func (r Response) String() string {
	s := fmt.Sprintf("%d  %d bytes in %v  %s", r.Status, r.Bytes, rounded(r.Wall), display(r.URL))
	if r.Final != r.URL {
		s += " -> " + display(r.Final)
	}
	return s
}

// Fingerprint returns what does not depend on the engine.
func (r Response) Fingerprint() string {
	return fmt.Sprintf("%d %d %q %q", r.Status, r.Bytes, r.URL, r.Final)
}
