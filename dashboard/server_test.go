package dashboard

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/record"
)

// served is a server that runs until the test ends.
type served struct {
	*Server
	t    *testing.T
	base string
	stop func()
}

func serve(t *testing.T, path string, cfg Config) *served {
	t.Helper()
	return serveAs(t, path, cfg, func(*Server) {})
}

// serveAs serves a log with a server that is changed before.
func serveAs(t *testing.T, path string, cfg Config, change func(*Server)) *served {
	t.Helper()
	s, err := New(path, cfg)
	if err != nil {
		t.Fatal(err)
	}
	change(s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	v := &served{Server: s, t: t, base: "http://" + s.listener.Addr().String()}
	stopped := false
	v.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	t.Cleanup(v.stop)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return v
}

// ask sends a request that has the cookie, changed by change.
func (v *served) ask(method, path string, change func(*http.Request)) *http.Response {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: v.cookie, Value: v.token})
	if change != nil {
		change(r)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { res.Body.Close() })
	return res
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (v *served) snapshot() *decoded {
	v.t.Helper()
	res := v.ask("GET", "/api/snapshot", nil)
	text := body(v.t, res)
	if res.StatusCode != http.StatusOK {
		v.t.Fatalf("%s: %s", res.Status, text)
	}
	d, err := decodeSnapshot([]byte(text))
	if err != nil {
		v.t.Fatal(err)
	}
	return d
}

// Who may look: each rule of the guard, with what it must refuse and what it must not.
func TestGuard(t *testing.T) {
	var stops atomic.Int32
	v := serve(t, tell(10, 1).end().file(t), Config{Control: &Control{Stop: func() { stops.Add(1) }}})
	strange := func(r *http.Request) { r.Header.Del("Cookie") }
	with := func(changes ...func(*http.Request)) func(*http.Request) {
		return func(r *http.Request) {
			for _, c := range changes {
				c(r)
			}
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	_, port, _ := net.SplitHostPort(v.listener.Addr().String())
	for _, c := range []struct {
		name, method, path string
		change             func(*http.Request)
		want               int
	}{
		{"cookie", "GET", "/", nil, 200},
		{"head", "HEAD", "/", nil, 200},
		{"no cookie", "GET", "/", strange, 403},
		{"no cookie for data", "GET", "/api/snapshot", strange, 403},
		{"no cookie for events", "GET", "/api/events?from=0", strange, 403},
		{"no cookie for a script", "GET", "/app.js", strange, 403},
		{"token", "GET", "/?token=" + v.token, strange, 200},
		{"wrong token", "GET", "/?token=" + strings.ToLower(v.token), strange, 403},
		{"empty token", "GET", "/?token=", strange, 403},
		{"token is for the start alone", "GET", "/api/snapshot?token=" + v.token, strange, 403},
		{"token is not for commands", "POST", "/api/stop?token=" + v.token, with(strange, header("X-Braid", "1")), 403},
		{"wrong cookie", "GET", "/", with(strange, header("Cookie", v.cookie+"=x")), 403},
		{"a wrong cookie beside the right one", "GET", "/", header("Cookie", v.cookie+"=x; "+v.cookie+"="+v.token), 200},
		{"cookie of another server", "GET", "/", with(strange, header("Cookie", "braid-1="+v.token)), 403},

		{"localhost", "GET", "/", host("localhost:" + port), 200},
		{"forwarded port", "GET", "/", host("localhost:9"), 200},
		{"IPv6 loopback", "GET", "/", host("[::1]:" + port), 200},
		{"rebound name", "GET", "/", host("evil.example:" + port), 403},
		{"rebound name, data", "GET", "/api/snapshot", host("evil.example"), 403},
		{"name that begins well", "GET", "/", host("127.0.0.1.evil.example"), 403},
		{"name that begins as localhost", "GET", "/", host("localhost.evil.example:80"), 403},
		{"user in the name", "GET", "/", host("127.0.0.1@evil.example"), 403},
		{"another address", "GET", "/", host("10.0.0.1:" + port), 403},

		{"own origin", "GET", "/api/snapshot", header("Origin", v.base), 200},
		{"other origin", "GET", "/api/snapshot", header("Origin", "http://evil.example"), 403},
		{"other port", "GET", "/api/snapshot", header("Origin", "http://127.0.0.1:1"), 403},
		{"null origin", "GET", "/api/snapshot", header("Origin", "null"), 403},
		{"own site", "GET", "/api/snapshot", header("Sec-Fetch-Site", "same-origin"), 200},
		{"typed address", "GET", "/", header("Sec-Fetch-Site", "none"), 200},
		{"other site", "GET", "/api/snapshot", header("Sec-Fetch-Site", "cross-site"), 403},
		{"other port of this host", "GET", "/api/snapshot", header("Sec-Fetch-Site", "same-site"), 403},
		{"link from elsewhere", "GET", "/?token=" + v.token, with(strange, header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "navigate")), 200},
		{"picture elsewhere", "GET", "/?token=" + v.token, with(strange, header("Sec-Fetch-Site", "cross-site"), header("Sec-Fetch-Mode", "no-cors")), 403},

		{"command", "POST", "/api/stop", header("X-Braid", "1"), 204},
		{"command of a form", "POST", "/api/stop", nil, 403},
		{"command of another site", "POST", "/api/stop", with(header("X-Braid", "1"), header("Origin", "http://evil.example")), 403},
		{"command by GET", "GET", "/api/stop", nil, 404},
		{"command that is not offered", "POST", "/api/pause", header("X-Braid", "1"), 405},
		{"preflight", "OPTIONS", "/api/stop", nil, 403},
		{"out of the files", "GET", "/../server.go", nil, 307}, // to where it leads without the dots
		{"out of the files, hidden", "GET", "/..%2fserver.go", nil, 404},
		{"no file", "GET", "/x", nil, 404},
	} {
		res := v.ask(c.method, c.path, c.change)
		if res.StatusCode != c.want {
			t.Errorf("%s: %s, not %d", c.name, res.Status, c.want)
		}
		h := res.Header
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": "",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, not %q", c.name, name, got, want)
			}
		}
		if strings.HasPrefix(c.path, "/api/") && h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: data may be kept: %q", c.name, h.Get("Cache-Control"))
		}
		if res.StatusCode == 403 && (h.Get("Set-Cookie") != "" || strings.Contains(body(t, res), v.token)) {
			t.Errorf("%s: it is refused and gets the token", c.name)
		}
	}
	if n := stops.Load(); n != 1 {
		t.Errorf("the run was stopped %d times", n)
	}
	if strings.Contains(policy, "unsafe") {
		t.Error("the policy has a hole")
	}
}

