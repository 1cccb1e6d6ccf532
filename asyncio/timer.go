package asyncio

// A timer is a moment at which a loop does something. It is part of what is to be
// done then.
type timer struct {
	when  int64 // on the loop's clock
	seq   uint64
	place int // in the heap, from 1; 0: not set
	fire  firer
}

// A firer is told that its timer has gone off.
type firer interface{ fire() }

// timers is a heap of four branches, ordered by time and then by when the timers
// were set. A timer knows its place, so that one that is cancelled leaves at once
// and a million cancelled ones cost no memory.
type timers struct {
	heap []slot
	seq  uint64
}

// A slot keeps what is compared beside one another in memory.
type slot struct {
	when int64
	seq  uint64
	t    *timer
}

func (s slot) before(o slot) bool { return s.when < o.when || s.when == o.when && s.seq < o.seq }

func (h *timers) len() int { return len(h.heap) }

// next returns when the first timer goes off; there must be one.
func (h *timers) next() int64 { return h.heap[0].when }

func (h *timers) set(t *timer, when int64, f firer) {
	h.seq++
	t.when, t.seq, t.fire = when, h.seq, f
	h.heap = append(h.heap, slot{when, h.seq, t})
	h.up(len(h.heap) - 1)
}

// cancel takes t out and reports whether it was set.
func (h *timers) cancel(t *timer) bool {
	if t.place == 0 {
		return false
	}
	h.remove(t.place - 1)
	return true
}

// due takes out the first timer and returns it if it goes off at now or before;
// otherwise it returns nil.
func (h *timers) due(now int64) *timer {
	if len(h.heap) == 0 || h.heap[0].when > now {
		return nil
	}
	t := h.heap[0].t
	h.remove(0)
	return t
}

func (h *timers) remove(i int) {
	h.heap[i].t.place = 0
	last := len(h.heap) - 1
	moved := h.heap[last]
	h.heap[last] = slot{}
	h.heap = h.heap[:last]
	if i == last {
		return
	}
	h.heap[i] = moved
	h.up(i)
	h.down(moved.t.place - 1)
}

func (h *timers) up(i int) {
	s := h.heap[i]
	for i > 0 {
		p := (i - 1) / 4
		if !s.before(h.heap[p]) {
			break
		}
		h.put(i, h.heap[p])
		i = p
	}
	h.put(i, s)
}

func (h *timers) down(i int) {
	s := h.heap[i]
	for {
		first := 4*i + 1
		if first >= len(h.heap) {
			break
		}
		least := first
		for j := first + 1; j < min(first+4, len(h.heap)); j++ {
			if h.heap[j].before(h.heap[least]) {
				least = j
			}
		}
		if !h.heap[least].before(s) {
			break
		}
		h.put(i, h.heap[least])
		i = least
	}
	h.put(i, s)
}

func (h *timers) put(i int, s slot) {
	h.heap[i] = s
	s.t.place = i + 1
}
