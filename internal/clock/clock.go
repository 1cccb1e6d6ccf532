// Package clock reads the monotonic clock at a third of its price, where a processor counts
// at a steady rate: for those who read it several times in a task of microseconds.
//
// To read the clock of the system is to have the processor finish what it is at, read its
// counter, and convert that. Here the counter alone is read, and what it says is converted by
// a straight line, which is laid through two readings of both and used for a hundredth of a
// second at most. Then there is the next line: so the clock follows the system's, whose rate is
// adjusted all the time, and an error does not last. It is what tracers do for the same
// reason, such as LTTng and the crate minstant.
package clock

import (
	"sync"
	"sync/atomic"
	"time"
)

// epoch is what Now counts from, and origin is the same on the clock that system reads.
var epoch, origin = begin()

// Epoch returns a time at which the program began, with the reading of the monotonic clock.
func Epoch() time.Time { return epoch }

// Now returns the time since Epoch. If [Agrees] it is what time.Since would return, but for a
// tenth of a microsecond as a rule, and a few at worst. Who reads it twice may find it to have
// gone back by so much, too. It may be called from any goroutine, and does not block.
func Now() time.Duration {
	if l := global.line.Load(); l != nil {
		if d := count() - l.from; d < l.reach {
			return l.at(d)
		}
	}
	return global.look()
}

// Agrees reports whether Now is cheap, and tells the time that package time tells the caller.
// In a bubble of testing/synctest that is another one. An engine asks when it is made.
func Agrees() bool {
	return steady() && (Now()-time.Since(epoch)).Abs() < time.Second
}

const (
	window = 10 * time.Millisecond // a line is used for so long, or for twice as long as it was measured if that is less
	soon   = time.Millisecond      // and laid through readings that are so far apart at least
	oldest = time.Second           // and at most
)

// A mark is the counter and the system's clock, since epoch, as they were at the same time.
type mark struct {
	count uint64
	time  time.Duration
}

// A line converts the counter into time.
type line struct {
	from  uint64        // where it begins, on the counter
	reach uint64        // how far it is to be used
	start time.Duration // the time at from
	slope uint64        // the time for a step of the counter, in 2⁻³² ns
}

// at returns the time d steps from the line's beginning; d is less than its reach.
func (l *line) at(d uint64) time.Duration { return l.start + time.Duration(d*l.slope>>32) }

// The slopes of counters of 16 GHz and 62 MHz: there are no others, and one that is much
// flatter would be followed for hours.
const flattest, steepest = 1 << 28, 16 << 32

// A converter has the line that is used at present.
type converter struct {
	line atomic.Pointer[line]

	mu    sync.Mutex
	mark  mark   // through which the next line goes, if there is one
	slope uint64 // of the last line; 0 if nothing is known of the rate
}

var global converter

// look reads the system's clock, and lays the next line if it is time to.
func (c *converter) look() time.Duration {
	now := system() - origin
	if !c.mu.TryLock() {
		return now
	}
	defer c.mu.Unlock()
	if c.mark.count > 0 && now-c.mark.time < soon {
		return now
	}
	if m, ok := closest(); ok {
		c.read(m)
	}
	return now
}

// closest reads both clocks several times and returns what was read in the least time: in
// between, the processor may do something else.
func closest() (m mark, ok bool) {
	best := uint64(closely)
	for range 4 {
		before := count()
		now := system() - origin
		if took := count() - before; took < best {
			best, m, ok = took, mark{before + took/2, now}, true
		}
	}
	return m, ok
}

// closely is how many steps of the counter two readings that count as one may be apart: about
// two microseconds.
const closely = 1 << 12

// read lays the next line through the last mark and m, if those say how steep it is. It needs
// mu.
func (c *converter) read(m mark) {
	last := c.mark
	c.mark = m
	past := m.time - last.time
	if last.count == 0 || past <= 0 || past > oldest || m.count <= last.count {
		return
	}
	slope := uint64(float64(past) / float64(m.count-last.count) * (1 << 32))
	was := c.slope
	c.slope = slope
	if slope < flattest || slope > steepest || was != 0 && max(slope, was)-min(slope, was) > was>>8 {
		// The machine has slept, or is another one by now: no line goes through both marks.
		c.slope = 0
		return
	}
	reach := uint64(float64(min(window, 2*past)) / float64(slope) * (1 << 32))
	c.line.Store(&line{from: m.count, reach: reach, start: m.time, slope: slope})
}
