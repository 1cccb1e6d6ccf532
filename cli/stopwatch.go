package cli

import (
	"sync"
	"time"

	"github.com/go-braid/braid/engine"
)

// A stopwatch takes the times and attempts of calls from their events.
type stopwatch struct {
	mu    sync.Mutex
	calls map[int]interval // by the number of the input
}

// An interval is the last attempt at a call.
type interval struct {
	attempt      int // from 1
	worker       int // from 1
	began, ended time.Duration
}

func (s *stopwatch) listener() *engine.Listener {
	s.calls = make(map[int]interval)
	return &engine.Listener{
		Started: func(e engine.Event) {
			s.mu.Lock()
			s.calls[e.Index] = interval{attempt: e.Attempt, worker: e.Worker, began: e.At}
			s.mu.Unlock()
		},
		Finished: func(e engine.Event) {
			s.mu.Lock()
			if i, ok := s.calls[e.Index]; ok {
				i.ended = e.At
				s.calls[e.Index] = i
			}
			s.mu.Unlock()
		},
	}
}

// take writes how many attempts there were at a call, and how long the last one
// took, into its result, and forgets them. Both are 0 if it never ran.
func (s *stopwatch) take(r *result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.calls[r.seq]
	if !ok {
		return
	}
	delete(s.calls, r.seq)
	r.attempts, r.slot, r.wall = i.attempt, i.worker, i.ended-i.began
}
