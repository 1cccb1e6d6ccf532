package deque

import (
	"flag"
	"fmt"
	"testing"
)

var large = flag.Bool("large", false, "have TestModel go through 15 million states, which takes minutes and 4 GB")

// TestModel goes through every order of the steps of an owner and two thieves, in a model
// of the algorithm: the steps are those of README.md, with their names. The owner
// decides at each operation whether to push or pop, so that this is every program of its
// size. Buffers begin with two slots and indices have eight bits and start before they
// wrap around: growth, buffers of the same size, and the last element are all met.
func TestModel(t *testing.T) {
	sizes := []struct{ ops, steals uint8 }{{5, 1}, {3, 2}}
	if *large {
		sizes = []struct{ ops, steals uint8 }{{8, 1}, {6, 2}}
	}
	grown, replaced, wrapped, lost := 0, 0, 0, 0
	for _, size := range sizes {
		start := model{top: 253, bottom: 253, cur: none, left: size.ops}
		for i := range start.thieves {
			start.thieves[i].left = size.steals
		}
		seen := map[model]bool{start: true}
		next := []model{start}
		for len(next) > 0 {
			m := next[len(next)-1]
			next = next[:len(next)-1]
			if m.ended() {
				if err := m.check(); err != "" {
					t.Fatalf("%s in the end: %+v", err, m)
				}
			}
			if m.bottom < m.top {
				wrapped++
			}
			if m.n > 1 {
				if m.bufs[m.n-1].size > m.bufs[m.n-2].size {
					grown++
				} else {
					replaced++
				}
			}
			if m.owner.at == "O5b" && !m.owner.won {
				lost++
			}
			for _, n := range m.steps() {
				if n.err != "" {
					t.Fatalf("%s\nafter  %+v\nbefore %+v", n.err, n, m)
				}
				if !seen[n] {
					seen[n] = true
					next = append(next, n)
				}
			}
		}
		t.Logf("%d operations and 2 × %d thefts: %d states", size.ops, size.steals, len(seen))
	}
	if grown == 0 || replaced == 0 || wrapped == 0 || lost == 0 {
		t.Errorf("states in which the buffer has grown %d, was replaced %d, indices have wrapped around %d, the owner has lost %d; want some of each",
			grown, replaced, wrapped, lost)
	}
}

const (
	none      = -1
	maxPushed = 6 // what fits into a buffer of two slots and one of four
)

// A model is a state of a deque and of those who use it. Elements are numbers from 1; a
// set of them is a bit mask.
type model struct {
	top, bottom uint8
	cur         int8 // d.buf, as an index of bufs
	bufs        [4]modelBuffer
	n           int8 // buffers made

	owner   actor
	left    uint8 // operations of the owner
	thieves [2]actor

	pushed uint8 // elements whose Push has begun
	in     uint8 // set of those whose Push is complete
	taken  uint8 // set
	gone   uint8 // set of those that somebody who found nothing knows to be taken
	stack  uint8 // set of those that the owner has pushed and not popped
	err    string
}

type modelBuffer struct {
	base  uint8
	older int8
	size  uint8
	slots [4]uint8
}

// An actor is somebody in the midst of an operation.
type actor struct {
	at   string // the next step; "" between operations
	left uint8  // thefts
	b, t uint8
	a    int8 // the buffer at hand
	won  bool
	v    uint8 // what it has pushed or taken

	in, gone uint8 // when the operation began
	last     uint8 // of a thief: the element before
}

func (m *model) holder(i uint8) int8 {
	a := m.cur
	for a != none && int8(i-m.bufs[a].base) < 0 {
		a = m.bufs[a].older
	}
	return a
}

func (m *model) slot(a int8, i uint8) *uint8 {
	return &m.bufs[a].slots[i&(m.bufs[a].size-1)]
}

func (m *model) fail(format string, args ...any) {
	if m.err == "" {
		m.err = fmt.Sprintf(format, args...)
	}
}

// take has an actor get element v. Nobody may have got it before, nor may somebody have
// found the deque empty, between its Push and the beginning of this operation.
func (m *model) take(a *actor, v uint8) {
	if v == 0 {
		m.fail("the slot is empty")
		return
	}
	bit := uint8(1) << (v - 1)
	if m.taken&bit != 0 {
		m.fail("%d is taken twice", v)
	}
	if a.gone&bit != 0 {
		m.fail("%d is taken, after somebody has found nothing", v)
	}
	m.taken |= bit
}

// nothing has an actor find nothing. All that was there when it began was taken, then.
func (m *model) nothing(a *actor) { m.gone |= a.in }

func (m *model) ended() bool {
	for _, th := range m.thieves {
		if th.at != "" || th.left > 0 {
			return false
		}
	}
	return m.owner.at == ""
}

// check returns what is wrong when nobody is in the midst of an operation.
func (m *model) check() string {
	n, slots := 0, 0
	for v := range m.pushed {
		if m.taken&(1<<v) == 0 {
			n++
		}
	}
	for a := m.cur; a != none; a = m.bufs[a].older {
		for _, v := range m.bufs[a].slots {
			if v != 0 {
				slots++
			}
		}
	}
	if int(m.bottom-m.top) != n || slots != n {
		return fmt.Sprintf("%d elements by their indices, %d by the slots, %d are not taken", m.bottom-m.top, slots, n)
	}
	return ""
}

