package lane

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A service is something outside that a lane calls: so many servers, and one queue
// in front of them. It is simulated in pure computation: as long as there are servers
// for all calls, each takes its own time, and beyond that they wait for one another.
type service struct {
	servers int
	took    func() time.Duration // by a server
	idle    int                  // fewer calls than the limit are made at once
}

// A flight is a call on its way.
type flight struct {
	began, ends time.Duration
	inflight    int
}

type flights []flight

func (f flights) Len() int           { return len(f) }
func (f flights) Less(i, j int) bool { return f[i].ends < f[j].ends }
func (f flights) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)        { *f = append(*f, x.(flight)) }
func (f *flights) Pop() any {
	old := *f
	last := old[len(old)-1]
	*f = old[:len(old)-1]
	return last
}

// A world is a service and those who call it, as many at once as g allows.
type world struct {
	g     *gradient
	s     service
	now   time.Duration
	air   flights
	free  []time.Duration // when each server is free
	trace []int
}

// run makes n calls complete.
func (w *world) run(n int) {
	for range n {
		for len(w.air) < w.g.limit() && (w.s.idle == 0 || len(w.air) < w.s.idle) {
			w.call()
		}
		f := heap.Pop(&w.air).(flight)
		w.now = f.ends
		w.g.sample(f.ends-f.began, f.inflight)
		w.trace = append(w.trace, w.g.limit())
	}
}

func (w *world) call() {
	for len(w.free) < w.s.servers {
		w.free = append(w.free, w.now)
	}
	w.free = w.free[:w.s.servers]
	first := 0
	for i, at := range w.free {
		if at < w.free[first] {
			first = i
		}
	}
	ends := max(w.free[first], w.now) + w.s.took()
	w.free[first] = ends
	heap.Push(&w.air, flight{w.now, ends, len(w.air) + 1})
}

func fixed(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func exponential(seed uint64, mean time.Duration) func() time.Duration {
	r := rand.New(rand.NewPCG(seed, 1))
	return func() time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
}

// step lets g see n calls.
func step(g *gradient, n int, rtt time.Duration, inflight int) {
	for range n {
		g.sample(rtt, inflight)
	}
}

func TestGradientRule(t *testing.T) {
	for _, tc := range []struct {
		name     string
		limit    int
		long     time.Duration // as if known for long
		rtt      time.Duration
		inflight int
		want     float64
	}{
		{"as ever: it grows by the allowance", 20, 100, 100, 20, 0.8*20 + 0.2*(20+4)},
		{"faster than ever", 20, 100, 60, 20, 0.8*20 + 0.2*(20+4)},
		{"within the tolerance", 20, 100, 150, 20, 0.8*20 + 0.2*(20+4)},
		{"beyond it", 20, 100, 200, 20, 0.8*20 + 0.2*(0.75*20+4)},
		{"far beyond: never less than half", 20, 100, 10_000, 20, 0.8*20 + 0.2*(0.5*20+4)},
		{"fewer than half on their way", 20, 100, 100, 9, 20},
		{"half", 20, 100, 100, 10, 0.8*20 + 0.2*(20+4)},
		{"at the lowest", 10, 100, 10_000, 10, 10},
		{"at the highest", 30, 100, 100, 30, 30},
		{"it comes to rest where the allowance makes up for the slope", 16, 100, 200, 16, 16},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGradient(Gradient{Min: 10, Max: 30, Initial: tc.limit})
			g.long = float64(tc.long)
			step(g, tc.limit, tc.rtt, tc.inflight)
			if diff := g.now - tc.want; diff < -1e-9 || diff > 1e-9 {
				t.Errorf("the limit is %v, want %v", g.now, tc.want)
			}
		})
	}
}

func TestGradientMovesOncePerRound(t *testing.T) {
	g := newGradient(Gradient{Initial: 40})
	step(g, 39, time.Second, 40)
	if g.now != 40 {
		t.Errorf("the limit is %v before the round is over", g.now)
	}
	step(g, 1, time.Second, 40)
	if g.now <= 40 {
		t.Errorf("the limit is %v after a round", g.now)
	}
}

func TestGradientLong(t *testing.T) {
	for _, tc := range []struct {
		name string
		rtt  time.Duration // of 10 calls that follow on many of 1000
		want float64
	}{
		{"an average over 600 calls", 1200, 1000 + 200*(1-math.Pow(599.0/601, 10))},
		{"the slowest that are part of it", 1250, 1000 + 250*(1-math.Pow(599.0/601, 10))},
		{"stays while calls queue", 1251, 1000},
		{"comes down", 500, 1000 - 500*(1-math.Pow(599.0/601, 10))},
		{"and faster than it fades", 400, 0.95 * (1000 - 600*(1-math.Pow(599.0/601, 10)))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGradient(Gradient{})
			step(g, 40, 1000, 1)
			step(g, 10, tc.rtt, 1)
			if diff := g.long - tc.want; diff < -1e-9 || diff > 1e-9 {
				t.Errorf("long is %v, want %v", g.long, tc.want)
			}
		})
	}
}

