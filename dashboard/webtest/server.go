package webtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Policy is the content security policy under which the page must work.
const Policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// A Server serves the page and one run, as the dashboard does.
type Server struct {
	Files http.FileSystem // the page

	mu       sync.Mutex
	snapshot []byte
	events   []string      // all deltas so far, as they go over the wire
	seqs     []int         // their numbers
	wake     chan struct{} // closed at each change
	posts    []string      // commands that came
	details  map[int]any   // by span
	closed   int           // streams that have ended
	inputs   []string      // texts that /api/find searches
	froms    []string      // what streams asked for
}

// NewServer returns a server of run.
func NewServer(files http.FileSystem, run *Run) *Server {
	return &Server{Files: files, snapshot: run.Encode(), wake: make(chan struct{}), details: make(map[int]any)}
}

// SetSnapshot replaces what /api/snapshot answers.
func (s *Server) SetSnapshot(run *Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshot = run.Encode()
}

// SetDetails says what /api/task answers for a span.
func (s *Server) SetDetails(span int, details any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.details[span] = details
}

// Send sends an event to every stream, and to those to come that have not seen it.
func (s *Server) Send(seq int, event string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", seq, event, data))
	s.seqs = append(s.seqs, seq)
	close(s.wake)
	s.wake = make(chan struct{})
}

// SetInputs says which texts /api/find searches; without, there is no such thing.
func (s *Server) SetInputs(texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inputs = texts
}

// Closed returns how many streams have ended.
func (s *Server) Closed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Froms returns where the streams so far were asked to begin.
func (s *Server) Froms() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.froms...)
}

// Posts returns the commands that have come.
func (s *Server) Posts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.posts...)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	switch r.URL.Path {
	case "/api/snapshot":
		s.mu.Lock()
		snapshot := s.snapshot
		s.mu.Unlock()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Cache-Control", "no-store")
		w.Write(snapshot)
	case "/api/task":
		span, _ := strconv.Atoi(r.URL.Query().Get("span"))
		s.mu.Lock()
		details, have := s.details[span]
		s.mu.Unlock()
		if !have {
			details = map[string]any{}
		}
		h.Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(details)
	case "/api/events":
		s.stream(w, r)
	case "/api/find":
		s.find(w, r.URL.Query().Get("q"))
	case "/favicon.ico":
		w.WriteHeader(http.StatusNoContent)
	default:
		if r.Method == http.MethodPost {
			if r.Header.Get("X-Braid") != "1" {
				http.Error(w, "X-Braid is missing", http.StatusForbidden)
				return
			}
			s.mu.Lock()
			s.posts = append(s.posts, r.URL.RequestURI())
			s.mu.Unlock()
			w.WriteHeader(http.StatusNoContent)
			return
		}
		http.FileServer(s.Files).ServeHTTP(w, r)
	}
}

func (s *Server) find(w http.ResponseWriter, text string) {
	s.mu.Lock()
	inputs := s.inputs
	s.mu.Unlock()
	found := []int{}
	for i, t := range inputs {
		if strings.Contains(strings.ToLower(t), strings.ToLower(text)) {
			found = append(found, i)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"inputs": found})
}

func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	from := r.URL.Query().Get("from")
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		from = id
	}
	seen, _ := strconv.Atoi(from)
	s.mu.Lock()
	s.froms = append(s.froms, from)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed++
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprint(w, ": here\n\n")
	flush := http.NewResponseController(w)
	flush.Flush()
	for next := 0; ; {
		s.mu.Lock()
		for ; next < len(s.events); next++ {
			if s.seqs[next] > seen {
				fmt.Fprint(w, s.events[next])
			}
		}
		wake := s.wake
		s.mu.Unlock()
		if flush.Flush() != nil {
			return
		}
		select {
		case <-wake:
		case <-r.Context().Done():
			return
		}
	}
}