// steps returns the states that may come next: one of the actors does a step.
func (m *model) steps() []model {
	var ms []model
	if m.owner.at == "" {
		if m.left > 0 {
			for _, op := range []string{"P1", "O1"} {
				if op == "P1" && m.pushed == maxPushed {
					continue
				}
				n := *m
				n.left--
				n.owner = actor{at: op, in: n.in, gone: n.gone}
				n.own()
				ms = append(ms, n)
			}
		}
	} else {
		n := *m
		n.own()
		ms = append(ms, n)
	}
	for i := range m.thieves {
		n := *m
		th := &n.thieves[i]
		if th.at == "" {
			if th.left == 0 {
				continue
			}
			*th = actor{at: "S1", left: th.left - 1, last: th.last, in: n.in, gone: n.gone}
		}
		n.steal(th)
		ms = append(ms, n)
	}
	return ms
}

// own does a step of the owner.
func (m *model) own() {
	o := &m.owner
	switch o.at {
	case "P1":
		m.pushed++
		o.v, o.b, o.a = m.pushed, m.bottom, m.holder(m.bottom)
		o.at = "P2"
	case "P2":
		o.at = "P4"
		if o.a == none || *m.slot(o.a, o.b) != 0 {
			o.at = "P3a"
		}
	case "P3a":
		o.t = m.top
		o.at = "P3b"
	case "P3b":
		if int(m.n) == len(m.bufs) {
			m.fail("the model has too few buffers")
			return
		}
		b := modelBuffer{base: o.b, older: m.cur, size: 2}
		if m.cur != none {
			if int8(o.b-m.bufs[m.cur].base) < 0 {
				m.fail("a new buffer for index %d, below the newest one", o.b)
			}
			b.size = m.bufs[m.cur].size
			if o.b-o.t > b.size/2 {
				b.size *= 2
			}
		}
		if int(b.size) > len(b.slots) {
			m.fail("the model's buffers have too few slots")
			return
		}
		o.a = m.n
		m.bufs[o.a] = b
		m.n++
		for x := o.a; x != none; x = m.bufs[x].older {
			if int8(o.t-m.bufs[x].base) >= 0 {
				m.bufs[x].older = none
			}
		}
		o.at = "P3c"
	case "P3c":
		m.cur = o.a
		o.at = "P4"
	case "P4":
		s := m.slot(o.a, o.b)
		if *s != 0 {
			m.fail("%d is overwritten", *s)
		}
		*s = o.v
		o.at = "P5"
	case "P5":
		m.bottom = o.b + 1
		m.in |= 1 << (o.v - 1)
		m.stack |= 1 << (o.v - 1)
		*o = actor{}

	case "O1":
		o.b, o.t = m.bottom, m.top
		switch o.b - o.t {
		case 0:
			m.nothing(o)
			o.at = "O7"
			return
		case 1:
			o.at = "O2"
		default:
			o.at = "O3"
		}
		o.b--
	case "O2":
		if m.top != o.t {
			m.nothing(o)
			*o = actor{}
			return
		}
		m.top++
		o.at = "O6"
	case "O3":
		m.bottom = o.b
		o.at = "O4"
	case "O4":
		o.t = m.top
		o.at = "O6"
		if int8(o.b-o.t) <= 0 {
			o.at = "O5a"
		}
	case "O5a":
		if o.t == o.b && m.top == o.t {
			m.top++
			o.won = true
		}
		o.at = "O5b"
	case "O5b":
		m.bottom = o.b + 1
		if !o.won {
			m.nothing(o)
			*o = actor{}
			return
		}
		o.at = "O6"
	case "O6":
		s := m.slot(m.holder(o.b), o.b)
		m.take(o, *s)
		// It must be the newest; those above it were popped, or all are stolen.
		if *s != 0 && m.stack>>*s != 0 {
			m.fail("%d is popped before one that is newer", *s)
		}
		m.stack &^= 1 << (*s - 1)
		*s = 0
		if o.b == o.t {
			o.at = "O7"
			return
		}
		*o = actor{}
	case "O7":
		if m.cur != none && m.bufs[m.cur].size > 2 {
			m.cur = none
		}
		*o = actor{}
	}
}

// steal does a step of a thief.
func (m *model) steal(th *actor) {
	done := actor{left: th.left, last: th.last}
	switch th.at {
	case "S1":
		th.t = m.top
		th.at = "S2"
	case "S2":
		if int8(m.bottom-th.t) <= 0 {
			m.nothing(th)
			*th = done
			return
		}
		th.at = "S3a"
	case "S3a":
		th.a = m.cur
		th.at = "S3b"
	case "S3b":
		if th.a != none && int8(th.t-m.bufs[th.a].base) < 0 {
			th.a = m.bufs[th.a].older
			return
		}
		if th.a == none {
			if m.top == th.t {
				m.fail("index %d has no buffer, and is not taken", th.t)
			}
			*th = done
			return
		}
		th.at = "S4"
	case "S4":
		if m.top != th.t {
			*th = done
			return
		}
		m.top++
		th.at = "S5"
	case "S5":
		th.v = *m.slot(th.a, th.t)
		m.take(th, th.v)
		if th.v <= th.last {
			m.fail("a thief gets %d after %d", th.v, th.last)
		}
		th.at = "S6"
	case "S6":
		*m.slot(th.a, th.t) = 0
		done.last = th.v
		*th = done
	}
}
