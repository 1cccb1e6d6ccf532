//go:build linux || darwin || freebsd

package asyncio

import (
	"errors"
	"sync/atomic"
	"time"
)

// system is the driver of loops on systems that can watch descriptors. It is a bell
// until the loop has its first socket.
//
// No wake-up is lost when it changes from one to the other. A wake-up matters if it
// comes while the loop is asleep, or about to be; the set is made by the loop while
// it is awake, and whoever finds it asleep afterwards finds the set as well. Who
// has found it asleep before, and comes late, rings the bell for nothing: the loop
// has looked into its inbox since then.
type system struct {
	bell
	set     atomic.Pointer[set]
	sockets []*socket // by descriptor
	open    int       // how many there are
	waiting int       // coroutines that wait for one
}

func newPoller() Driver { return &system{bell: newBell()} }

// Wake implements [Driver].
func (s *system) Wake() {
	if p := s.set.Load(); p != nil {
		p.wake()
		return
	}
	s.bell.Wake()
}

// Wait implements [Driver].
func (s *system) Wait(d time.Duration) {
	if p := s.set.Load(); p != nil {
		p.wait(d, s.changed)
		return
	}
	s.bell.Wait(d)
}

func (s *system) watching() bool { return s.open > 0 }

func (s *system) awaited() int { return s.waiting }

// add watches k.
func (s *system) add(k *socket) error {
	p := s.set.Load()
	if p == nil {
		var err error
		if p, err = newSet(); err != nil {
			return err
		}
		s.set.Store(p)
	}
	if err := p.add(k.fd); err != nil {
		return err
	}
	for k.fd >= len(s.sockets) {
		s.sockets = append(s.sockets, nil)
	}
	if s.sockets[k.fd] == nil {
		s.open++
	}
	s.sockets[k.fd] = k
	return nil
}

// forget drops k, whose descriptor, which was fd, is closed. Another socket may
// have the number by now.
func (s *system) forget(k *socket, fd int) {
	if s.sockets[fd] == k {
		s.sockets[fd] = nil
		s.open--
	}
}

// A change is what has happened to a descriptor.
type change uint8

const (
	canRead change = 1 << iota
	canWrite
	willEnd // reading has come to an end, or will when what is there was read
)

// changed takes note of a change.
func (s *system) changed(fd int, c change) {
	if fd >= len(s.sockets) || s.sockets[fd] == nil {
		return
	}
	k := s.sockets[fd]
	if c&willEnd != 0 {
		k.ending = true
	}
	if c&canRead != 0 {
		k.in.ready = true
		k.in.wake()
	}
	if c&canWrite != 0 {
		k.out.ready = true
		k.out.wake()
	}
}

// Close closes what the loop, which has ended, has left open.
func (s *system) Close() error {
	p := s.set.Load()
	if p == nil {
		return nil
	}
	var errs []error
	for _, k := range s.sockets {
		if k != nil {
			errs = append(errs, k.shut(p))
		}
	}
	return errors.Join(append(errs, p.close())...)
}
