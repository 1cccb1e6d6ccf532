package dashboard

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// A lane is a line of the picture: spans in it do not overlap, or by next to nothing.
type lane struct {
	engine int     // index of its engine
	worker int     // as the engine numbers its workers, 0 if it does not
	slot   int     // from 1, among the lanes of one worker
	busy   float64 // µs in which a span ran, of those that ended
	spans  int
	first  float64 // start of the first span
	last   float64 // end of the last one that ended
	crash  int     // how many spans crashed
	pid    int
	downs  [][2]float64 // when the worker was away; NaN as the end while it is
}

// A strip is the lanes of one worker. There is one lane as long as the worker
// does one thing at a time, and more when spans overlap: coroutines of a loop,
// or tasks of a thread that is lent while it waits.
type strip struct {
	lanes []uint32
	gaps  []gap // of each lane, before its last span
	free  firstFree
}

// A gap is a time in which a lane was free, so that a span fits that the log tells
// of late.
type gap struct{ from, to float64 }

// maxGaps is how many lanes of a strip are searched for a gap.
const maxGaps = 64

// firstFree finds the first of many lanes that is free at a time: a tree whose
// leaves say from when on a lane is free, and whose nodes have the least of it.
type firstFree struct {
	size int       // how many leaves there are, a power of two
	tree []float64 // from index 1; a leaf that was never taken is free for ever
}

// take returns the first leaf that is free at time t.
func (f *firstFree) take(t float64) int {
	if f.size == 0 || f.tree[1] > t {
		f.grow()
	}
	i := 1
	for i < f.size {
		i *= 2
		if f.tree[i] > t {
			i++
		}
	}
	return i - f.size
}

// until says that a leaf is taken until time t.
func (f *firstFree) until(leaf int, t float64) {
	i := f.size + leaf
	for f.tree[i] = t; i > 1; {
		i /= 2
		f.tree[i] = min(f.tree[2*i], f.tree[2*i+1])
	}
}

// from returns from when on a leaf is free.
func (f *firstFree) from(leaf int) float64 { return f.tree[f.size+leaf] }

func (f *firstFree) grow() {
	old := f.tree
	was := f.size
	f.size = max(1, 2*was)
	f.tree = make([]float64, 2*f.size)
	for i := range f.tree {
		f.tree[i] = math.Inf(-1)
	}
	for i := range was {
		f.tree[f.size+i] = old[was+i]
	}
	for i := f.size - 1; i > 0; i-- {
		f.tree[i] = min(f.tree[2*i], f.tree[2*i+1])
	}
}

// place returns the lane for a span of worker that runs from start to end; a
// span without an end holds the lane until release.
func (m *Model) place(engine, worker int, start, end float64) uint32 {
	s := m.strip(engine, worker)
	if len(s.lanes) == 1 && worker > 0 && m.engines[engine].Kind == "processes" {
		// A process does one thing at a time; if the clocks of two disagree by a bit, it
		// gets no second lane for that.
		return s.lanes[0]
	}
	leaf := s.free.take(start)
	if leaf == len(s.lanes) {
		// A log may say that an attempt runs before it tells of those that ended before
		// that one began.
		for i := range min(leaf, maxGaps) {
			if g := &s.gaps[i]; g.from <= start && end <= g.to {
				g.from = end
				return s.lanes[i]
			}
		}
		s.lanes = append(s.lanes, uint32(len(m.lanes)))
		s.gaps = append(s.gaps, gap{math.Inf(-1), start})
		m.lanes = append(m.lanes, lane{engine: engine, worker: worker, slot: leaf + 1, first: start, last: nan})
	}
	s.gaps[leaf] = gap{s.free.from(leaf), start}
	if math.IsNaN(end) {
		end = math.Inf(1)
	}
	s.free.until(leaf, end)
	return s.lanes[leaf]
}

// anyLane returns a lane of an engine for what never ran, and so takes no room in it.
func (m *Model) anyLane(engine int, t float64) uint32 {
	for i := range m.lanes {
		if m.lanes[i].engine == engine {
			return uint32(i)
		}
	}
	return m.place(engine, 0, t, t)
}

