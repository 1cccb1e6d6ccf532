package enginetest_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/engine/enginetest"
	"github.com/go-braid/braid/strand"
)

// A pool is a bounded engine of the plainest kind: a goroutine for each call, and
// semaphores for its room and its slots. It keeps every rule of the suite, and
// with a fault it breaks one.
type pool struct {
	cfg   enginetest.Config
	host  engine.Host
	fault fault
	room  *strand.Semaphore // calls that wait to be run
	slots *strand.Semaphore // calls that run
	ended context.Context   // since Close
	end   context.CancelCauseFunc

	mu     sync.Mutex
	closed bool
	live   int
	gone   strand.Event // closed, and nothing is left
	kept   []*engine.Call
}

func newPool(cfg enginetest.Config, f fault) *pool {
	p := &pool{cfg: cfg, fault: f}
	if f == tooWide {
		cfg.Workers++
	}
	p.room, p.slots = strand.NewSemaphore(cfg.Queue), strand.NewSemaphore(cfg.Workers)
	p.host = engine.Host{Name: "pool", Listener: cfg.Listener, Executor: p}
	if l := cfg.Listener; f == deafToFinished && l != nil {
		mute := *l
		mute.Finished = nil
		p.host.Listener = &mute
	}
	p.ended, p.end = context.WithCancelCause(context.Background())
	if f == leaksDescriptor {
		_, _ = os.Open(os.Args[0])
	}
	return p
}

func (p *pool) Size() int { return p.cfg.Workers }

func (p *pool) Start(ctx context.Context, c *engine.Call) {
	plain := ctx
	ctx = c.Submit(ctx, &p.host)
	if p.fault == deafToQueueDeadline {
		ctx = plain
	}
	if !p.enter() {
		c.Refuse(engine.ErrClosed)
		return
	}
	ready := p.slots.TryAcquire(1)
	if !ready {
		if err := p.admit(ctx); err != nil {
			c.Refuse(err)
			p.leave()
			return
		}
	}
	if p.fault == losesCall && ready {
		p.slots.Release(1)
		p.leave()
		return
	}
	if p.fault == keepsCall {
		p.mu.Lock()
		p.kept = append(p.kept, c)
		p.mu.Unlock()
	}
	if p.fault != keepsForeignParker {
		ctx = strand.Detach(ctx)
	}
	if p.fault == startRuns {
		p.run(ctx, c, ready)
		return
	}
	go p.run(ctx, c, ready)
}

// enter counts a call in, unless the pool is closed.
func (p *pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed && p.fault != neverClosed {
		return false
	}
	p.live++
	return true
}

func (p *pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live--
	p.settle()
}

// settle needs p.mu.
func (p *pool) settle() {
	if p.closed && (p.live == 0 || p.fault == closesEarly) {
		p.gone.Set()
	}
}

// admit takes a place in the queue, waiting for it if need be.
func (p *pool) admit(ctx context.Context) error {
	if p.cfg.Refuse && p.fault != waitsInstead {
		if !p.room.TryAcquire(1) {
			return engine.ErrSaturated
		}
		return nil
	}
	if p.fault == blocksSubmitter {
		ctx = strand.Detach(ctx)
	}
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if p.fault != forgetsSubmitters {
		defer context.AfterFunc(p.ended, func() { cancel(engine.ErrClosed) })()
	}
	if err := p.room.Acquire(waiting, 1); err != nil {
		if ctx.Err() != nil {
			return strand.Err(ctx)
		}
		return engine.ErrClosed
	}
	return nil
}

// run runs c in a slot, for which it waits unless there is one ready for it.
func (p *pool) run(ctx context.Context, c *engine.Call, ready bool) {
	defer p.leave()
	if !ready {
		if err := p.queue(ctx); err != nil {
			c.Refuse(err)
			return
		}
	}
	t := &task{pool: p, call: c, held: true}
	if p.fault != losesSlotToGoexit {
		c.AfterBody(t.end)
	}
	if p.fault != keepsForeignParker {
		ctx = strand.WithParker(ctx, t)
	}
	if p.fault == dropsContext {
		ctx = strand.WithParker(context.Background(), t)
	}
	c.Run(ctx, 1)
	if p.fault == losesSlotToGoexit {
		t.end()
	}
	if p.fault == leaksGoroutine {
		go func() { <-make(chan bool) }()
	}
}

// queue waits in the queue for a slot.
func (p *pool) queue(ctx context.Context) error {
	if p.fault == deafInQueue {
		ctx = context.WithoutCancel(ctx)
	}
	err := p.slots.Acquire(ctx, 1)
	if err == nil || p.fault != keepsPlace {
		p.room.Release(1)
	}
	return err
}

func (p *pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.settle()
	p.mu.Unlock()
	p.end(engine.ErrClosed)
	if p.fault == closesDeaf {
		ctx = context.WithoutCancel(ctx)
	}
	return p.gone.Wait(ctx)
}

func (p *pool) Drain(ctx context.Context) error {
	if p.fault == drainsNothing {
		return nil
	}
	return p.Close(ctx)
}

// A task is a call that runs and, as the parker of its strand, lends its slot
// while it is parked: at most once at a time, and not after its end.
type task struct {
	strand.Goroutine
	pool *pool
	call *engine.Call

	mu   sync.Mutex
	held bool // it holds its slot
	over bool
}

func (t *task) Park(ctx context.Context, op strand.Op, w strand.Waitable) error {
	defer t.lend(ctx, op)()
	return t.Goroutine.Park(ctx, op, w)
}

func (t *task) Sleep(ctx context.Context, d time.Duration) error {
	defer t.lend(ctx, strand.Op{Kind: strand.OpSleep})()
	return t.Goroutine.Sleep(ctx, d)
}

// lend gives the slot away and returns what takes it back.
func (t *task) lend(ctx context.Context, op strand.Op) (reclaim func()) {
	if t.pool.fault == neverLends {
		return func() {}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.held && t.pool.fault != lendsTwice {
		return func() {}
	}
	t.held = false
	if t.pool.fault != parksSilently {
		t.call.Parked(ctx, 1, op)
	}
	t.pool.slots.Release(1)
	return func() {
		if t.pool.fault != neverReclaims {
			_ = t.pool.slots.Acquire(context.Background(), 1)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.over {
			t.pool.slots.Release(1) // end has given it back already
			return
		}
		t.held = true
		if t.pool.fault != parksSilently {
			t.call.Resumed(ctx, 1)
		}
	}
}

// end gives the slot back, unless it is lent.
func (t *task) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	if t.held {
		t.held = false
		t.pool.slots.Release(1)
	}
}

var all = enginetest.Caps{
	Bounded: true, Waits: true, Refuses: true,
	Lends: true, LendsAsleep: true, Reclaims: true, Drains: true,
}

func open(f fault) func(testing.TB, enginetest.Config) enginetest.Engine {
	return func(_ testing.TB, c enginetest.Config) enginetest.Engine { return newPool(c, f) }
}
