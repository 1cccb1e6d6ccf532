package asyncio

import (
	"context"
	"runtime"

	"github.com/go-braid/braid/internal/coro"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A job is what a worker runs: a coroutine from its beginning to its end, or a
// callback.
type job interface {
	// begin runs the job. It lets no panic out, but may end its goroutine.
	begin(w *worker)
}

// A worker is a stack to run jobs on. Most jobs are short and never park, so a
// worker runs one after the other without a switch; a job that parks keeps its
// worker until it ends. All that parking needs is here, and not in the coroutine:
// those that never park do not pay for it.
type worker struct {
	coro   coro.Coro
	loop   *Loop
	job    job        // nil: it has nothing to do, or is the root
	co     *Coroutine // the job, if it is a coroutine
	probe  *probe     // when it is resumed for a look at its stack only
	retire *worker    // when it is resumed to end, and let this one go on
	owner  owner
	killed bool // its coroutine is to be unwound by force
	dying  bool // and that has begun

	// While the coroutine is parked:
	cut    bool // it was woken because its context is done
	op     strand.Op
	waits  strand.Waitable
	since  int64
	timer  timer
	watch  *watch // of its context; kept for the next time
	entry  waitq.Node[*worker]
	letter letter
	wake   func() // wakes the coroutine
}

func (l *Loop) newWorker() *worker {
	w := &worker{loop: l}
	w.letter.from = w
	w.entry.Value = w
	w.wake = func() { w.loop.send(&w.letter) }
	l.coros.Init(&w.coro, func() { l.serveJobs(w) })
	l.workers++
	return w
}

// arrive implements sender: what the coroutine waited for has come.
func (w *worker) arrive() { w.loop.ready.push(w) }

// fire implements firer: the coroutine has slept enough.
func (w *worker) fire() { w.loop.ready.push(w) }

// begin implements job, which a worker is when its coroutine is to go on. It is
// never called: see choose.
func (w *worker) begin(*worker) {}

// park lets others run until w's coroutine is woken. What it waits for is armed.
func (w *worker) park(ctx context.Context, op strand.Op, waits strand.Waitable) error {
	l, c := w.loop, w.co
	w.op, w.waits, w.since = op, waits, l.now
	if done := ctx.Done(); done != nil {
		l.watchFor(w, ctx, done)
	}
	c.tellParked(op)
	l.dispatch(w)
	if w.watch != nil {
		w.watch.parked.Remove(&w.entry)
	}
	w.op, w.waits = strand.Op{}, nil
	c.tellResumed()
	w.unwind()
	if w.cut {
		w.cut = false
		return strand.Err(ctx)
	}
	return nil
}

// block parks the coroutine that runs until waits is woken, the context that the
// coroutine was started with is done, or waits ends the wait itself. It is for
// operations that are given no context.
func (l *Loop) block(op strand.Op, waits strand.Waitable) error {
	w := l.current()
	return w.wait(&w.co.ctx, op, waits)
}

// wait parks the coroutine until waits is woken or ctx is done.
func (w *worker) wait(ctx context.Context, op strand.Op, waits strand.Waitable) error {
	if err := w.mayPark(ctx); err != nil {
		return err
	}
	if !waits.Arm(w.wake) {
		return nil
	}
	return w.park(ctx, op, waits)
}

// cutShort wakes a parked coroutine because its context is done, or it is to be
// unwound, unless it was woken already.
func (w *worker) cutShort() {
	if w.waits.Disarm() {
		w.cut = true
		w.loop.ready.push(w)
	}
}

// sleeper is a worker whose coroutine sleeps.
type sleeper worker

func (s *sleeper) Arm(func()) bool { return true }

func (s *sleeper) Disarm() bool { return s.loop.timers.cancel(&s.timer) }

// serveJobs runs jobs on w until that is retired, or a job ends the goroutine. Its
// arguments are what stackOfHolder finds the goroutine by.
//
//go:noinline
func (l *Loop) serveJobs(w *worker) {
	w.owner.claim()
	l.guard.enter(w)
	done := false
	defer func() {
		if !done { // a job has called runtime.Goexit, which goes on after this
			w.unwatch()
			l.workers--
			w.job, w.co = nil, nil
			// The stack keeps alive what the job has left on it, so this goroutine
			// goes at once, and another one looks for what is next.
			w.coro.Exit(&l.takeWorker().coro)
		}
	}()
	for w.retire == nil {
		if w.job != nil {
			w.job.begin(w)
			w.unwatch()
			w.job, w.co = nil, nil
		}
		l.dispatch(w)
	}
	done = true
	l.workers--
	w.coro.Exit(&w.retire.coro)
}

// dispatch lets others run. It returns when it is w's turn again: because what w
// parked for has come, or because there is a new job for it, or it is to retire.
func (l *Loop) dispatch(w *worker) {
	next := l.choose(w)
	if next == w {
		return
	}
	if w.job == nil {
		l.shelve(w)
	}
	w.coro.Switch(&next.coro)
	if w.probe != nil {
		w.show()
	}
}

// shelve keeps a worker that has no job for the next one.
//
//go:noinline
func (l *Loop) shelve(w *worker) {
	if w != l.root {
		l.idle = append(l.idle, w)
	}
}

// unwind ends the coroutine if it is to be unwound by force: its deferred functions
// run after this, and do not wait for anything any more.
func (w *worker) unwind() {
	if w.killed && !w.dying {
		w.dying = true
		runtime.Goexit()
	}
}

// A probe is a look at the stack of a parked coroutine.
type probe struct {
	pcs  [32]uintptr
	n    int
	back *worker
}

// show gives those who ask a look at w's stack.
func (w *worker) show() {
	for w.probe != nil {
		p := w.probe
		w.probe = nil
		p.n = runtime.Callers(2, p.pcs[:])
		w.coro.Switch(&p.back.coro)
	}
}

// stackOf returns the stack of c, which has begun; w runs.
func (l *Loop) stackOf(w *worker, c *Coroutine) []uintptr {
	p := &probe{back: w}
	if c.worker == w {
		return p.pcs[:runtime.Callers(2, p.pcs[:])]
	}
	c.worker.probe = p
	w.coro.Switch(&c.worker.coro)
	return p.pcs[:p.n]
}

// takeWorker returns a worker without a job.
func (l *Loop) takeWorker() *worker {
	n := len(l.idle)
	if n == 0 {
		return l.newWorker()
	}
	w := l.idle[n-1]
	l.idle[n-1] = nil
	l.idle = l.idle[:n-1]
	return w
}

// The number of workers without a job that a loop keeps for the next ones, beside
// as many as have one.
const spareWorkers = 256

// trim ends some workers, if there are many more than needed; w runs.
func (l *Loop) trim(w *worker) {
	const atOnce = 64
	for range atOnce {
		if busy := l.workers - len(l.idle); len(l.idle) <= spareWorkers+busy {
			return
		}
		l.endWorker(w, l.takeWorker())
	}
}

// endWorker ends a worker without a job; w runs.
func (l *Loop) endWorker(w, idle *worker) {
	idle.retire = w
	w.coro.Switch(&idle.coro)
}
