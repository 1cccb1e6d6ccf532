package dashboard

import "math"

// chunkRows is how many rows a chunk of a column has: enough that a chunk costs
// nothing to find, few enough that a short run does not pay for a long one.
const chunkRows = 1 << 12

// A column is one value of each row. It grows by chunks, so that a row is never
// moved and memory is what the rows need and one chunk.
type column[T any] struct {
	chunks [][]T
	n      int
}

func (c *column[T]) len() int { return c.n }

func (c *column[T]) add(v T) {
	i := c.n / chunkRows
	if i == len(c.chunks) {
		c.chunks = append(c.chunks, make([]T, 0, chunkRows))
	}
	c.chunks[i] = append(c.chunks[i], v)
	c.n++
}

func (c *column[T]) at(i int) T     { return c.chunks[i/chunkRows][i%chunkRows] }
func (c *column[T]) set(i int, v T) { c.chunks[i/chunkRows][i%chunkRows] = v }

// take leaves the rows of order, in that order.
func (c *column[T]) take(order []uint32) {
	var taken column[T]
	for _, i := range order {
		taken.add(c.at(int(i)))
	}
	*c = taken
}

// A numbered holds values by numbers that count up from about zero, as the log
// numbers its inputs and errors. Numbers that jump ahead are held in a map, so
// that memory follows the count of values and not their numbers.
type numbered[T any] struct {
	dense column[T]
	far   map[int]T
}

// maxGap is how many numbers may be left out before the next one counts as far.
const maxGap = 64

func (s *numbered[T]) set(n int, v T) {
	switch at := s.dense.len(); {
	case n >= 0 && n < at:
		s.dense.set(n, v)
	case n >= at && n <= at+maxGap:
		var none T
		for s.dense.len() < n {
			// A value that came too early for the dense part stays where it is.
			s.dense.add(none)
		}
		s.dense.add(v)
	default:
		if s.far == nil {
			s.far = make(map[int]T)
		}
		s.far[n] = v
	}
}

func (s *numbered[T]) get(n int) T {
	if v, ok := s.far[n]; ok {
		return v
	}
	if n >= 0 && n < s.dense.len() {
		return s.dense.at(n)
	}
	var none T
	return none
}

// The states of a span, as the page's data has them.
const (
	stateOK uint8 = iota
	stateError
	statePanic
	stateCrash
	stateTimeout
	stateCancelled
	stateRefused
	stateRunning

	stateRetried uint8 = 16 // added if a later attempt follows
)

var stateNames = [...]string{"ok", "error", "panic", "crash", "timeout", "cancelled", "refused", "running"}

func stateName(s uint8) string { return stateNames[s&7] }

// broken reports whether a span in state s counts as a failed attempt.
func broken(s uint8) bool { return s&7 >= stateError && s&7 <= stateTimeout }

// A row is one attempt of a call. Times are microseconds since the run's anchor;
// what is not known is NaN.
type row struct {
	start, end, queued float64
	cpu, parked, rss   float32
	lane, input, call  uint32
	fault              int32 // the group of its error, or -1
	task, attempt      uint16
	state              uint8
}

// rowBytes is what a row needs in memory.
const rowBytes = 3*8 + 3*4 + 3*4 + 4 + 2*2 + 1

// rows holds attempts column by column.
type rows struct {
	start, end, queued column[float64]
	cpu, parked, rss   column[float32]
	lane, input, call  column[uint32]
	fault              column[int32]
	task, attempt      column[uint16]
	state              column[uint8]
}

func (s *rows) len() int { return s.start.len() }

func (s *rows) add(r row) int {
	s.start.add(r.start)
	s.end.add(r.end)
	s.queued.add(r.queued)
	s.cpu.add(r.cpu)
	s.parked.add(r.parked)
	s.rss.add(r.rss)
	s.lane.add(r.lane)
	s.input.add(r.input)
	s.call.add(r.call)
	s.fault.add(r.fault)
	s.task.add(r.task)
	s.attempt.add(r.attempt)
	s.state.add(r.state)
	return s.len() - 1
}

// at returns row i.
func (s *rows) at(i int) row {
	return row{
		start: s.start.at(i), end: s.end.at(i), queued: s.queued.at(i),
		cpu: s.cpu.at(i), parked: s.parked.at(i), rss: s.rss.at(i),
		lane: s.lane.at(i), input: s.input.at(i), call: s.call.at(i),
		fault: s.fault.at(i), task: s.task.at(i), attempt: s.attempt.at(i),
		state: s.state.at(i),
	}
}

// set replaces row i.
func (s *rows) set(i int, r row) {
	s.start.set(i, r.start)
	s.end.set(i, r.end)
	s.queued.set(i, r.queued)
	s.cpu.set(i, r.cpu)
	s.parked.set(i, r.parked)
	s.rss.set(i, r.rss)
	s.lane.set(i, r.lane)
	s.input.set(i, r.input)
	s.call.set(i, r.call)
	s.fault.set(i, r.fault)
	s.task.set(i, r.task)
	s.attempt.set(i, r.attempt)
	s.state.set(i, r.state)
}

// take leaves the rows of order, in that order.
func (s *rows) take(order []uint32) {
	s.start.take(order)
	s.end.take(order)
	s.queued.take(order)
	s.cpu.take(order)
	s.parked.take(order)
	s.rss.take(order)
	s.lane.take(order)
	s.input.take(order)
	s.call.take(order)
	s.fault.take(order)
	s.task.take(order)
	s.attempt.take(order)
	s.state.take(order)
}

var nan = math.NaN()
var nan32 = float32(math.NaN())
