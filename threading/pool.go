package threading

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// ErrBroken is the error of calls that a pool refuses because Config.Init failed.
var ErrBroken = errors.New("the pool is broken: a worker could not be initialised")

// A Pool is an engine that runs calls on a bounded number of goroutines. Make one
// with [NewPool]. Its methods may be called from any goroutine.
//
// # Slots
//
// A pool has as many slots as Config.Workers. A task that runs holds one, and
// calls wait in a queue, first in, first out, until one is free. A task that
// parks to wait for another strand (a future, a mutex, a queue) lends its slot to
// the next call meanwhile, since that may be the very one it waits for: so tasks
// that submit to their own pool and wait do not deadlock, even on a pool of one.
// When it is woken it takes a slot again, before any queued call, so that never
// more tasks run than there are slots. A task that sleeps keeps its slot: time
// passes without anybody's help.
//
// The pool cannot see a task that blocks outside package strand, on a channel or
// a sync.Mutex. Such a task keeps its slot. In particular, a task must not hold
// a sync.Mutex while it parks: when it is woken, the slots may all be held by
// tasks that wait for that mutex.
type Pool struct {
	host engine.Host
	cfg  Config
	ctx  context.Context // of Init; it ends with the pool
	end  context.CancelCauseFunc

	mu        sync.Mutex
	workers   int // slots
	running   int // slots held
	lent      int // tasks that are parked and hold no slot
	settling  int // calls that hold no slot any more, and whose outcome is being delivered
	finishing int // the workers among them: those will look for the next call
	live      int // goroutines of workers
	closing   bool
	broken    error
	waiting   waitq.List[*task]         // admitted, in the queue
	putters   waitq.List[*putter]       // submitters that wait for room in it
	resumers  waitq.List[chan struct{}] // woken tasks that wait for a slot
	tasks     waitq.List[*task]         // begun and not ended
	idle      []*worker
	ids       []bool             // worker numbers in use, from 1 at index 0
	quiet     waitq.List[*quiet] // strands that wait for the end of work
	after     []func()           // to be done when mu is released
	counters  struct{ submitted, refused, completed uint64 }
}

// NewPool returns a pool. Its goroutines start as they are needed. It panics if
// cfg makes no sense.
//
// A pool that is dropped without [Pool.Close] leaks its idle goroutines.
func NewPool(cfg Config) *Pool {
	p := &Pool{cfg: cfg.check()}
	p.workers = p.cfg.Workers
	p.host = engine.Host{Name: p.cfg.Name, Listener: p.cfg.Listener, Executor: p}
	p.ctx, p.end = context.WithCancelCause(context.Background())
	return p
}

// Host implements [engine.Hoster].
func (p *Pool) Host() *engine.Host { return &p.host }

// Size implements [engine.Sizer]: it returns the number of slots.
func (p *Pool) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.workers
}

// Start implements [engine.Executor]. While the pool is full it parks the
// calling strand or refuses the call, as Config.Full says.
func (p *Pool) Start(ctx context.Context, c *engine.Call) {
	ctx = c.Submit(ctx, &p.host)
	if ctx.Err() != nil {
		p.mu.Lock()
		p.turnAway()
		p.mu.Unlock()
		c.Refuse(strand.Err(ctx))
		return
	}
	t := &task{pool: p, call: c}
	t.ctx, t.cancel = context.WithCancelCause(strand.WithParker(ctx, t))
	p.mu.Lock()
	err := p.admit(t)
	if err == errFull {
		if p.cfg.Full == Refuse {
			err = engine.ErrSaturated
			p.turnAway()
		} else {
			p.unlock()
			p.await(ctx, t)
			return
		}
	}
	p.unlock()
	if err != nil {
		t.refuse(err)
	}
}

// errFull is what admit says when there is no room in the queue.
var errFull = errors.New("threading: full")

// admit runs t or puts it into the queue. It needs p.mu.
func (p *Pool) admit(t *task) error {
	switch {
	case p.broken != nil:
		p.turnAway()
		return p.broken
	case p.closing:
		p.turnAway()
		return engine.ErrClosed
	case p.running < p.workers && p.resumers.Len()+p.waiting.Len()+p.putters.Len() == 0 && p.hasHands():
		p.counters.submitted++
		p.running++
		p.dispatch(t)
		return nil
	case p.putters.Len() == 0 && p.waiting.Len() < p.cfg.Queue+p.unclaimed():
		p.counters.submitted++
		p.enqueue(t)
		return nil
	}
	return errFull
}

// unclaimed returns the number of free slots that no woken task waits for. There
// can be some while calls wait: a worker that finishes has given its slot back,
// and looks for the next call when it has delivered the outcome of the last. It
// needs p.mu.
func (p *Pool) unclaimed() int {
	return max(0, p.workers-p.running-p.resumers.Len())
}

// turnAway counts a call that is refused on its arrival. It needs p.mu.
func (p *Pool) turnAway() {
	p.counters.submitted++
	p.counters.refused++
}

// enqueue puts t at the end of the queue, from which the end of its context
// takes it out again. It needs p.mu.
func (p *Pool) enqueue(t *task) {
	t.node.Value = t
	p.waiting.Push(&t.node)
	t.stop = context.AfterFunc(t.ctx, t.withdraw)
}

