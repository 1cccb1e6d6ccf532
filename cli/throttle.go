package cli

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// A guard keeps inputs from being started for a while. Its methods are called on the
// loop's goroutine, except for those that say otherwise.
type guard interface {
	// hold returns 0 if an input may be started, while so many run, and otherwise how
	// long to wait before asking again.
	hold(now time.Time, running int) time.Duration

	// started says that one has been.
	started(now time.Time)
}

// A throttle holds inputs back until all of its guards let one through. A nil one holds
// nothing back.
type throttle struct {
	guards []guard
	opened chan struct{} // holds a token when a guard is to be asked again
}

// untilOpened is how long to wait if the throttle itself says when to ask again.
const untilOpened = math.MaxInt64

func (g *throttle) hold(running int) time.Duration {
	if g == nil {
		return 0
	}
	now := time.Now()
	for _, guard := range g.guards {
		if d := guard.hold(now, running); d > 0 {
			return d
		}
	}
	for _, guard := range g.guards {
		guard.started(now)
	}
	return 0
}

// ended tells of a result.
func (g *throttle) ended(r *result) {
	if g == nil {
		return
	}
	for _, guard := range g.guards {
		switch guard := guard.(type) {
		case *delay:
			guard.ended(r.err != nil)
		case *loadGuard:
			guard.last = time.Now()
		case *memoryGuard:
			guard.pause, guard.until = 0, time.Time{}
		}
	}
}

// putBack tells of an input that was put back for want of memory.
func (g *throttle) putBack() {
	for _, guard := range g.guards {
		if m, ok := guard.(*memoryGuard); ok {
			m.pause = min(max(2*m.pause, firstPause), lastPause)
			m.until = time.Now().Add(m.pause)
		}
	}
}

// wake returns what holds a token when the throttle is to be asked again.
func (g *throttle) wake() <-chan struct{} {
	if g == nil {
		return nil
	}
	return g.opened
}

// listener hears of attempts that the throttle has not let through: a further try at an
// input has a pause of its own, but it is a start, for others are held back.
func (g *throttle) listener() *engine.Listener {
	return &engine.Listener{Started: func(e engine.Event) {
		if e.Attempt == 1 {
			return
		}
		for _, guard := range g.guards {
			switch guard := guard.(type) {
			case *pace:
				guard.owe()
			case *delay:
				guard.retried(e.Time())
			}
		}
	}}
}

// A delay is a time that passes between two starts. If it adapts, it grows by 30 % with
// each failure and shrinks by 10 % with each success, as that of GNU parallel does.
type delay struct {
	adapts bool

	mu   sync.Mutex
	wait time.Duration
	last time.Time // of the last start; zero if there was none
}

// An adaptive delay does not grow without end, nor shrink to where it could not grow
// again.
const (
	leastDelay = time.Millisecond
	mostDelay  = 5 * time.Minute
)

func (d *delay) hold(now time.Time, _ int) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last.IsZero() {
		return 0
	}
	return max(0, d.last.Add(d.wait).Sub(now))
}

func (d *delay) started(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = now
}

// retried is called on any goroutine.
func (d *delay) retried(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at.After(d.last) {
		d.last = at
	}
}

func (d *delay) ended(failed bool) {
	if !d.adapts {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if failed {
		d.wait = d.wait * 13 / 10
	} else {
		d.wait = d.wait * 9 / 10
	}
	d.wait = min(max(d.wait, leastDelay), mostDelay)
}

// A pace is a rate of starts.
type pace struct {
	ctx     context.Context // of the run
	limiter *strand.Limiter
	opened  chan struct{} // see throttle

	mu      sync.Mutex
	asked   bool // a goroutine waits for a token
	granted bool // there is a token for the next start
	debt    int  // starts that took place without a token
}

func (p *pace) hold(time.Time, int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.granted && !p.asked {
		if p.limiter.TryTake(p.ctx, 1) {
			p.grant()
			continue
		}
		p.asked = true
		go func() {
			if p.limiter.Wait(p.ctx, 1) != nil {
				return // the run is over
			}
			p.mu.Lock()
			p.asked = false
			p.grant()
			p.mu.Unlock()
			token(p.opened)
		}()
	}
	if p.granted {
		return 0
	}
	return untilOpened
}

// grant uses a token. It needs p.mu.
func (p *pace) grant() {
	if p.debt > 0 {
		p.debt--
	} else {
		p.granted = true
	}
}

func (p *pace) started(time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.granted = false
}

// owe is called on any goroutine.
func (p *pace) owe() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.debt++
}

// A loadGuard starts nothing while as many threads as its limit, or more, want to run
// on the machine, unless nothing of this run does.
type loadGuard struct {
	limit    float64
	read     func() (threads int, err error)
	readings []reading // of the last second, oldest first
	last     time.Time // that something was started, or ended
}

// A reading is how many threads wanted to run, and how many inputs were running, at a
// moment.
type reading struct {
	at               time.Time
	threads, running int
}

// How often the load is read, and over which time it is a mean: a moment says little.
// What has just been started or ended does not show yet, so a reading waits a little,
// but not for long if there is always something.
const (
	loadEvery  = 200 * time.Millisecond
	loadMean   = time.Second
	loadSettle = 20 * time.Millisecond
)

func (g *loadGuard) hold(now time.Time, running int) time.Duration {
	g.look(now, running)
	if running == 0 || len(g.readings) == 0 {
		return 0
	}
	// What has been started since the readings is not among them: it is taken for a
	// thread that wants to run, until they tell better.
	threads, ours := 0, 0
	for _, r := range g.readings {
		threads += r.threads
		ours += r.running
	}
	n := len(g.readings)
	if float64(threads-ours+n*running) < g.limit*float64(n) {
		return 0
	}
	return loadEvery
}

// look takes a reading, if it is time.
func (g *loadGuard) look(now time.Time, running int) {
	if n := len(g.readings); n > 0 {
		since := now.Sub(g.readings[n-1].at)
		if since < loadEvery || since < 2*loadEvery && now.Sub(g.last) < loadSettle {
			return
		}
	}
	threads, err := g.read()
	if err != nil {
		return // it could be read when the run began
	}
	g.readings = append(g.readings, reading{now, threads, running})
	for now.Sub(g.readings[0].at) > loadMean {
		g.readings = g.readings[1:]
	}
}

func (g *loadGuard) started(now time.Time) { g.last = now }

// A memoryGuard starts nothing while less memory is available than its limit, unless
// nothing runs. It does not stop anything; see memoryWatch.
type memoryGuard struct {
	limit int64
	read  func() (available int64, err error)

	at   time.Time // of the last reading
	last int64

	// After an input was put back nothing starts for a while, longer each time, until
	// one has come to its end: what it needed is there again at once, and would be
	// taken again.
	pause time.Duration
	until time.Time
}

const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// How often memory is read: as often as something is started, but not more often than
// this, and so often while it is waited for.
const (
	memoryFresh = 10 * time.Millisecond
	memoryEvery = 200 * time.Millisecond
)

func (g *memoryGuard) hold(now time.Time, running int) time.Duration {
	if running == 0 {
		return 0
	}
	if d := g.until.Sub(now); d > 0 {
		return d
	}
	if g.at.IsZero() || now.Sub(g.at) >= memoryFresh {
		available, err := g.read()
		if err != nil {
			return 0 // it could be read when the run began
		}
		g.at, g.last = now, available
	}
	if g.last >= g.limit {
		return 0
	}
	return memoryEvery
}

func (g *memoryGuard) started(time.Time) {}
