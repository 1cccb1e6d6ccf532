package asyncio

import "time"

// A poller is a Driver that knows about descriptors.
type poller interface {
	Driver
	// watching reports whether there are descriptors to look at.
	watching() bool
	// awaited returns the number of coroutines that wait for one.
	awaited() int
}

func newPoller() Driver { return &bell{ch: make(chan struct{}, 1)} }

// A bell is the system's clock, and a channel to be woken by.
type bell struct {
	ch    chan struct{}
	timer *time.Timer
}

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
