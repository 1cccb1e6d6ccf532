//go:build darwin || freebsd

package asyncio

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// A set is a kqueue. Descriptors are in it for as long as they are open, for reading
// and writing, edge-triggered (EV_CLEAR).
//
// Other than on Linux, an idle loop holds a thread: it waits in kevent.
type set struct {
	fd     int
	events [128]unix.Kevent_t
}

// The identifier of the event that wakes the loop.
const alarm = 0

func newSet() (*set, error) {
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	unix.CloseOnExec(fd)
	p := &set{fd: fd}
	if err := p.change(alarm, unix.EVFILT_USER, unix.EV_ADD|unix.EV_CLEAR, 0); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("kevent", err)
	}
	return p, nil
}

func (p *set) close() error { return unix.Close(p.fd) }

func (p *set) change(id, filter, flags int, fflags uint32) error {
	var k [1]unix.Kevent_t
	unix.SetKevent(&k[0], id, filter, flags)
	k[0].Fflags = fflags
	_, err := unix.Kevent(p.fd, k[:], nil, nil)
	return err
}

func (p *set) add(fd int) error {
	var k [2]unix.Kevent_t
	unix.SetKevent(&k[0], fd, unix.EVFILT_READ, unix.EV_ADD|unix.EV_CLEAR)
	unix.SetKevent(&k[1], fd, unix.EVFILT_WRITE, unix.EV_ADD|unix.EV_CLEAR)
	_, err := unix.Kevent(p.fd, k[:], nil, nil)
	return os.NewSyscallError("kevent", err)
}

// remove has nothing to do: a descriptor leaves the kqueue when it is closed.
func (p *set) remove(int) {}

func (p *set) wake() { _ = p.change(alarm, unix.EVFILT_USER, 0, unix.NOTE_TRIGGER) }

// wait waits until something happens, wake was called, or d has passed; a negative
// d has no end.
func (p *set) wait(d time.Duration, changed func(fd int, c change)) {
	var timeout *unix.Timespec
	if d >= 0 {
		ts := unix.NsecToTimespec(int64(d))
		timeout = &ts
	}
	n, err := unix.Kevent(p.fd, nil, p.events[:], timeout)
	if err != nil {
		return // EINTR: as if nothing had happened
	}
	for i := range n {
		e := &p.events[i]
		var c change
		switch int64(e.Filter) {
		case unix.EVFILT_READ:
			c = canRead
			if e.Flags&(unix.EV_EOF|unix.EV_ERROR) != 0 {
				c |= willEnd
			}
		case unix.EVFILT_WRITE:
			c = canWrite
			if e.Flags&(unix.EV_EOF|unix.EV_ERROR) != 0 {
				c |= canRead | willEnd
			}
		default:
			continue
		}
		changed(int(e.Ident), c)
	}
}
