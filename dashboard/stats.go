package dashboard

import (
	"cmp"
	"slices"

	"github.com/go-braid/braid/record"
)

// stats are the sums that advice is made from. They are about all attempts, also
// those that the model has let go.
type stats struct {
	wall    histogram // of attempts that ran
	engines []engineStats
	longest top

	retries int
	deaths  int // workers that failed
	crashes int
	guards  int

	samples   int
	idleQueue int     // samples in which nothing was queued
	cpu       float64 // sum over samples
}

// engineStats are the sums of one engine, in microseconds.
type engineStats struct {
	spans    int
	wall     float64 // of all attempts
	parked   float64
	cpu      float64 // of attempts whose CPU time is known
	cpuWall  float64 // wall time of the same
	failed   int
	held     int     // attempts that held an event loop for long
	heldMost float64 // the worst of them
	heldBy   uint16  // its task
}

// heldLong is how long a task may hold an event loop, in microseconds, before it
// is said.
const heldLong = 50_000

func (s *stats) add(m *Model, r *row) {
	if r.state == stateRefused {
		return
	}
	d := r.end - r.start
	l := &m.lanes[r.lane]
	l.busy += d
	l.spans++
	l.first = min(l.first, r.start)
	if !(l.last >= r.end) {
		l.last = r.end
	}
	s.wall.add(d)
	e := &s.engines[l.engine]
	e.spans++
	e.wall += d
	e.parked += float64(r.parked)
	if r.cpu == r.cpu {
		e.cpu += float64(r.cpu)
		e.cpuWall += d
	}
	if broken(r.state) {
		e.failed++
	}
	if r.state == stateCrash {
		s.crashes++
		l.crash++
	}
	if m.loop(l.engine) && r.cpu == r.cpu && float64(r.cpu) > heldLong {
		e.held++
		if float64(r.cpu) > e.heldMost {
			e.heldMost, e.heldBy = float64(r.cpu), r.task
		}
	}
	s.longest.offer(r)
}

func (s *stats) sample(l *record.Sample) {
	s.samples++
	if l.Queued == 0 {
		s.idleQueue++
	}
	s.cpu += l.CPU
}

func (s *stats) mark(k mark) {
	if k.kind == "guard" {
		s.guards++
	}
}

// A top holds the longest attempts, the longest first.
type top struct{ rows []row }

func (t *top) offer(r *row) {
	d := r.end - r.start
	if len(t.rows) == longest && d <= t.least() {
		return
	}
	at, _ := slices.BinarySearchFunc(t.rows, d, func(o row, d float64) int { return cmp.Compare(d, o.end-o.start) })
	if len(t.rows) == longest {
		t.rows = t.rows[:longest-1]
	}
	t.rows = slices.Insert(t.rows, at, *r)
}

// least returns how long an attempt must be to be among them.
func (t *top) least() float64 {
	if len(t.rows) == 0 {
		return 0
	}
	last := &t.rows[len(t.rows)-1]
	return last.end - last.start
}
