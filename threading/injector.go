package threading

import (
	"context"
	"slices"

	"github.com/go-braid/braid/engine"
)

// An entry is something to run: a call, or a function that nobody waits for.
type entry struct {
	call    *engine.Call
	attempt int // of call: when this one has been claimed, the next may wait elsewhere
	fn      func(context.Context)
	ctx     context.Context // of fn
}

// entryOf returns the entry of a call that waits.
func entryOf(c *engine.Call) entry { return entry{call: c, attempt: c.Attempt()} }

func (e *entry) isZero() bool { return e.call == nil && e.fn == nil }

// The bits of the note that the pool keeps in each call that runs.
const (
	noteEnded  uint32 = 1 << iota // its run is over
	noteParked                    // and above: the number of goroutines parked in its name
)

// An injector is the queue that all workers of a pool share: first in, first out,
// among entries of the same priority. Who claims a call leaves its entry behind, a ghost,
// which is skipped or cleared away later. It needs the pool's mutex.
type injector struct {
	pool    *Pool
	live    int // entries, ghosts included
	normal  ring
	levels  []level // those that are not of priority 0, the most urgent ones first
	special int     // entries of another priority than 0
	urgent  int     // those of a priority above 0
}

// A level is the entries of one priority.
type level struct {
	priority int
	ring     ring
}

func (j *injector) push(e entry, priority int) {
	j.live++
	if priority == 0 {
		j.normal.push(e)
		return
	}
	j.count(priority, 1)
	i, found := slices.BinarySearchFunc(j.levels, priority, func(l level, p int) int { return p - l.priority })
	if !found {
		j.levels = slices.Insert(j.levels, i, level{priority: priority})
	}
	j.levels[i].ring.push(e)
}

// count counts entries of a priority.
func (j *injector) count(priority, n int) {
	if priority != 0 {
		j.special += n
	}
	if priority > 0 {
		j.urgent += n
	}
}

// take takes the next entry, claimed, and removes it.
func (j *injector) take() (entry, bool) {
	if j.live == 0 {
		return entry{}, false
	}
	for i := range j.levels {
		l := &j.levels[i]
		if l.priority < 0 {
			if e, ok := j.takeFrom(&j.normal, 0); ok {
				return e, true
			}
		}
		if e, ok := j.takeFrom(&l.ring, l.priority); ok {
			return e, true
		}
	}
	return j.takeFrom(&j.normal, 0)
}

func (j *injector) takeFrom(r *ring, priority int) (entry, bool) {
	for r.len() > 0 {
		e := r.pop()
		j.live--
		j.count(priority, -1)
		if j.pool.claim(&e) {
			return e, true
		}
	}
	return entry{}, false
}

// batch moves up to n entries of priority 0 to b, unclaimed, in their order. There must
// be none that are more urgent.
func (j *injector) batch(b *batch, n int) {
	b.fill(func(es []entry) int {
		n := j.normal.move(es[:min(n, len(es))])
		j.live -= n
		return n
	})
}

// compact removes the ghosts.
func (j *injector) compact() {
	j.pool.ghosts.Add(-int64(j.compactRing(&j.normal, 0)))
	for i := range j.levels {
		j.pool.ghosts.Add(-int64(j.compactRing(&j.levels[i].ring, j.levels[i].priority)))
	}
}

func (j *injector) compactRing(r *ring, priority int) (removed int) {
	for n := r.len(); n > 0; n-- {
		e := r.pop()
		if e.call == nil || e.call.WaitingInAttempt(e.attempt) {
			r.push(e)
			continue
		}
		removed++
		j.live--
		j.count(priority, -1)
	}
	return removed
}

// A ring is a queue of entries in a circular buffer that grows.
type ring struct {
	buf        []entry // its length is a power of two, or 0
	head, tail uint
}

func (r *ring) len() int { return int(r.tail - r.head) }

func (r *ring) push(e entry) {
	if r.len() == len(r.buf) {
		r.grow()
	}
	r.buf[r.tail&uint(len(r.buf)-1)] = e
	r.tail++
}

func (r *ring) pop() entry {
	p := &r.buf[r.head&uint(len(r.buf)-1)]
	e := *p
	*p = entry{}
	r.head++
	return e
}

// move pops entries into es, as many as there are and fit, and returns how many. It costs
// much less than to pop them one by one.
func (r *ring) move(es []entry) int {
	n := 0
	for n < len(es) && r.len() > 0 {
		i := int(r.head & uint(len(r.buf)-1))
		from := r.buf[i:min(i+r.len(), len(r.buf))]
		k := copy(es[n:], from)
		clear(from[:k])
		r.head += uint(k)
		n += k
	}
	return n
}

func (r *ring) grow() {
	buf := make([]entry, max(16, 2*len(r.buf)))
	n := r.move(buf)
	r.buf, r.head, r.tail = buf, 0, uint(n)
}
