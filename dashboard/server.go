package dashboard

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Config says how a [Server] serves. The zero Config is ready for use.
type Config struct {
	Port    int      // to listen on, of 127.0.0.1; 0 takes a free one
	Control *Control // what the page can do to the run; nil is nothing

	// Idle, if positive, ends Serve when nobody has looked for so long, after somebody
	// did. A page of a run that is over asks for little, so a few minutes are short.
	Idle time.Duration
}

// A Control is how the page can act on a run that goes on. A function that is nil is not
// offered. They are called on goroutines of the server, possibly several at the same
// time.
type Control struct {
	Stop   func()      // begin nothing more
	Pause  func()      // begin nothing until Resume
	Resume func()      // go on after Pause
	Jobs   func(n int) // run n at once, at least 1
}

// Times after which the server gives a client up.
const (
	headerTimeout = 10 * time.Second
	writeTimeout  = 30 * time.Second // for what is written at once
	heartbeat     = 15 * time.Second
	graceTimeout  = 2 * time.Second // for answers that are under way when Serve ends
)

// maxSnapshots is how many snapshots are on their way at the same time; each is in
// memory until the client has it.
const maxSnapshots = 4

// A Server shows the page of one run on loopback. See the package's comment for what it
// costs, and who may look.
type Server struct {
	cfg      Config
	listener net.Listener
	hub      *hub
	token    string
	cookie   string
	assets   *assets
	slots    chan struct{} // a place for each snapshot on its way
	closing  chan struct{}
	looked   chan struct{} // closed once somebody has looked
	once     sync.Once
}

// New returns a Server of the run whose log is at path, and listens. The log may still
// grow; a log of a run that died is shown as such. Serve must be called, since it closes
// what New has opened. The error is that of the file, [record.ErrNoLog] among them, or
// says that the port is taken.
func New(path string, cfg Config) (*Server, error) {
	f, err := openFollower(path)
	if err != nil {
		return nil, err
	}
	n, err := f.read(1)
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: nothing is written yet", path)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.Port)))
	if err != nil {
		f.close()
		return nil, fmt.Errorf("no page can be served: %w", err)
	}
	s := &Server{
		cfg: cfg, listener: l, hub: newHub(f), token: newToken(), assets: loadAssets(),
		slots: make(chan struct{}, maxSnapshots), closing: make(chan struct{}), looked: make(chan struct{}),
	}
	s.cookie = "braid-" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	return s, nil
}

// URL returns the address of the page, with the token that opens it. Whoever has it can
// see the run, and act on it if there is a [Control].
func (s *Server) URL() string {
	return "http://" + s.listener.Addr().String() + "/?token=" + s.token
}

// Serve serves the page until ctx is done, or nobody looks any more (see
// [Config.Idle]), and returns nil then. It leaves nothing behind. It is called once.
func (s *Server) Serve(ctx context.Context) error {
	srv := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		WriteTimeout:      writeTimeout, // of what does not set its own
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	var wg sync.WaitGroup
	failed := make(chan error, 1)
	wg.Go(func() { failed <- srv.Serve(s.listener) })
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	case <-s.deserted(&wg):
	}
	close(s.closing) // the streams end
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTimeout)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		srv.Close()
	}
	wg.Wait()
	s.hub.close()
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// deserted returns a channel that is closed when nobody has looked for long enough.
func (s *Server) deserted(wg *sync.WaitGroup) <-chan struct{} {
	if s.cfg.Idle <= 0 {
		return nil
	}
	gone := make(chan struct{})
	wg.Go(func() {
		select {
		case <-s.looked:
		case <-s.closing:
			return
		}
		for {
			wait := s.cfg.Idle
			if since, idle := s.hub.idle(); idle {
				if wait = s.cfg.Idle - time.Since(since); wait <= 0 {
					close(gone)
					return
				}
			}
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-s.closing:
				t.Stop()
				return
			}
		}
	})
	return gone
}

