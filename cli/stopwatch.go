package cli

import (
	"sync"
	"time"

	"github.com/go-braid/braid/engine"
)

// A stopwatch takes the times of calls from their events.
type stopwatch struct {
	mu    sync.Mutex
	calls map[int]interval // by the number of the input
}

type interval struct{ began, ended time.Time }

func (s *stopwatch) listener() *engine.Listener {
	s.calls = make(map[int]interval)
	return &engine.Listener{
		Started: func(e engine.Event) {
			s.mu.Lock()
			s.calls[e.Index] = interval{began: e.At}
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

// take returns when the last attempt of a call began and how long it took, and
// forgets it. Both are zero if it never ran.
func (s *stopwatch) take(index int) (began time.Time, wall time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.calls[index]
	if !ok {
		return
	}
	delete(s.calls, index)
	return i.began, i.ended.Sub(i.began)
}
