package threading

import (
	"context"
	"sync"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A task is a call in a pool, from its admission to its end, and the parker of
// the strand that runs it.
type task struct {
	strand.Goroutine // sleeps, yields and tells the time as goroutines do

	strand strand.Strand

	pool   *Pool
	call   *engine.Call
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   func() bool       // takes back the watch on ctx, while it is in the queue
	worker *worker           // that runs it
	node   waitq.Node[*task] // in pool.waiting, then in pool.tasks

	events sync.Mutex // held while the listener hears of a park; taken before pool.mu

	// A careless task may park from several goroutines, and even after its
	// end. Its slot is lent while at least one of them is parked, so that the
	// pool's accounts are right whatever tasks do. All under pool.mu.
	parked int
	lent   bool
	ended  bool // changes under events as well

	places engine.Places // in executors in front of the pool
	away   bool          // it has lent them; changes only while lent does not
}

// refuse completes a task that will not run.
func (t *task) refuse(err error) {
	t.call.Refuse(err)
	t.cancel(nil)
}

// withdraw takes t out of the queue, because its context is done.
func (t *task) withdraw() {
	p := t.pool
	p.mu.Lock()
	removed := p.waiting.Remove(&t.node)
	if removed {
		p.counters.refused++
		p.settling++
		p.refill()
	}
	p.unlock()
	if removed {
		t.expel(strand.Err(t.ctx))
	}
}

// expel completes a task that was taken out of the queue and counted as settling,
// so that nobody takes the pool for quiet before.
func (t *task) expel(err error) {
	t.refuse(err)
	p := t.pool
	p.mu.Lock()
	p.settling--
	p.wakeQuiet()
	p.unlock()
}

// run runs t on its worker.
func (t *task) run() {
	defer t.cancel(nil)
	t.call.AfterBody(t.over)
	t.places = t.call.Places()
	t.call.Run(t.ctx, t.worker.id)
}

// over gives back the slot of a task whose body has returned, before anybody
// hears of the outcome: who submits the next call as soon as this one is complete
// finds room for it. The worker takes on no other task until the outcome is
// delivered.
func (t *task) over() {
	t.events.Lock()
	defer t.events.Unlock()
	t.pool.mu.Lock()
	defer t.pool.mu.Unlock()
	t.end()
	t.pool.settling++
	t.pool.finishing++
}

// Self implements [strand.Parker].
func (t *task) Self() *strand.Strand { return &t.strand }

// Park implements [strand.Parker]: it lends the task's slot while the strand is
// parked.
func (t *task) Park(ctx context.Context, op strand.Op, w strand.Waitable) error {
	l := &lender{Waitable: w, task: t, ctx: ctx, op: op}
	err := t.Goroutine.Park(ctx, op, l)
	if l.armed {
		t.reclaim(ctx)
	}
	return err
}

// A lender is a Waitable that lends the task's slot once it is certain that the
// strand will park.
type lender struct {
	strand.Waitable
	task  *task
	ctx   context.Context
	op    strand.Op
	armed bool
}

func (l *lender) Arm(wake func()) bool {
	l.armed = l.Waitable.Arm(wake)
	if l.armed {
		l.task.lend(l.ctx, l.op)
	}
	return l.armed
}

func (t *task) lend(ctx context.Context, op strand.Op) {
	t.events.Lock()
	defer t.events.Unlock()
	p := t.pool
	p.mu.Lock()
	t.parked++
	first := t.parked == 1 && !t.ended
	lends := first && p.lent < p.cfg.MaxLent
	if lends {
		t.lent = true
		p.lent++
		p.running--
		p.schedule()
	}
	p.unlock()
	if lends {
		t.away = t.places.Lend(op)
	}
	if first {
		t.call.Parked(ctx, t.worker.id, op)
	}
}

// reclaim takes a slot again, waiting for it if need be.
func (t *task) reclaim(ctx context.Context) {
	p := t.pool
	p.mu.Lock()
	t.parked--
	last := t.parked == 0 && !t.ended
	back := last && t.lent
	if back {
		t.lent = false
	}
	if back && t.away {
		p.mu.Unlock()
		t.places.Reclaim(t.Goroutine)
		p.mu.Lock()
	}
	var slot chan struct{}
	if back {
		if p.running < p.workers && p.resumers.Len() == 0 {
			p.running++
			p.lent--
		} else {
			slot = make(chan struct{})
			p.resumers.Push(&waitq.Node[chan struct{}]{Value: slot})
		}
	}
	p.unlock()
	if slot != nil {
		// This is not cut short by ctx: what runs must hold a slot.
		<-slot
	}
	t.events.Lock()
	defer t.events.Unlock()
	if last && !t.ended {
		t.call.Resumed(ctx, t.worker.id)
	}
}

// end gives back the slot of a task that has returned. It needs pool.mu.
func (t *task) end() {
	p := t.pool
	t.ended = true
	p.tasks.Remove(&t.node)
	p.counters.completed++
	if t.lent { // by a goroutine that it left behind
		p.lent--
	} else {
		p.running--
	}
}

// State returns the state of the worker that runs the calling task: what
// Config.Init of its pool returned. It is the task's alone until it returns. Ok
// is false if ctx is not that of a task in a pool, or the state is not a T.
func State[T any](ctx context.Context) (state T, ok bool) {
	if t, in := strand.ParkerOf(ctx).(*task); in {
		state, ok = t.worker.state.(T)
	}
	return state, ok
}
