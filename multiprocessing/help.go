package multiprocessing

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/internal/wire"
)

// helping decides whether a strand that waits for a call watches for it itself before it
// parks. To be woken takes longer than a short call; to watch takes a processor that
// others might need. So it is learned: after a watch that was in vain so many waits do
// without, twice as many each time; one that was not clears that.
type helping struct {
	skip    atomic.Int32 // waits that do without from now on
	penalty atomic.Int32 // for the next watch in vain
}

const (
	// watchTime is about what it costs, on a virtual machine, to put one processor to
	// sleep and wake another: who watches for no longer, and is unlucky, has lost no
	// more than twice what parking at once would have cost (the rule for renting skis).
	watchTime  = 200 * time.Microsecond
	maxPenalty = 64

	looksPerTime = 128 // looks at the ring between two at the clock
)

// isWorthwhile reports whether to watch this time.
func (h *helping) isWorthwhile() bool {
	if h.skip.Load() <= 0 {
		return true
	}
	h.skip.Add(-1)
	return false
}

// done says how a watch has ended.
func (h *helping) done(inVain bool) {
	switch penalty := h.penalty.Load(); {
	case inVain:
		penalty = min(max(2*penalty, 1), maxPenalty)
		h.penalty.Store(penalty)
		h.skip.Store(penalty)
	case penalty != 0:
		h.penalty.Store(0)
		h.skip.Store(0)
	}
}

// Help implements [engine.Helper]: for a short time the caller receives what workers
// send.
func (p *Pool) Help(done *atomic.Bool) {
	if numCPU == 1 || !p.help.isWorthwhile() {
		return
	}
	w := p.helped()
	if w == nil {
		return
	}
	defer w.recv.Unlock()
	r := w.data.(*wire.Ring)
	var began time.Time // a look at the clock costs as much as many at the ring
	for i := 1; ; i++ {
		if r.Poll() {
			err := w.receive(r)
			if done.Load() {
				p.help.done(false)
				return
			}
			if err != nil {
				return
			}
		}
		switch {
		case i%looksPerTime != 0:
		case done.Load():
			return
		case i == looksPerTime:
			began = time.Now()
		case time.Since(began) > watchTime:
			p.help.done(true)
			return
		}
	}
}

var numCPU = runtime.NumCPU()

// helped returns a worker that runs a call, with its lock for receiving held, if there
// is just one such worker: with several, who waits for one cannot tell which.
func (p *Pool) helped() *worker {
	p.mu.Lock()
	var found *worker
	if p.running == 1 && p.taken.state == busy {
		found = p.taken
	}
	p.mu.Unlock()
	if found == nil {
		return nil
	}
	if _, ok := found.data.(*wire.Ring); !ok || !found.recv.TryLock() {
		return nil
	}
	return found
}