// release says that the span that held a lane ended.
func (m *Model) release(id uint32, end float64) {
	l := &m.lanes[id]
	m.strip(l.engine, l.worker).free.until(l.slot-1, end)
}

// repack gives every row a lane anew, in the order of their starts, which needs the
// fewest lanes.
func (m *Model) repack() {
	old := m.lanes
	m.lanes, m.strips = nil, make(map[stripKey]*strip)
	refused := func(i int) bool { return m.rows.state.at(i)&^stateRetried == stateRefused }
	for i := range m.rows.len() {
		if refused(i) {
			continue
		}
		was := &old[m.rows.lane.at(i)]
		start, end := m.rows.start.at(i), m.rows.end.at(i)
		id := m.place(was.engine, was.worker, start, end)
		m.rows.lane.set(i, id)
		l := &m.lanes[id]
		if !math.IsNaN(end) {
			l.busy += end - start
			l.spans++
			if l.last = end; m.rows.state.at(i)&^stateRetried == stateCrash {
				l.crash++
			}
		}
	}
	for i := range m.rows.len() {
		if refused(i) {
			m.rows.lane.set(i, m.anyLane(old[m.rows.lane.at(i)].engine, m.rows.start.at(i)))
		}
	}
	for i := range old {
		if l := &old[i]; l.slot == 1 {
			if s := m.strips[stripKey{l.engine, l.worker}]; s != nil {
				m.lanes[s.lanes[0]].downs, m.lanes[s.lanes[0]].pid = l.downs, l.pid
			}
		}
	}
	m.epoch++
}

type stripKey struct{ engine, worker int }

func (m *Model) strip(engine, worker int) *strip {
	key := stripKey{engine, worker}
	s := m.strips[key]
	if s == nil {
		s = new(strip)
		m.strips[key] = s
	}
	return s
}

// process names the process of a lane, empty for that of the run.
func (m *Model) process(l *lane) string {
	if m.engines[l.engine].Kind == "processes" && l.worker > 0 {
		return "worker " + strconv.Itoa(l.worker)
	}
	return ""
}

// number numbers a lane within its engine: by its worker, and by the lane of that if it
// has several.
func (m *Model) number(l *lane) string {
	switch n := len(m.strip(l.engine, l.worker).lanes); {
	case l.worker == 0, m.loop(l.engine):
		return strconv.Itoa(l.slot)
	case n > 1:
		return strconv.Itoa(l.worker) + "." + strconv.Itoa(l.slot)
	default:
		return strconv.Itoa(l.worker)
	}
}

// label names a lane within its engine.
func (m *Model) label(l *lane) string {
	if m.process(l) != "" {
		return "worker " + m.number(l)
	}
	return "slot " + m.number(l)
}

// slot returns by which number a lane stands in its process.
func (m *Model) slot(l *lane) int {
	if l.worker == 0 || m.loop(l.engine) || m.process(l) != "" {
		return l.slot
	}
	return l.worker
}

// laneOrder returns the lanes as they stand below one another.
func (m *Model) laneOrder() []int {
	order := make([]int, len(m.lanes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := &m.lanes[a], &m.lanes[b]
		return cmp.Or(cmp.Compare(x.engine, y.engine), cmp.Compare(x.worker, y.worker), cmp.Compare(x.slot, y.slot))
	})
	return order
}

// sortLanes puts the lanes in their order.
func (m *Model) sortLanes() {
	order := m.laneOrder()
	lanes := make([]lane, len(order))
	place := make([]uint32, len(order))
	for to, from := range order {
		lanes[to] = m.lanes[from]
		place[from] = uint32(to)
	}
	m.lanes = lanes
	for _, s := range m.strips {
		for i, id := range s.lanes {
			s.lanes[i] = place[id]
		}
	}
	for _, chunk := range m.rows.lane.chunks {
		for i, id := range chunk {
			chunk[i] = place[id]
		}
	}
}

// loop reports whether an engine runs its spans on one event loop.
func (m *Model) loop(engine int) bool { return m.engines[engine].Kind == "async" }
