package threading

import (
	"context"
	"slices"

	"github.com/go-braid/braid/engine"
)

// An entry is something to run: a call, or a function that nobody waits for.
type entry struct {
	call *engine.Call
	fn   func(context.Context)
	ctx  context.Context // of fn
}

func (e *entry) isZero() bool { return e.call == nil && e.fn == nil }

// The bits of the note that the pool keeps in each call.
const (
	noteInjected uint32 = 1 << iota // it is in the injector, and nobody has claimed it; changes under Pool.mu
	noteOutside                     // it is not admitted yet
	noteEnded                       // its run is over
	noteParked                      // and above: the number of goroutines parked in its name
)

// An injector is the queue that all workers of a pool share: first in, first out,
// among entries of the same priority. Who claims a call leaves its entry behind,
// which is skipped or cleared away later. It needs the pool's mutex.
type injector struct {
	live    int // entries that are still to be run
	normal  ring
	levels  []level // those that are not of priority 0, the most urgent ones first
	special int     // live entries of another priority than 0
	urgent  int     // those of a priority above 0
}

// A level is the entries of one priority.
type level struct {
	priority int
	ring     ring
}

func (j *injector) push(e entry, priority int) {
	j.live++
	if e.call != nil {
		e.call.Note.Store(noteInjected)
	}
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

// take takes the next live entry, claimed, and removes it.
func (j *injector) take() (entry, bool) {
	if j.live == 0 {
		return entry{}, false
	}
	for i := range j.levels {
		l := &j.levels[i]
		if l.priority < 0 {
			if e, ok := j.takeFrom(&j.normal); ok {
				return e, true
			}
		}
		if e, ok := j.takeFrom(&l.ring); ok {
			j.count(l.priority, -1)
			return e, true
		}
	}
	return j.takeFrom(&j.normal)
}

func (j *injector) takeFrom(r *ring) (entry, bool) {
	for r.len() > 0 {
		e := r.pop()
		if e.call != nil && !j.claim(e.call) {
			continue
		}
		j.live--
		return e, true
	}
	return entry{}, false
}

// claim claims a call in the injector.
func (j *injector) claim(c *engine.Call) bool {
	if c.Note.Load() != noteInjected || !c.Claim() {
		return false
	}
	c.Note.Store(0)
	return true
}

// batch moves up to n entries of priority 0 to b, unclaimed, in their order. There must
// be none that are more urgent.
func (j *injector) batch(b *batch, n int) {
	b.fill(func(es []entry) int {
		k := 0
		for k < min(n, len(es)) && j.normal.len() > 0 {
			e := j.normal.pop()
			if e.call != nil {
				if e.call.Note.Load() != noteInjected {
					continue // it was claimed, or is there again
				}
				e.call.Note.Store(0)
			}
			j.live--
			es[k] = e
			k++
		}
		return k
	})
}

// removed says that a call in the injector was claimed by somebody else. It returns
// false if that was not in the injector.
func (j *injector) removed(c *engine.Call) bool {
	if c.Note.Load()&noteInjected == 0 {
		return false
	}
	c.Note.Store(0)
	j.live--
	j.count(c.Priority(), -1)
	r := &j.normal
	for i := range j.levels {
		if j.levels[i].priority == c.Priority() {
			r = &j.levels[i].ring
		}
	}
	r.gaps++
	if r.gaps > r.len()/2 { // so that it costs little for each, and they are not many
		r.compact()
	}
	return true
}

// A ring is a queue of entries in a circular buffer that grows.
type ring struct {
	buf        []entry // its length is a power of two, or 0
	head, tail uint
	gaps       int // entries whose calls were claimed
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
	if r.head == r.tail {
		r.gaps = 0
	}
	return e
}

func (r *ring) grow() {
	buf := make([]entry, max(16, 2*len(r.buf)))
	n := 0
	for ; r.len() > 0; n++ {
		buf[n] = r.pop()
	}
	r.buf, r.head, r.tail = buf, 0, uint(n)
}

// compact removes the entries whose calls were claimed.
func (r *ring) compact() {
	for n := r.len(); n > 0; n-- {
		e := r.pop()
		if e.call == nil || e.call.Note.Load()&noteInjected != 0 {
			r.push(e)
		}
	}
	r.gaps = 0
}
