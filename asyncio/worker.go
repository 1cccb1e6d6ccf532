package asyncio

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/debug"
	"runtime/trace"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/coro"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A job is what a worker runs: a *Coroutine from its beginning to its end, or the
// callback of a *Handle. In the ready queue there is also a *worker, whose coroutine
// is to go on.
type job interface{ isJob() }

func (*Coroutine) isJob() {}
func (*Handle) isJob()    {}
func (*worker) isJob()    {}

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
	joiner joiner
	wake   func() // wakes the coroutine
}

func (l *Loop) newWorker() *worker {
	w := &worker{loop: l}
	w.letter.from = w
	w.entry.Value = w
	w.wake = func() { w.loop.send(&w.letter) }
	l.coros.Init(&w.coro, w)
	l.workers++
	return w
}

// arrive implements sender: what the coroutine waited for has come.
func (w *worker) arrive() { w.loop.ready.push(w) }

// fire implements firer: the coroutine has slept enough.
func (w *worker) fire() { w.loop.ready.push(w) }

// park lets others run until w's coroutine is woken. W.op and w.waits say for what,
// and it is armed.
func (w *worker) park(ctx context.Context) error {
	l := w.loop
	w.since = l.now
	if done := ctx.Done(); done != nil {
		l.watchFor(w, ctx, done)
	}
	if w.co.call != nil && l.cfg.Listener != nil {
		w.co.call.tellParked(w.op)
	}
	l.dispatch(w)
	if w.watch != nil {
		w.watch.parked.Remove(&w.entry)
	}
	w.op.Object, w.waits = nil, nil
	if w.co.call != nil && l.cfg.Listener != nil {
		w.co.call.tellResumed()
	}
	if w.killed {
		w.unwind()
	}
	if w.cut {
		w.cut = false
		return strand.Err(ctx)
	}
	return nil
}

// wait parks the coroutine until waits is woken or ctx is done.
func (w *worker) wait(ctx context.Context, op strand.Op, waits strand.Waitable) error {
	if err := w.mayPark(ctx); err != nil {
		return err
	}
	if !waits.Arm(w.wake) {
		return nil
	}
	w.op, w.waits = op, waits
	return w.park(ctx)
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

// RunCoro implements [coro.Body].
func (w *worker) RunCoro() {
	w.owner.claim()
	w.loop.guard.enter(w)
	done := false
	defer func() {
		if !done { // a job ends the goroutine
			w.leave()
		}
	}()
	for w.loop.serveJobs(w) {
	}
	done = true
	w.loop.workers--
	w.coro.Exit(&w.retire.coro, false)
}

// leave lets others run while the goroutine ends. It goes at once, since its stack
// keeps alive what the job has left on it, and another one looks for what is next.
func (w *worker) leave() {
	l := w.loop
	l.workers--
	next := l.root
	if len(l.idle) > 0 {
		next = l.takeWorker()
	}
	w.coro.Exit(&next.coro, true)
}

// serveJobs runs jobs on w until that is retired; then it returns false. It returns
// true when a job has panicked, and does not return when one ends its goroutine.
// There is one frame for all kinds of jobs, so that little of the stack is gone when
// they begin. Its arguments are what stackOfHolder finds the goroutine by.
//
//go:noinline
func (l *Loop) serveJobs(w *worker) (again bool) {
	done := false
	defer func() {
		if !done {
			again = true
			w.mishap(recover())
		}
	}()
	for w.retire == nil {
		switch j := w.job.(type) {
		case *Coroutine:
			switch {
			case j.fn == nil:
				j.call.call.Run(&j.ctx, 0)
			case l.end.forced:
				j.err = engine.ErrClosed
			case trace.IsEnabled():
				j.err = j.traced()
			default:
				j.err = j.fn(&j.ctx)
			}
			j.finish()
		case *Handle:
			if fn := j.take(); fn != nil {
				fn()
			}
		}
		w.clear()
		l.dispatch(w)
	}
	done = true
	return false
}

// clear forgets the job, which is over.
func (w *worker) clear() {
	if w.watch != nil {
		w.unwatch()
	}
	w.job, w.co = nil, nil
}

// mishap deals with a job that did not return: it has panicked with v, or if v is nil
// ends its goroutine. It may do both, and then the goroutine ends all the same.
func (w *worker) mishap(v any) {
	l := w.loop
	switch j := w.job.(type) {
	case *Coroutine:
		if j.fn != nil {
			j.err = w.verdict(v)
		}
		j.finish()
	case *Handle:
		if v != nil {
			slog.Error("asyncio: a callback panicked", "loop", l.cfg.Name, "panic", v, "stack", string(debug.Stack()))
		}
	}
	w.clear()
}

// verdict returns the error of a coroutine that did not return.
func (w *worker) verdict(v any) error {
	switch {
	case v != nil:
		return &engine.PanicError{Value: v, Stack: debug.Stack()}
	case w.dying:
		return engine.ErrClosed
	}
	return engine.ErrGoexit
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

// hire makes some workers, as many as the rest of the turn may need. It is for the
// root: on the stack of a coroutine there is little room.
func (l *Loop) hire() {
	for range min(max(1, l.turn), 64) {
		l.idle = append(l.idle, l.newWorker())
	}
}

// takeWorker returns a worker without a job; there must be one.
func (l *Loop) takeWorker() *worker {
	n := len(l.idle)
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