// TestGradientConverges has services of all sizes called by a batch, which has always
// more to do, for a time in which the limit of Gradient2 alone goes to its maximum.
func TestGradientConverges(t *testing.T) {
	const mean = 10 * time.Millisecond
	for _, servers := range []int{1, 2, 5, 10, 30, 80} {
		for name, took := range map[string]func() time.Duration{
			"steady": fixed(mean), "exponential": exponential(uint64(servers), mean),
		} {
			t.Run(fmt.Sprintf("%d servers %s", servers, name), func(t *testing.T) {
				w := &world{g: newGradient(Gradient{}), s: service{servers: servers, took: took}}
				w.run(300 * (servers + 100)) // to come there
				begin, n := w.now, 20_000
				w.trace = nil
				w.run(n)
				// The knee is where all servers are busy. Half as many again are
				// tolerated, 4 are allowed, and the mean of an exponential time is
				// never quite known.
				if got, most := average64(w.trace), 2*float64(servers)+8; got < 0.75*float64(servers) || got > most {
					t.Errorf("the limit is %.1f on average, want about %d, and at most %.0f", got, servers, most)
				}
				used := float64(n) * mean.Seconds() / float64(servers) / (w.now - begin).Seconds()
				if used < 0.85 {
					t.Errorf("the service is used to %.0f %%", 100*used)
				}
			})
		}
	}
}

func average64(trace []int) float64 {
	sum := 0
	for _, n := range trace {
		sum += n
	}
	return float64(sum) / float64(len(trace))
}

func TestGradientRecovers(t *testing.T) {
	const mean = 10 * time.Millisecond
	settle := func(w *world) float64 {
		w.run(40_000)
		w.trace = nil
		w.run(10_000)
		return average64(w.trace)
	}
	w := &world{g: newGradient(Gradient{}), s: service{servers: 20, took: fixed(mean)}}
	at20 := settle(w)
	w.s.servers = 60
	at60 := settle(w)
	w.s.servers = 5
	at5 := settle(w)
	w.s.servers = 20
	again := settle(w)
	w.s.took = fixed(5 * mean) // slower by itself, which is not for want of servers
	slower := settle(w)
	w.s.took = fixed(mean)
	faster := settle(w)
	for _, tc := range []struct {
		when      string
		got, want float64
	}{
		{"20 servers", at20, 20}, {"60 servers", at60, 60}, {"5 servers", at5, 5},
		{"20 servers again", again, 20}, {"20 slower servers", slower, 20}, {"20 fast servers", faster, 20},
	} {
		if tc.got < 0.9*tc.want || tc.got > 1.6*tc.want+6 {
			t.Errorf("%s: the limit is %.1f", tc.when, tc.got)
		}
	}
}

// Where little is to do, nothing is learnt of what would be too much.
func TestGradientDoesNotGrowIdle(t *testing.T) {
	w := &world{g: newGradient(Gradient{Initial: 20}), s: service{servers: 100, took: fixed(time.Second), idle: 9}}
	w.run(10_000)
	if got := w.g.limit(); got != 20 {
		t.Errorf("the limit has gone from 20 to %d with 9 calls at once", got)
	}
}

func TestGradientKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lowest := rapid.IntRange(1, 50).Draw(t, "min")
		highest := rapid.IntRange(lowest, 100).Draw(t, "max")
		g := newGradient(Gradient{Min: lowest, Max: highest})
		// Of few kinds, each many times, so that all the states are come to.
		for range rapid.IntRange(1, 30).Draw(t, "phases") {
			rtt := rapid.SampledFrom([]time.Duration{0, 1, time.Millisecond, time.Second, 1 << 62}).Draw(t, "rtt")
			inflight := rapid.IntRange(1, highest).Draw(t, "inflight")
			for range rapid.IntRange(1, 2000).Draw(t, "calls") {
				g.sample(rtt, inflight)
				if n := g.limit(); n < lowest || n > highest {
					t.Fatalf("the limit is %d, and was to be from %d to %d", n, lowest, highest)
				}
			}
		}
	})
}

func TestGradientDefaults(t *testing.T) {
	for _, tc := range []struct {
		cfg       Gradient
		min, max  float64
		beginning int
	}{
		{Gradient{}, 1, 1000, 10},
		{Gradient{Max: 4}, 1, 4, 4},
		{Gradient{Min: 20}, 20, 1000, 20},
		{Gradient{Min: 2000}, 2000, 2000, 2000},
		{Gradient{Min: 2, Max: 9, Initial: 3}, 2, 9, 3},
	} {
		g := newGradient(tc.cfg)
		if g.min != tc.min || g.max != tc.max || g.limit() != tc.beginning {
			t.Errorf("%+v: from %v to %v, beginning with %d; want %+v", tc.cfg, g.min, g.max, g.limit(), tc)
		}
	}
}