// handler returns what answers requests, behind the guard.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.serveIndex)
	mux.HandleFunc("GET /", s.serveAsset)
	mux.HandleFunc("GET /api/snapshot", s.serveSnapshot)
	mux.HandleFunc("GET /api/task", s.serveTask)
	mux.HandleFunc("GET /api/find", s.serveFind)
	mux.HandleFunc("GET /api/events", s.serveEvents)
	if c := s.cfg.Control; c != nil {
		command := func(path string, f func()) {
			if f != nil {
				mux.HandleFunc("POST "+path, func(w http.ResponseWriter, _ *http.Request) {
					f()
					w.WriteHeader(http.StatusNoContent)
				})
			}
		}
		command("/api/stop", c.Stop)
		command("/api/pause", c.Pause)
		command("/api/resume", c.Resume)
		if c.Jobs != nil {
			mux.HandleFunc("POST /api/jobs", func(w http.ResponseWriter, r *http.Request) {
				n, err := strconv.Atoi(r.URL.Query().Get("n"))
				if err != nil || n < 1 || n > 1<<20 {
					http.Error(w, "n is how many run at once: a number from 1 on", http.StatusBadRequest)
					return
				}
				c.Jobs(n)
				w.WriteHeader(http.StatusNoContent)
			})
		}
	}
	return s.guard(mux)
}

func (s *Server) serveSnapshot(w http.ResponseWriter, r *http.Request) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-r.Context().Done():
		return
	case <-s.closing:
		return
	}
	data, err := s.hub.snapshot(s.cfg.Control != nil)
	if err != nil {
		http.Error(w, "the log cannot be read: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	out := &patient{w: w, rc: http.NewResponseController(w)}
	if !acceptsGzip(r) || len(data) > gzipMost {
		h.Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = out.Write(data) // the client is gone, or too slow
		return
	}
	h.Set("Content-Encoding", "gzip")
	z, _ := gzip.NewWriterLevel(out, gzip.BestSpeed) // the level is a valid one
	if _, err := z.Write(data); err == nil {
		_ = z.Close()
	}
}

// gzipMost is how large a snapshot may be to be compressed. On the way through loopback a
// large one is there before it could be packed.
const gzipMost = 4 << 20

// A patient writer writes in pieces, and gives a client up that takes none for long.
type patient struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (p *patient) Write(b []byte) (n int, err error) {
	const piece = 1 << 20
	for len(b) > 0 {
		if err := p.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return n, err
		}
		k, err := p.w.Write(b[:min(piece, len(b))])
		n += k
		if err != nil {
			return n, err
		}
		b = b[k:]
	}
	return n, nil
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" {
			v, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(q), "q="), 64)
			return q == "" || err == nil && v > 0
		}
	}
	return false
}

func (s *Server) serveTask(w http.ResponseWriter, r *http.Request) {
	i, err := strconv.Atoi(r.URL.Query().Get("span"))
	if err != nil {
		http.Error(w, "span is the number of an attempt", http.StatusBadRequest)
		return
	}
	t, ok := s.hub.task(i)
	if !ok {
		http.Error(w, fmt.Sprintf("there is no attempt %d", i), http.StatusNotFound)
		return
	}
	answer(w, t)
}

// serveFind finds inputs by their texts, which a large or growing snapshot has not got.
func (s *Server) serveFind(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query().Get("q")
	if q == "" {
		http.Error(w, "q is the text to look for", http.StatusBadRequest)
		return
	}
	answer(w, s.hub.find(q))
}

// answer sends v as JSON.
func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(&patient{w: w, rc: http.NewResponseController(w)}).Encode(v) // the client is gone
}

// serveEvents tells a page what changes, until it leaves.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	from := r.Header.Get("Last-Event-ID")
	if from == "" {
		from = r.URL.Query().Get("from")
	}
	seq, err := strconv.ParseUint(from, 10, 64)
	if err != nil {
		http.Error(w, "from is the seq of a snapshot", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := &patient{w: w, rc: http.NewResponseController(w)}
	send := func(text string, data []byte) bool {
		if _, err := out.Write(append([]byte(text), data...)); err != nil {
			return false
		}
		return out.rc.Flush() == nil
	}
	s.hub.enter()
	defer s.hub.leave()
	if !send(": here\n\n", nil) {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		b, news, resync, head := s.hub.next(seq)
		ok := true
		switch {
		case resync:
			ok = send(fmt.Sprintf("id: %d\nevent: resync\ndata: {\"seq\":%d}\n\n", head, head), nil)
			seq = head
		case b != nil:
			ok = send(fmt.Sprintf("id: %d\nevent: delta\ndata: ", b.to), append(b.data[:len(b.data):len(b.data)], "\n\n"...))
			seq = b.to
		default:
			select {
			case <-news:
			case <-beat.C:
				ok = send(": still here\n\n", nil)
			case <-r.Context().Done():
				return
			case <-s.closing:
				return
			}
		}
		if !ok {
			return
		}
	}
}
