package record

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// A source is an engine that the log hears of.
type source struct {
	number int
	name   string

	remote atomic.Bool // there are processes
	mu     sync.Mutex
	pids   map[int]int // the processes of workers
}

func (s *source) started(worker, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pids == nil {
		s.pids = make(map[int]int)
	}
	s.pids[worker] = pid
	s.remote.Store(true)
}

// pid returns the process of a worker, or 0 if that is this one.
func (s *source) pid(worker int32) int {
	if !s.remote.Load() {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pids[int(worker)]
}

// processes returns those of the workers.
func (s *source) processes() []int {
	if !s.remote.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.pids))
}

// stopped forgets a worker, unless there is another one of that number by now.
func (s *source) stopped(worker, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pids[worker] == pid {
		delete(s.pids, worker)
	}
}

// A form is what attempts have in common: where they ran, and what. It does not change.
type form struct {
	from   *source
	worker int32
	task   string
}

// maxForms is how many a shard keeps: names of tasks may be made of their inputs.
const maxForms = 256

// fit returns the form of an attempt.
func (s *shard) fit(from *source, worker int32, task string) *form {
	if f := s.form; f != nil && f.from == from && f.worker == worker && f.task == task {
		return f
	}
	key := form{from, worker, task}
	f := s.forms[key]
	if f == nil {
		if s.forms == nil || len(s.forms) >= maxForms {
			s.forms = make(map[form]*form)
		}
		f = &key
		s.forms[key] = f
	}
	s.form = f
	return f
}
