package lane

import (
	"fmt"
	"math"
	"time"
)

// A Gradient says how an adaptive limit is made: one that finds out by itself how many
// calls at once something outside of the program can take, such as a database or a
// site. As long as more calls at once take no longer, the limit grows; when they
// begin to slow each other down, it shrinks.
//
// It is for calls that wait. Never use it for computations: they slow each other down
// because the processors are busy, and the limit for that is known beforehand, which
// is their number.
//
// How long a call takes is the time for which it has its place. The wait for a worker
// of a pool is part of it, so the limit does not go far beyond the workers; time that
// the call is parked for another strand is not. A call that fails tells nothing, unless
// it is because its time was over.
//
// # The rule
//
// It is that of Gradient2Limit in Netflix's concurrency-limits. With L the limit,
// short how long calls take now and long how long they take in general, after each
// round, which is as many calls as there are places, and at least 10,
//
//	g = 1.5·long/short, but at least 0.5 and at most 1
//	L = 0.8·L + 0.2·(g·L + 4)
//
// unless fewer than L/2 calls were on their way, when the limit is not what bounds
// them. So calls may take half as long again as in general, and 4 may queue: the limit
// comes to rest at about that, and grows by less than one place a round. Short is
// the mean of the round, long an average over 600 calls that fades. If long is more
// than double short it is made shorter by 5 %.
//
// A batch differs from the traffic of a server in that there is always more to do. Then
// calls that queue would be all that is ever seen, long would follow short, and the
// limit would grow without end. Therefore, while short is more than 1.25·long, long
// stays as it is. And from time to time, at the beginning and then after 1200 calls and
// 50 for each place, the limit is halved until that makes calls no faster: that is how
// long they take when they do not slow each other down, and long is set to it. (The
// first limit of Netflix's library, and BBR in TCP, look for that time in such a way.)
// So a service that has become slower by itself is known after the next such probe.
//
// [braid.Map] has no more calls in flight than twice the size of its executor when it
// begins. To let the limit grow beyond that, give it braid.Limit(Max).
type Gradient struct {
	Min     int // the limit is never lower; 0 means 1
	Max     int // nor higher; 0 means 1000
	Initial int // where it begins; 0 means 10, or Min or Max if that is nearer
}

// The constants of the rule.
const (
	tolerance  = 1.5
	steepest   = 0.5
	smoothing  = 0.2
	allowance  = 4
	shortCalls = 10
	longCalls  = 600
	busy       = 1.25 // short/long from which on long stays as it is
	decay      = 0.95
	firstProbe = 3 // rounds; in the first, calls do not queue yet as they will
	probeCalls = 1200
	probeEach  = 50 // calls for each place between two probes
	faster     = 0.9
)

// A gradient is an adaptive limit, as a pure state machine.
type gradient struct {
	min, max float64
	now      float64 // the limit, but while a probe goes on
	short    float64 // nanoseconds; 0 before the first round is over
	long     float64 // nanoseconds
	round    round   // that goes on
	next     int     // calls until the next probe
	old      int     // calls still to come that began before it was over
	probe    probe
}

func newGradient(cfg Gradient) *gradient {
	for _, f := range []struct {
		name  string
		value int
	}{{"Min", cfg.Min}, {"Max", cfg.Max}, {"Initial", cfg.Initial}} {
		if f.value < 0 {
			panic(fmt.Sprintf("lane: Gradient.%s is %d: it must be positive, or 0 for the default", f.name, f.value))
		}
	}
	if cfg.Min == 0 {
		cfg.Min = 1
	}
	if cfg.Max == 0 {
		cfg.Max = max(1000, cfg.Min)
	}
	if cfg.Max < cfg.Min {
		panic(fmt.Sprintf("lane: Gradient.Max is %d, but Min is %d", cfg.Max, cfg.Min))
	}
	if cfg.Initial == 0 {
		cfg.Initial = min(max(10, cfg.Min), cfg.Max)
	}
	if cfg.Initial < cfg.Min || cfg.Initial > cfg.Max {
		panic(fmt.Sprintf("lane: Gradient.Initial is %d: it must be between Min, %d, and Max, %d", cfg.Initial, cfg.Min, cfg.Max))
	}
	return &gradient{
		min: float64(cfg.Min), max: float64(cfg.Max), now: float64(cfg.Initial),
		next: firstProbe * max(cfg.Initial, shortCalls),
	}
}

// limit returns how many calls there may be at once.
func (g *gradient) limit() int {
	if g.probe.limit > 0 {
		return int(g.probe.limit)
	}
	return int(g.now)
}

// sample takes note of a call that took rtt, and that began with inflight calls on
// their way, itself included.
func (g *gradient) sample(rtt time.Duration, inflight int) {
	took := max(float64(rtt), 1)
	if g.probe.limit > 0 {
		g.probing(took)
		return
	}
	if g.old > 0 {
		g.old--
		return
	}
	g.next--
	g.round.add(took, inflight)
	if g.round.calls >= max(shortCalls, int(g.now)) {
		g.adjust()
		g.round = round{}
	}
}

// adjust applies the rule at the end of a round.
func (g *gradient) adjust() {
	g.short = g.round.mean()
	switch {
	case g.long == 0:
		g.long = g.short
	case g.short <= busy*g.long:
		g.long += (g.short - g.long) * (1 - math.Pow(1-2.0/(longCalls+1), float64(g.round.calls)))
	}
	if g.long > 2*g.short {
		g.long *= decay
	}
	if 2*g.round.inflight < int(g.now) {
		return
	}
	slope := min(max(tolerance*g.long/g.short, steepest), 1)
	g.set((1-smoothing)*g.now + smoothing*(slope*g.now+allowance))
	if g.next <= 0 {
		g.probe = probe{limit: g.now, before: g.short}
		g.probe.halve(g.min)
	}
}

func (g *gradient) set(limit float64) { g.now = min(max(limit, g.min), g.max) }

// A round is as many calls as there are places. Its mean is how long calls take now.
// Less than that would be too soon: the calls on their way began under another limit.
type round struct {
	sum      float64
	calls    int
	inflight int // the most at once
}

func (r *round) add(took float64, inflight int) {
	r.sum += took
	r.calls++
	r.inflight = max(r.inflight, inflight)
}

func (r *round) mean() float64 { return r.sum / float64(r.calls) }

// A probe finds out how long calls take when they do not slow each other down.
type probe struct {
	limit  float64 // 0: there is none
	before float64 // how long they took with the last limit
	old    int     // calls still to come that began under the last limit
	round  round
}

// halve tries half the limit.
func (p *probe) halve(lowest float64) {
	p.old = int(p.limit)
	p.limit = max(p.limit/2, lowest)
	p.round = round{}
}

// probing is sample while a probe goes on.
func (g *gradient) probing(took float64) {
	p := &g.probe
	if p.old > 0 {
		p.old--
		return
	}
	p.round.add(took, 0)
	if p.round.calls < max(shortCalls, int(p.limit)) {
		return
	}
	mean := p.round.mean()
	if mean < faster*p.before && p.limit > g.min {
		p.before = mean
		p.halve(g.min)
		return
	}
	g.long = min(mean, p.before)
	g.old = int(p.limit)
	g.next = max(probeCalls, probeEach*int(g.now))
	g.probe, g.round = probe{}, round{}
}
