package cli

import "sync"

// slots gives out numbers, from 1, the lowest that nobody has: as many as there are
// inputs under way at once. Its zero value is ready.
type slots struct {
	mu    sync.Mutex
	taken []bool
}

func (s *slots) take() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, taken := range s.taken {
		if !taken {
			s.taken[i] = true
			return i + 1
		}
	}
	s.taken = append(s.taken, true)
	return len(s.taken)
}

func (s *slots) give(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken[n-1] = false
}
