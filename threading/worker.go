package threading

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/go-braid/braid/engine"
)

// A worker is a goroutine of a pool, and its state.
type worker struct {
	pool  *Pool
	id    int
	next  chan *task // what to run next; closed when there is nothing more
	state any
	ready bool // Init has succeeded
}

// loop runs tasks, beginning with t, until the pool has no use for the worker.
func (w *worker) loop(t *task) {
	defer w.exit(&t)
	for t != nil {
		t.worker = w
		if err := w.init(); err != nil {
			t.over()
			t.refuse(err)
		} else {
			t.run()
		}
		t = w.finish()
		if t == nil {
			t = <-w.next
		}
	}
}

// finish takes a complete task off the books and returns the next one for the
// worker, if there is one and a slot for it. If not, the worker is among the idle
// ones, or its channel is closed.
func (w *worker) finish() *task {
	p := w.pool
	p.mu.Lock()
	defer p.unlock()
	p.settling--
	p.finishing--
	if p.running < p.workers && p.resumers.Len() == 0 {
		if next := p.take(); next != nil {
			p.running++
			next.node.Value = next
			p.tasks.Push(&next.node)
			p.refill()
			return next
		}
	}
	if p.closing || p.running+len(p.idle) >= p.workers {
		close(w.next)
	} else {
		p.idle = append(p.idle, w)
	}
	p.schedule()
	return nil
}

// exit ends the worker. Usually *t is nil; if not, the task, or Init, has ended
// the goroutine, and its slot goes to others.
func (w *worker) exit(t **task) {
	defer w.leave(t) // even if Cleanup ends the goroutine
	switch {
	case w.ready:
		defer w.stopped(nil)
		if f := w.pool.cfg.Cleanup; f != nil {
			f(w.state)
		}
	case *t != nil:
		err := w.fail(engine.ErrGoexit)
		(*t).over()
		(*t).refuse(err)
	}
}

// leave takes the worker off the books.
func (w *worker) leave(t **task) {
	p := w.pool
	p.mu.Lock()
	defer p.unlock()
	p.live--
	p.ids[w.id-1] = false
	if *t != nil {
		p.settling--
		p.finishing--
	}
	p.schedule()
}

// init makes the worker ready for its first task. If it cannot, the pool is
// broken, and the error is ErrBroken.
func (w *worker) init() (err error) {
	if w.ready {
		return nil
	}
	if f := w.pool.cfg.Init; f != nil {
		defer func() {
			if v := recover(); v != nil {
				err = w.fail(&engine.PanicError{Value: v, Stack: debug.Stack()})
			}
		}()
		if w.state, err = f(w.pool.ctx, w.id); err != nil {
			return w.fail(err)
		}
	}
	w.ready = true
	if l := w.pool.cfg.Listener; l != nil && l.WorkerStarted != nil {
		l.WorkerStarted(w.event(nil))
	}
	return nil
}

// fail breaks the pool because the worker cannot be made ready.
func (w *worker) fail(why error) error {
	w.stopped(why)
	p := w.pool
	p.mu.Lock()
	defer p.unlock()
	if p.broken == nil {
		p.broken = fmt.Errorf("%w: %w", ErrBroken, why)
	}
	p.refuseWaiting(p.broken)
	return p.broken
}

func (w *worker) stopped(err error) {
	if l := w.pool.cfg.Listener; l != nil && l.WorkerStopped != nil {
		l.WorkerStopped(w.event(err))
	}
}

func (w *worker) event(err error) engine.Event {
	return engine.Event{At: time.Now(), Engine: w.pool.cfg.Name, Worker: w.id, Err: err}
}