func TestCookie(t *testing.T) {
	v := serve(t, tell(1, 1).file(t), Config{})
	res, err := http.Get(v.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	c := res.Cookies()
	if len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Value != v.token || c[0].Path != "/" {
		t.Errorf("the cookies are %v", c)
	}
	if res := v.ask("GET", "/", nil); len(res.Cookies()) != 0 {
		t.Errorf("who has the cookie gets %v", res.Cookies())
	}
	if host, _, _ := net.SplitHostPort(v.listener.Addr().String()); host != "127.0.0.1" {
		t.Errorf("it listens on %s", host)
	}
	if a, b := newToken(), newToken(); a == b || len(a) < 26 {
		t.Errorf("tokens are %q and %q", a, b)
	}
}

func TestAssets(t *testing.T) {
	v := serve(t, tell(1, 1).file(t), Config{})
	for name, kind := range map[string]string{"/": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8", "/app.css": "text/css; charset=utf-8"} {
		plain := v.ask("GET", name, func(r *http.Request) { r.Header.Set("Accept-Encoding", "identity") })
		text := body(t, plain)
		if plain.StatusCode != 200 || plain.Header.Get("Content-Type") != kind || plain.Header.Get("Content-Encoding") != "" || text == "" {
			t.Errorf("%s: %s, %v", name, plain.Status, plain.Header)
		}
		packed := v.ask("GET", name, func(r *http.Request) { r.Header.Set("Accept-Encoding", "br, gzip;q=0.5") })
		z, err := gzip.NewReader(packed.Body)
		if err != nil || packed.Header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s: %v, %v", name, err, packed.Header)
		}
		if unpacked, err := io.ReadAll(z); err != nil || string(unpacked) != text {
			t.Errorf("%s: compressed it is another: %v", name, err)
		}
		tag := plain.Header.Get("ETag")
		again := v.ask("GET", name, func(r *http.Request) { r.Header.Set("If-None-Match", tag) })
		if again.StatusCode != http.StatusNotModified || body(t, again) != "" || tag == "" {
			t.Errorf("%s with %s: %s", name, tag, again.Status)
		}
		other := v.ask("GET", name, func(r *http.Request) { r.Header.Set("If-None-Match", `"x"`) })
		if other.StatusCode != 200 {
			t.Errorf("%s that has changed: %s", name, other.Status)
		}
	}
	if res := v.ask("GET", "/favicon.ico", nil); res.StatusCode != http.StatusNoContent {
		t.Errorf("icon: %s", res.Status)
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip": true, "gzip;q=0": false, "gzip; q=0.0": false, "gzip;q=1": true, "gzip;q=x": false, "xgzip": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", header)
		if got := acceptsGzip(r); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

func TestServeSnapshotAndTask(t *testing.T) {
	s := tell(500, 13)
	s.end()
	v := serve(t, s.file(t), Config{})
	d := v.snapshot()
	if d.head.State != "ended" || !d.head.Sorted || d.head.Control || d.head.Spans == 0 || d.head.Texts != "inline" {
		t.Errorf("the head is %+v", d.head)
	}
	packed := v.ask("GET", "/api/snapshot", func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") })
	z, err := gzip.NewReader(packed.Body)
	if err != nil || packed.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v, %v", err, packed.Header)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := decodeSnapshot(b); err != nil || d.same(o) != nil {
		t.Errorf("compressed it is another: %v %v", err, d.same(o))
	}

	crash, retried := -1, -1
	for i, state := range d.columns["state"] {
		if uint8(state) == stateCrash {
			crash = i
		}
		if uint8(state)&stateRetried != 0 {
			retried = i
		}
	}
	var h taskHead
	get := func(i int) {
		t.Helper()
		h = taskHead{}
		if err := json.Unmarshal([]byte(body(t, v.ask("GET", fmt.Sprint("/api/task?span=", i), nil))), &h); err != nil {
			t.Fatal(err)
		}
	}
	get(crash)
	if h.Error == nil || h.Error.Stack != "goroutine 1" || h.Stderr != "out of luck" || h.Signal != "SIGKILL" || h.Input == nil ||
		*h.Input != fmt.Sprintf("file-%v.txt", d.columns["input"][crash]) || len(h.Attempts) != 1 || h.Attempts[0] != crash {
		t.Errorf("a crash is %+v", h)
	}
	get(retried)
	if len(h.Attempts) < 2 || h.Error == nil {
		t.Errorf("one that was tried again is %+v", h)
	}
	for _, i := range h.Attempts {
		if d.columns["call"][i] != d.columns["call"][retried] {
			t.Errorf("attempt %d is of another call", i)
		}
	}
	// Errors of one group have texts of their own.
	texts := make(map[string]bool)
	for i, e := range d.columns["error"] {
		if e == 0 {
			get(i)
			texts[h.Error.Text] = true
		}
	}
	if len(texts) != 2 {
		t.Errorf("the texts of the group are %v", texts)
	}
	for path, want := range map[string]int{"/api/task": 400, "/api/task?span=x": 400, "/api/task?span=-1": 404, "/api/task?span=1000000": 404, "/api/events": 400, "/api/events?from=-1": 400} {
		if res := v.ask("GET", path, nil); res.StatusCode != want {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

func TestFind(t *testing.T) {
	s := tell(300, 14).end()
	v := serve(t, s.file(t), Config{})
	v.snapshot()
	for q, want := range map[string]int{"file-299": 1, "FILE-29": 11, "nothing": 0, ".txt": 300} {
		var found foundHead
		if err := json.Unmarshal([]byte(body(t, v.ask("GET", "/api/find?q="+q, nil))), &found); err != nil {
			t.Fatal(err)
		}
		if len(found.Inputs) != want || found.More || found.Inputs == nil {
			t.Errorf("%s is in %d texts, not %d", q, len(found.Inputs), want)
		}
	}
	if res := v.ask("GET", "/api/find", nil); res.StatusCode != http.StatusBadRequest {
		t.Errorf("nothing is looked for: %s", res.Status)
	}
	m := s.model()
	if found := m.find("file", 10); len(found.Inputs) != 10 || !found.More {
		t.Errorf("of too many, %d are found, more: %v", len(found.Inputs), found.More)
	}
	m.Add(&record.Input{Number: 1 << 40, Text: "far away"})
	if found := m.find("far", 10); len(found.Inputs) != 1 || found.Inputs[0] != 1<<40 {
		t.Errorf("found are %v", found.Inputs)
	}
}

func TestControl(t *testing.T) {
	got := make(chan string, 1)
	v := serve(t, tell(1, 1).file(t), Config{Control: &Control{
		Stop: func() { got <- "stop" }, Pause: func() { got <- "pause" }, Resume: func() { got <- "resume" },
		Jobs: func(n int) { got <- fmt.Sprint("jobs ", n) },
	}})
	if !v.snapshot().head.Control {
		t.Error("the page is not told that there are commands")
	}
	ours := func(r *http.Request) { r.Header.Set("X-Braid", "1") }
	for path, want := range map[string]string{"/api/stop": "stop", "/api/pause": "pause", "/api/resume": "resume", "/api/jobs?n=7": "jobs 7"} {
		if res := v.ask("POST", path, ours); res.StatusCode != http.StatusNoContent {
			t.Errorf("%s: %s", path, res.Status)
		} else if did := <-got; did != want {
			t.Errorf("%s does %q", path, did)
		}
	}
	for _, n := range []string{"", "0", "-1", "x", "99999999999"} {
		if res := v.ask("POST", "/api/jobs?n="+n, ours); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%q at once: %s", n, res.Status)
		}
	}
}

func TestNewErrors(t *testing.T) {
	dir := t.TempDir()
	empty, other := filepath.Join(dir, "empty"), filepath.Join(dir, "other")
	for path, text := range map[string]string{empty: "", other: "hello\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := New(filepath.Join(dir, "absent"), Config{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := New(empty, Config{}); err == nil || !strings.Contains(err.Error(), "nothing is written") {
		t.Errorf("empty: %v", err)
	}
	if _, err := New(other, Config{}); !errors.Is(err, record.ErrNoLog) {
		t.Errorf("other: %v", err)
	}
	if _, err := Load(other); !errors.Is(err, record.ErrNoLog) {
		t.Errorf("Load of other: %v", err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := New(tell(1, 1).file(t), Config{Port: l.Addr().(*net.TCPAddr).Port}); err == nil || !strings.Contains(err.Error(), "no page can be served") {
		t.Errorf("taken port: %v", err)
	}
}

// growing is the log of a run that goes on until over is set.
type growing struct {
	t    *testing.T
	path string
	f    *os.File
	over atomic.Bool
}

func grow(t *testing.T) *growing {
	t.Helper()
	g := &growing{t: t, path: filepath.Join(t.TempDir(), "events.ndjson")}
	f, err := os.OpenFile(g.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	g.f = f
	t.Cleanup(func() { f.Close() })
	g.write(theRun())
	return g
}

// serve serves the log.
func (g *growing) serve(cfg Config) *served {
	g.t.Helper()
	return serveAs(g.t, g.path, cfg, func(s *Server) {
		s.hub.follow.stat = func(path string) (record.Info, error) {
			over := g.over.Load()
			info, err := record.Stat(path)
			if info.State = record.Running; over {
				info.State = record.Ended
			}
			return info, err
		}
	})
}

func (g *growing) write(lines ...record.Line) {
	g.t.Helper()
	var b []byte
	for _, l := range lines {
		b = record.Append(b, l)
	}
	if _, err := g.f.Write(b); err != nil {
		g.t.Fatal(err)
	}
}

// A stream reads events.
type stream struct {
	t *testing.T
	r *bufio.Reader
	c io.Closer
}

type event struct {
	id, name, data string
}

func (v *served) events(from uint64, last string) *stream {
	v.t.Helper()
	res := v.ask("GET", fmt.Sprint("/api/events?from=", from), func(r *http.Request) {
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
	})
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		v.t.Fatalf("events: %s", res.Status)
	}
	return &stream{v.t, bufio.NewReader(res.Body), res.Body}
}

// next returns the next event, and io.EOF at the end of the stream.
func (s *stream) next() (e event, err error) {
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if line == "\n" && e.name != "" {
				return e, nil
			}
		}
	}
}

func (s *stream) must() event {
	s.t.Helper()
	e, err := s.next()
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// follow applies deltas to a page until it has all lines up to seq.
func (s *stream) follow(d *decoded, seq uint64) (last string) {
	s.t.Helper()
	for d.head.Seq < seq {
		e := s.must()
		if e.name != "delta" {
			s.t.Fatalf("there comes %q at %s", e.name, e.id)
		}
		if err := d.apply([]byte(e.data)); err != nil {
			s.t.Fatal(err)
		}
		last = e.id
	}
	return last
}

// A page follows a run, is cut off, comes back where it was, sees the run end, and has
// then what a page has that comes only now.
func TestLive(t *testing.T) {
	g := grow(t)
	s := tell(2000, 21)
	lines := s.lines[1:]
	part := func(n int) {
		g.write(lines[:n]...)
		lines = lines[n:]
	}
	part(100)
	v := g.serve(Config{})
	page := v.snapshot()
	if page.head.State != "running" || page.head.Texts != "lazy" || page.head.Seq != 101 {
		t.Fatalf("the head is %+v", page.head)
	}
	st := v.events(page.head.Seq, "")
	part(500)
	last := st.follow(page, 601)
	if err := page.same(v.snapshot()); err != nil {
		t.Fatal(err)
	}
	st.c.Close()
	part(300)
	v.snapshot() // another page, while this one is away
	st = v.events(0, last)
	part(200)
	st.follow(page, 1101)
	if err := page.same(v.snapshot()); err != nil {
		t.Fatal(err)
	}
	lines = append(lines, &record.End{Time: s.now(), Verdict: "failed", OK: s.ok, Failed: s.failed, Total: 2000})
	part(len(lines))
	g.over.Store(true)
	for {
		e := st.must()
		if e.name == "resync" {
			break
		}
		if err := page.apply([]byte(e.data)); err != nil {
			t.Fatal(err)
		}
	}
	d := v.snapshot()
	if d.head.State != "ended" || !d.head.Sorted || d.head.Texts != "inline" {
		t.Errorf("it is %s with texts %s, sorted: %v", d.head.State, d.head.Texts, d.head.Sorted)
	}
	if want := s.model().rows.len(); d.head.Spans != want || d.head.Counts.ended() != 2000 {
		t.Errorf("%d spans of %d, counts %+v", d.head.Spans, want, d.head.Counts)
	}
}

// Who comes from another time, such as from before the server was started anew, is told
// to fetch everything.
func TestResync(t *testing.T) {
	g := grow(t)
	v := g.serve(Config{})
	page := v.snapshot()
	for _, from := range []uint64{page.head.Seq + 1000, page.head.Seq - 1} {
		st := v.events(from, "")
		if e := st.must(); e.name != "resync" || e.id != fmt.Sprint(page.head.Seq) {
			t.Errorf("from %d there comes %+v", from, e)
		}
		st.c.Close()
	}
	// More than fits a delta.
	st := v.events(page.head.Seq, "")
	lines := make([]record.Line, maxBatch+10)
	for i := range lines {
		lines[i] = &record.Mark{Time: time.Duration(i), Kind: "slow"}
	}
	g.write(lines...)
	for {
		e := st.must()
		if e.name == "resync" {
			break
		}
	}
	st.c.Close()
}

// A client that takes nothing holds up nobody, and nothing is queued for it.
func TestSlowClient(t *testing.T) {
	g := grow(t)
	v := g.serve(Config{})
	page := v.snapshot()
	c, err := net.Dial("tcp4", v.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /api/events?from=%d HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: %s=%s\r\n\r\n", page.head.Seq, v.cookie, v.token)
	st := v.events(page.head.Seq, "")
	defer st.c.Close()
	// Far more than the connection and the ring take.
	seq := page.head.Seq
	big := strings.Repeat("x", 900_000)
	for range 30 {
		g.write(&record.Mark{Kind: "slow", Text: big})
		seq++
		v.hub.mu.Lock()
		if err := v.hub.refresh(); err != nil { // not to wait for the next tick
			t.Error(err)
		}
		v.hub.mu.Unlock()
		st.follow(page, seq)
		v.hub.mu.Lock()
		bytes, batches := v.hub.bytes, len(v.hub.ring)
		v.hub.mu.Unlock()
		if bytes > maxRing {
			t.Fatalf("%d bytes are kept in %d batches", bytes, batches)
		}
	}
	if err := page.same(v.snapshot()); err != nil {
		t.Error(err)
	}
}

// Nothing runs while nobody looks.
func TestNobodyLooks(t *testing.T) {
	g := grow(t)
	v := g.serve(Config{})
	running := func() bool {
		v.hub.mu.Lock()
		defer v.hub.mu.Unlock()
		return v.hub.stop != nil
	}
	page := v.snapshot()
	if running() {
		t.Error("the log is read, and nobody follows it")
	}
	a, b := v.events(page.head.Seq, ""), v.events(page.head.Seq, "")
	g.write(&record.Mark{Kind: "slow"})
	a.must()
	b.must()
	a.c.Close()
	if !running() {
		t.Error("the log is not read, and somebody follows it")
	}
	b.c.Close()
	v.hub.ticker.Wait() // ends when both are gone
	if running() {
		t.Error("the log is read, and nobody follows it any more")
	}
}

// Serve ends streams and answers when its context ends.
func TestServeEnds(t *testing.T) {
	g := grow(t)
	v := g.serve(Config{})
	st := v.events(v.snapshot().head.Seq, "")
	v.stop()
	for {
		if _, err := st.next(); err != nil {
			break
		}
	}
	if _, err := net.Dial("tcp4", v.listener.Addr().String()); err == nil {
		t.Error("it still listens")
	}
	if _, err := v.hub.follow.reader.Next(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the log is still open: %v", err)
	}
}

func TestServeIdle(t *testing.T) {
	s, err := New(tell(1, 1).file(t), Config{Idle: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background()) }()
	res, err := http.Get(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// With nobody there, a server that ends when it is idle waits for the first one.
func TestIdleWaitsForFirst(t *testing.T) {
	path := tell(1, 1).file(t)
	synctest.Test(t, func(t *testing.T) {
		f, err := openFollower(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.close()
		s := &Server{cfg: Config{Idle: time.Minute}, hub: newHub(f), closing: make(chan struct{}), looked: make(chan struct{})}
		wg := new(sync.WaitGroup)
		gone := s.deserted(wg)
		time.Sleep(time.Hour)
		select {
		case <-gone:
			t.Fatal("it does not wait")
		default:
		}
		close(s.looked)
		s.hub.enter()
		time.Sleep(time.Hour)
		select {
		case <-gone:
			t.Fatal("it ends while somebody looks")
		default:
		}
		s.hub.leave()
		began := time.Now()
		<-gone
		if d := time.Since(began); d < time.Minute || d > 2*time.Minute {
			t.Errorf("it waits %v", d)
		}
		close(s.closing)
		wg.Wait()
		s.hub.ticker.Wait()
	})
}

// A log that cannot be read any more is said, and not shown as if it were whole.
func TestLogBreaks(t *testing.T) {
	v := serve(t, tell(5, 1).file(t), Config{})
	v.hub.mu.Lock()
	v.hub.follow.close()
	v.hub.mu.Unlock()
	res := v.ask("GET", "/api/snapshot", nil)
	if text := body(t, res); res.StatusCode != http.StatusInternalServerError || !strings.Contains(text, "the log cannot be read") {
		t.Errorf("%s: %s", res.Status, text)
	}
}

// What is torn or broken in a log is passed over, and said.
func TestBrokenLog(t *testing.T) {
	s := tell(20, 1)
	log := append(s.log(), "{broken}\n"...)
	log = append(log, `{"type":"mark","t":5,"kind":"slow"}`+"\n"...)
	log = append(log, `{"type":"span","t":5,"en`...)
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, log, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if m.broken != 1 || len(m.marks) != 1 || adviceOf(m, "broken") == "" || m.state() != "died" {
		t.Errorf("%d broken, %d marks, %q, %s", m.broken, len(m.marks), adviceOf(m, "broken"), m.state())
	}
	var b bytes.Buffer
	if err := m.Draw(&b, Drawing{}); err != nil || !strings.Contains(b.String(), "DIED") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
