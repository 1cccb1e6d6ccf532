//go:build !(linux || darwin || freebsd)

package asyncio

import (
	"errors"
	"io"
	"sync"
)

// system is the driver of loops on systems whose descriptors we do not watch
// ourselves. There, each operation runs on a goroutine, and Go's poller watches; the
// coroutine waits for the goroutine. It is a bell that knows what there is to close.
type system struct {
	bell
	mu   sync.Mutex
	open map[io.Closer]struct{}
}

func newPoller() Driver { return &system{bell: newBell(), open: make(map[io.Closer]struct{})} }

func (s *system) add(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = struct{}{}
}

func (s *system) forget(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// Close closes what the loop, which has ended, has left open.
func (s *system) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for c := range s.open {
		errs = append(errs, c.Close())
	}
	clear(s.open)
	return errors.Join(errs...)
}