// await parks the submitter of t until there is room.
func (p *Pool) await(ctx context.Context, t *task) {
	w := &putter{task: t}
	op := strand.Op{Object: p, Kind: strand.OpPut, Access: strand.Write}
	err := strand.Park(ctx, op, w)
	switch {
	case err == nil:
		err = w.err
	case w.wake == nil: // its context was done before it stood in line
		p.mu.Lock()
		p.turnAway()
		p.mu.Unlock()
	}
	if err != nil {
		t.refuse(err)
	}
}

// schedule gives free slots to those who are due: woken tasks first, then the
// queue, which submitters that wait refill. It needs p.mu.
func (p *Pool) schedule() {
	for p.running < p.workers {
		if n := p.resumers.Pop(); n != nil {
			p.running++
			p.lent--
			close(n.Value)
			continue
		}
		if !p.hasHands() {
			break
		}
		t := p.take()
		if t == nil {
			break
		}
		p.running++
		p.dispatch(t)
	}
	p.refill()
	p.wakeQuiet()
}

// hasHands reports whether a call can be dispatched for which there is a slot: to
// an idle worker, or to a new one. If workers that finish will look for a call in a
// moment, a new one would be one too many. It needs p.mu.
func (p *Pool) hasHands() bool {
	return len(p.idle) > 0 || p.running+p.finishing < p.workers
}

// take takes the next call to run: the head of the queue, or where there is no
// queue the first submitter's. It needs p.mu.
func (p *Pool) take() *task {
	if n := p.waiting.Pop(); n != nil {
		n.Value.stop()
		return n.Value
	}
	if n := p.putters.Pop(); n != nil {
		p.after = append(p.after, n.Value.wake)
		return n.Value.task
	}
	return nil
}

// refill moves calls of waiting submitters into the queue while there is room.
// It needs p.mu.
func (p *Pool) refill() {
	for p.waiting.Len() < p.cfg.Queue {
		n := p.putters.Pop()
		if n == nil {
			return
		}
		p.enqueue(n.Value.task)
		p.after = append(p.after, n.Value.wake)
	}
}

// dispatch has t, for which a slot is held, run by an idle worker or a new one.
// It needs p.mu.
func (p *Pool) dispatch(t *task) {
	t.node.Value = t
	p.tasks.Push(&t.node)
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		w.next <- t
		return
	}
	p.live++
	w := &worker{pool: p, id: p.takeID(), next: make(chan *task, 1)}
	go w.loop(t)
}

// unlock releases p.mu and then does what had to wait for that: calling back
// into code that is not ours.
func (p *Pool) unlock() {
	after := p.after
	p.after = nil
	p.mu.Unlock()
	for _, f := range after {
		f()
	}
}

func (p *Pool) takeID() int {
	for i, used := range p.ids {
		if !used {
			p.ids[i] = true
			return i + 1
		}
	}
	p.ids = append(p.ids, true)
	return len(p.ids)
}

// Resize sets the number of slots. If it grows, calls that wait begin to run at
// once; if it shrinks, the tasks that run go on, and no further one begins until
// there are fewer than n. It returns an error if n is less than 1.
func (p *Pool) Resize(n int) error {
	if n < 1 {
		return fmt.Errorf("threading: cannot resize the pool to %d workers: it needs at least 1", n)
	}
	p.mu.Lock()
	p.workers = n
	p.schedule()
	for len(p.idle) > 0 && p.running+len(p.idle) > n {
		p.dismiss()
	}
	p.unlock()
	return nil
}

// dismiss ends an idle worker. It needs p.mu.
func (p *Pool) dismiss() {
	n := len(p.idle)
	close(p.idle[n-1].next)
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
}

// Statistics is a snapshot of a [Pool]; it is out of date when it is read. Every
// call is in one place: Submitted is the sum of Running, Lent, Queued, Waiting,
// Refused and Completed.
type Statistics struct {
	Workers int // slots
	Running int // tasks that run
	Lent    int // tasks that are parked and have lent their slot
	Queued  int // calls that wait for a worker
	Waiting int // submitters that wait for room in the queue
	Idle    int // goroutines without work

	Submitted uint64 // calls handed to the pool so far; each attempt counts
	Refused   uint64 // those that came to their end without a worker
	Completed uint64 // those that a worker has dealt with
}

// Statistics returns a snapshot of p.
func (p *Pool) Statistics() Statistics {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Statistics{
		Workers: p.workers, Running: p.running, Lent: p.lent,
		Queued: p.waiting.Len(), Waiting: p.putters.Len(), Idle: len(p.idle),
		Submitted: p.counters.submitted, Refused: p.counters.refused,
		Completed: p.counters.completed,
	}
}

// A putter is a submitter that waits for room.
type putter struct {
	task *task
	err  error // set before wake
	wake func()
	node waitq.Node[*putter]
}

func (w *putter) Arm(wake func()) bool {
	p := w.task.pool
	p.mu.Lock()
	defer p.unlock()
	if err := p.admit(w.task); err != errFull {
		w.err = err
		return false
	}
	p.counters.submitted++
	w.wake, w.node.Value = wake, w
	p.putters.Push(&w.node)
	return true
}

func (w *putter) Disarm() bool {
	p := w.task.pool
	p.mu.Lock()
	defer p.unlock()
	removed := p.putters.Remove(&w.node)
	if removed {
		p.counters.refused++
	}
	return removed
}
