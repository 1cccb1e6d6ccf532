package multiprocessing

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/internal/wire"
)

// helping decides how long strands that wait for a call watch for it themselves before
// they park. To be woken costs more than a short call takes; to watch costs a processor
// that others might need. So it is learned: a watch that was in vain halves the time of
// the next ones, one that was not doubles it.
type helping struct {
	budget atomic.Int64 // nanoseconds; 0 means the initial one
	skips  atomic.Int64
}

const (
	maxHelp = 50 * time.Microsecond
	minHelp = 2 * time.Microsecond

	looksPerTime = 128 // looks at the ring between two at the clock
)

// Help implements [engine.Helper]: for a short time the caller receives what workers
// send.
func (p *Pool) Help(done *atomic.Bool) {
	if runtime.NumCPU() == 1 {
		return
	}
	budget := time.Duration(p.help.budget.Load())
	if budget == 0 {
		budget = maxHelp
	}
	if budget <= minHelp && p.help.skips.Add(1)%16 != 0 {
		return // once in a while, to find out whether times have changed
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
			_, err := w.receive(r)
			if done.Load() {
				p.help.budget.Store(int64(min(2*budget, maxHelp)))
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
		case time.Since(began) > budget:
			p.help.budget.Store(int64(max(budget/2, minHelp)))
			return
		}
	}
}

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
