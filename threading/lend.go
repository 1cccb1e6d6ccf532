package threading

import (
	"context"
	"sync/atomic"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// Park implements [engine.Place]: it lends the task's slot while the strand is parked.
func (w *worker) Park(ctx context.Context, c *engine.Call, op strand.Op, wt strand.Waitable) error {
	return w.park(ctx, c, &c.Note, op, wt)
}

// park parks the strand of a task of the worker, which is a call unless c is nil.
func (w *worker) park(ctx context.Context, c *engine.Call, note *atomic.Uint32, op strand.Op, wt strand.Waitable) error {
	l := &lender{Waitable: wt, worker: w, call: c, note: note, ctx: ctx, op: op}
	err := strand.Goroutine{}.Park(ctx, op, l)
	if l.armed {
		l.reclaim()
	}
	return err
}

// A lender is a Waitable that lends the task's slot once it is certain that the
// strand will park.
type lender struct {
	strand.Waitable
	worker *worker
	call   *engine.Call // nil: a function
	note   *atomic.Uint32
	ctx    context.Context
	op     strand.Op
	armed  bool
	lent   bool // this one has lent the slot
	away   bool // and the places in executors in front of the pool
	places engine.Places
}

func (l *lender) Arm(wake func()) bool {
	l.armed = l.Waitable.Arm(wake)
	if l.armed {
		l.lend()
	}
	return l.armed
}

// observed reports whether somebody listens to parks. Then the events of a call are kept
// in their order by worker.events.
func (l *lender) observed() bool { return l.call != nil && l.worker.pool.cfg.Listener != nil }

// lend counts the strand as parked. A careless task may park from several goroutines, and
// even after its end: its slot is lent while at least one of them is parked, and the
// pool's accounts are right whatever tasks do.
func (l *lender) lend() {
	w := l.worker
	p := w.pool
	if l.observed() {
		w.events.Lock()
		defer w.events.Unlock()
	}
	p.mu.Lock()
	first := false
	for {
		n := l.note.Load()
		if n&noteEnded != 0 {
			break
		}
		if l.note.CompareAndSwap(n, n+noteParked) {
			first = n < noteParked
			break
		}
	}
	if first && w.lender == nil && w.resume == nil && p.lent < p.cfg.MaxLent {
		w.lender = l.note
		l.lent = true
		if l.call != nil {
			l.places = l.call.Places() // while it cannot end
		}
		p.lent++
		p.running--
		p.schedule()
	}
	p.unlock()
	if l.lent {
		l.away = l.places.Lend(l.op)
	}
	if first && l.observed() {
		l.call.Parked(l.ctx, w.id, l.op)
	}
}

// reclaim takes a slot again, waiting for it if need be.
func (l *lender) reclaim() {
	w := l.worker
	p := w.pool
	if l.away {
		// From the outside to the inside, as on arrival: so nobody holds what another
		// one waits for.
		l.places.Reclaim(strand.Goroutine{})
	}
	p.mu.Lock()
	n := l.note.Load()
	if n&noteEnded != 0 || n < noteParked {
		p.unlock()
		return
	}
	n -= noteParked
	l.note.Store(n)
	last := n < noteParked
	if last && w.lender == l.note {
		w.lender = nil
		if !p.takeSlot() {
			r := p.queueForSlot()
			w.resume = r
			p.unlock()
			// This is not cut short by the context: what runs must hold a slot.
			<-r.slot
			p.mu.Lock()
			if w.resume == r {
				w.resume = nil
			}
		}
	}
	p.unlock()
	if last && l.observed() {
		w.events.Lock()
		defer w.events.Unlock()
		if l.note.Load()&noteEnded == 0 {
			l.call.Resumed(l.ctx, w.id)
		}
	}
}

// takeSlot takes back a slot that was lent, if there is a free one. It needs p.mu.
func (p *Pool) takeSlot() bool {
	if p.running >= p.workers || p.resumers.Len() > 0 || p.paused {
		return false
	}
	p.running++
	p.lent--
	p.update()
	return true
}

// queueForSlot stands in line for a slot that was lent. It needs p.mu.
func (p *Pool) queueForSlot() *resumer {
	r := &resumer{slot: make(chan struct{})}
	r.node.Value = r
	p.resumers.Push(&r.node)
	p.update()
	return r
}

// A resumer is a woken task that waits for a slot.
type resumer struct {
	slot chan struct{} // closed when it has one
	node waitq.Node[*resumer]
}

func (r *resumer) grant() { close(r.slot) }

// Over implements [engine.Place]. It marks the end of a run, whose outcome nobody has
// heard of yet. Where the bounds are tight it gives back the slot as well: who submits the
// next call as soon as this one is complete finds room for it. The worker takes on no other
// task until the outcome is delivered.
func (w *worker) Over(c *engine.Call) {
	p, note := w.pool, &c.Note
	if !p.exact && note.CompareAndSwap(0, noteEnded) {
		return // nobody has parked, and nobody will: there are no events to be kept in order
	}
	if p.cfg.Listener != nil {
		w.events.Lock()
		defer w.events.Unlock()
	}
	p.mu.Lock()
	defer p.unlock()
	note.Store(note.Load() | noteEnded)
	// A goroutine that the task has left behind may have lent its slot.
	if w.lender == note {
		w.lender = nil
		p.lent--
		w.slotless = true
	} else if r := w.resume; r != nil {
		w.resume = nil
		if p.resumers.Remove(&r.node) {
			p.lent--
			w.slotless = true
			r.grant()
		}
	}
	if p.exact {
		if !w.slotless {
			p.running--
			w.slotless = true
		}
		w.finishes = true
		p.settling++
		p.finishing++
	}
	p.update()
}

// maxDepth is how many calls may run inside one another on one worker: a stack is not
// without end. Beyond it, a task that waits parks.
const maxDepth = 1000

// joins reports whether the caller, who is about to wait, may run a call on the worker.
func (w *worker) joins() bool {
	p := w.pool
	return !p.exact && p.cfg.MaxLent > 0 && p.flags.Load()&flagPaused == 0 && w.isCaller() && w.depth < maxDepth
}

// Join implements [engine.Place].
func (w *worker) Join(ctx context.Context, c, other *engine.Call) {
	p := w.pool
	if !w.joins() || other.Host() != &p.host || !other.Claim() {
		return
	}
	if !w.unspawn(other) {
		p.ghosts.Add(1)
	}
	w.inside(ctx, c, other)
	w.tidy()
}

// unspawn removes the newest call of the worker's own queue if it is c.
func (w *worker) unspawn(c *engine.Call) bool {
	return w.local != nil && w.local.spawned.Peek() == c && w.local.spawned.Pop() == c
}

// tidy removes what is left of calls that others have claimed from the bottom of the
// worker's own queue, so that a task that waits for its calls in another order than it
// has submitted them does not fill it.
func (w *worker) tidy() {
	if w.local == nil {
		return
	}
	for c := w.local.spawned.Peek(); c != nil && !c.Waiting(); c = w.local.spawned.Peek() {
		if w.local.spawned.Pop() != nil {
			w.pool.ghosts.Add(-1)
		}
	}
}

// JoinAll implements [engine.Place].
func (w *worker) JoinAll(ctx context.Context, c *engine.Call, f engine.Family) {
	for w.joins() && w.local != nil {
		other := w.local.spawned.Peek()
		if other == nil {
			return
		}
		if !other.Waiting() {
			w.tidy()
			continue
		}
		if !f.Has(other) {
			return
		}
		if e := spawnedEntry(other); w.local.spawned.Pop() == other && w.pool.claim(&e) {
			w.inside(ctx, c, other)
		}
	}
}

// inside runs a claimed call on the strand of c, which is nil if that is a function's,
// and lends it the slot, so to speak.
func (w *worker) inside(ctx context.Context, c, other *engine.Call) {
	op := strand.Op{Object: other.Object(), Kind: strand.OpAwait, Access: strand.Read}
	observed := c != nil && w.pool.cfg.Listener != nil
	if observed {
		c.Parked(ctx, w.id, op)
	}
	w.depth++
	w.nested.Store(int32(w.depth))
	w.runCall(other, 0)
	w.depth--
	w.nested.Store(int32(w.depth))
	if w.slotless {
		w.regain()
	}
	if observed {
		c.Resumed(ctx, w.id)
	}
}

// regain takes a slot for a worker that has lost it to a goroutine of a call that it has
// run inside of another one.
func (w *worker) regain() {
	p := w.pool
	p.mu.Lock()
	p.lent++
	w.slotless = false
	if p.takeSlot() {
		p.unlock()
		return
	}
	r := p.queueForSlot()
	w.resume = r // nobody lends what it has not got
	p.unlock()
	<-r.slot
	p.mu.Lock()
	w.resume = nil
	p.mu.Unlock()
}
