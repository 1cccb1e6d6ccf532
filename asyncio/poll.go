package asyncio

import "time"

// A poller is a Driver that knows about descriptors.
//
// A platform that has one defines, in a file named after it,
//
//	type set         descriptors, and what has happened to them
//	newSet           makes an empty one
//	set.add, remove  watch a descriptor for the changes of its readiness, or not
//	set.wait         waits for changes or wake, and tells of the changes
//	set.wake         ends wait; from any goroutine
//	set.close
//
// and the system calls of sys_linux.go. All else that has to do with descriptors is
// common to these platforms, in files that end in _unix.go. The other platforms
// have the network of package net, an operation a goroutine, in files that end in
// _other.go: what both define is listed in conn.go, listener.go and udp.go.
type poller interface {
	Driver
	// watching reports whether there are descriptors to look at.
	watching() bool
	// awaited returns the number of coroutines that wait for one.
	awaited() int
}

// A bell is the system's clock, and a channel to be woken by. It is all that a loop
// without descriptors needs, and, other than those, it works in a
// testing/synctest bubble.
type bell struct {
	ch    chan struct{}
	timer *time.Timer
}

func newBell() bell { return bell{ch: make(chan struct{}, 1)} }

// Now implements [Driver].
func (*bell) Now() time.Time { return time.Now() }

// Wake implements [Driver].
func (b *bell) Wake() {
	select {
	case b.ch <- struct{}{}:
	default:
	}
}

// Wait implements [Driver].
func (b *bell) Wait(d time.Duration) {
	switch {
	case d < 0:
		<-b.ch
		return
	case d == 0:
		select {
		case <-b.ch:
		default:
		}
		return
	}
	if b.timer == nil {
		b.timer = time.NewTimer(d)
	} else {
		b.timer.Reset(d)
	}
	select {
	case <-b.ch:
		b.timer.Stop()
	case <-b.timer.C:
	}
}
