package engine

import (
	"context"
	"time"

	"github.com/go-braid/braid/strand"
)

// What a call tells its listener. Each attempt does so three times, and where tasks take
// microseconds that shows: so an Event is filled in where it is, and the clock is read once.

// tellSubmitted tells the listener that the call waits from now on.
func (c *Call) tellSubmitted(ctx context.Context) {
	l := c.Host().Listener
	switch {
	case l == nil:
	case l.Queued != nil:
		c.queued = c.now(ctx)
		l.Queued.Add(1)
	case l.Submitted != nil:
		var e Event
		c.event(&e, c.now(ctx), 0)
		c.queued = e.At
		l.Submitted(e)
	}
}

// tellStarted tells the listener that the attempt begins at a certain time, or now.
func (c *Call) tellStarted(ctx context.Context, l *Listener, at time.Duration) {
	if at == 0 {
		at = c.now(ctx)
	}
	if p := c.place.Load(); p != nil {
		if c.queued != 0 {
			// Who heard of the end of the call before may have submitted this one then. And
			// the clock may have gone back a little.
			at = max(at, c.queued)
		}
		if p.Track != nil && p.Track.begin(c, at) {
			return
		}
	}
	c.reportStarted(l, at)
}

// reportStarted tells it by an event.
func (c *Call) reportStarted(l *Listener, at time.Duration) {
	var e Event
	c.event(&e, at, int(c.worker))
	e.Waited = c.waited(e.At)
	l.Started(e)
}

// waited returns how long the attempt has waited at the given time, as far as that is known.
func (c *Call) waited(at time.Duration) time.Duration {
	if c.queued == 0 {
		return 0
	}
	return at - c.queued
}

// tellFinished tells the listener that the call is complete, and returns when that was.
func (c *Call) tellFinished(ctx context.Context, l *Listener, worker int, started bool, err error) time.Duration {
	at := c.now(ctx)
	if t := c.track(); t == nil || err != nil || !t.end(c.id, at) {
		c.reportFinished(l, at, worker, started, err)
	}
	return at
}

// reportFinished tells it by an event.
func (c *Call) reportFinished(l *Listener, at time.Duration, worker int, started bool, err error) {
	var e Event
	c.event(&e, at, worker)
	e.Err = err
	if !started {
		e.Waited = c.waited(e.At)
	}
	l.Finished(e)
	c.leaveTrack()
}

// track returns where the worker notes the attempt, if it runs at a Place that does so.
func (c *Call) track() *Track {
	if p := c.place.Load(); p != nil {
		return p.Track
	}
	return nil
}

// leaveTrack takes the attempt off the track, if it is still there: the listener was told of
// its end.
func (c *Call) leaveTrack() {
	if t := c.track(); t != nil {
		t.Claim(c.id)
	}
}

// event fills in what all events of the call have. An Event is large: to return it would
// be to copy it.
func (c *Call) event(e *Event, at time.Duration, worker int) {
	e.At, e.Engine, e.Worker = at, c.Host().Name, worker
	e.Call, e.Task, e.Index, e.Attempt = c.id, c.kind.task, c.index, int(c.attempt)
}

// now returns the time on the clock of the engine, since epoch. That of an engine with a
// Life is the system's, and so is that at a Place.
func (c *Call) now(ctx context.Context) time.Duration {
	if clock := c.host.Load().Clock; clock != nil {
		return clock()
	}
	return c.systemNow(ctx)
}

// systemNow is now without a clock of the engine's own.
func (c *Call) systemNow(ctx context.Context) time.Duration {
	if c.place.Load() != nil || c.Host().Life != nil {
		return time.Since(epoch)
	}
	return strand.Now(ctx).Sub(epoch)
}
