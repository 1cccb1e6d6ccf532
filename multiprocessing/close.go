package multiprocessing

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/go-braid/braid/engine"
)

// Drain waits until nothing runs or waits in the pool. It keeps nobody from submitting
// more, so the pool may be busy again when it returns. It returns strand.Err(ctx) if
// ctx is done first.
func (p *Pool) Drain(ctx context.Context) error { return p.awaitQuiet(ctx, false) }

// Close ends the pool and its processes. From now on calls are refused with
// [engine.ErrClosed], and so are those whose submitters wait for room. Close waits for
// the calls that were admitted. If ctx is done before they are complete, it refuses
// those that have not begun and cancels the others, with ErrClosed as the cause; after
// Config.Grace their processes are killed, so Close returns soon after that whatever
// the tasks do. It returns nil if nothing was cut short, and when it returns, no
// process and no goroutine of the pool is left.
//
// Close may be called again, to wait again.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	first := !p.closing
	p.closing = true
	p.refusePutters(engine.ErrClosed)
	if p.retryAt != nil && p.waiting.Len() == 0 && p.retryAt.Stop() {
		p.retryAt = nil
	}
	p.unlock()
	cut := p.awaitQuiet(ctx, false)
	if first {
		close(p.ending)
	}
	var cancelled int
	if cut != nil {
		cancelled = p.abort()
	}
	p.mu.Lock()
	for len(p.idle) > 0 {
		p.dismiss()
	}
	for w := range p.workers {
		if w.state == starting {
			p.abandon(w)
		}
	}
	p.unlock()
	// The graces of tasks and of workers bound this.
	_ = p.awaitQuiet(context.WithoutCancel(ctx), true)
	if cancelled == 0 {
		return nil // only idle workers had not ended yet
	}
	return fmt.Errorf("multiprocessing: closing the pool cut short %d calls: %w", cancelled, cut)
}

// abandon ends a worker that is on its way and not needed any more. It needs p.mu.
func (p *Pool) abandon(w *worker) {
	if !w.retired {
		w.retired = true
		p.live--
		p.after = append(p.after, w.kill)
	}
}

// isDrained reports whether no call is left, but for one that was just freed. It needs
// p.mu.
func (p *Pool) isDrained() bool {
	return p.isOver() || p.closing && p.waiting.Len() == 0 && p.running == 0
}

// isOver reports whether Close waits for processes only.
func (p *Pool) isOver() bool {
	select {
	case <-p.ending:
		return true
	default:
		return false
	}
}

// Withdraw implements [engine.Withdrawer]. A nil error means context.Canceled.
func (p *Pool) Withdraw(why error) int {
	if why == nil {
		why = context.Canceled
	}
	p.mu.Lock()
	defer p.unlock()
	n := p.waiting.Len() + p.putters.Len()
	p.refuseWaiting(why)
	return n
}

// abort refuses the calls in the queue and cancels those that run, and returns how many
// there were.
func (p *Pool) abort() int {
	p.mu.Lock()
	defer p.unlock()
	n := p.waiting.Len() + p.running
	p.refuseWaiting(engine.ErrClosed)
	p.aborted.Store(true) // for those that are being given to their worker
	for w := range p.workers {
		w.running(func(j *job) {
			ctx := j.ctx // the job may be over, and another one, when it is cancelled
			p.after = append(p.after, func() { ctx.Cancel(engine.ErrClosed) })
		})
	}
	return n
}

// refuseWaiting empties the queue. It needs p.mu.
func (p *Pool) refuseWaiting(err error) {
	p.refusePutters(err)
	for n := p.waiting.Pop(); n != nil; n = p.waiting.Pop() {
		j := n.Value
		j.queued.Stop()
		p.counters.refused++
		p.settling++
		p.after = append(p.after, func() {
			j.refuse(err)
			p.settled()
		})
	}
}

// refusePutters sends the submitters that wait away. It needs p.mu.
func (p *Pool) refusePutters(err error) {
	for n := p.putters.Pop(); n != nil; n = p.putters.Pop() {
		n.Value.err = err
		p.counters.refused++
		p.after = append(p.after, n.Value.wake)
	}
}

// awaitQuiet waits until nothing runs or waits, and with gone also until no process is
// left.
func (p *Pool) awaitQuiet(ctx context.Context, gone bool) error {
	return p.quiet.Await(ctx, p, gone)
}

// isQuiet needs p.mu.
func (p *Pool) isQuiet(gone bool) bool {
	return p.running == 0 && p.settling == 0 && p.waiting.Len() == 0 && p.putters.Len() == 0 &&
		(!gone || len(p.workers) == 0 && p.starting == 0 && !p.monitoring)
}

// wakeQuiet wakes those whose wait is over. It needs p.mu.
func (p *Pool) wakeQuiet() { p.after = p.quiet.Wake(p.after) }

// Statistics is a snapshot of a [Pool]; it is out of date when it is read. Every call
// is in one place: Submitted is the sum of Running, Queued, Waiting, Refused and
// Completed.
type Statistics struct {
	Workers  int // processes that take calls
	Starting int // processes that are not ready yet
	Running  int // calls that run
	Queued   int // calls that wait for a worker
	Waiting  int // submitters that wait for room in the queue

	Submitted uint64 // calls handed to the pool so far
	Refused   uint64 // those that came to their end without a worker
	Completed uint64 // those that a worker has dealt with, or died of
	Deaths    uint64 // workers that did not end because they were told to
	Strays    uint64 // messages of workers that belonged to no call in flight
}

// Statistics returns a snapshot of p.
func (p *Pool) Statistics() Statistics {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Statistics{
		Workers: p.live - p.starting, Starting: p.starting, Running: p.running,
		Queued: p.waiting.Len(), Waiting: p.putters.Len(),
		Submitted: p.counters.submitted, Refused: p.counters.refused,
		Completed: p.counters.completed, Deaths: p.counters.deaths, Strays: p.strays.Load(),
	}
}

// A WorkerInfo describes a worker process.
type WorkerInfo struct {
	Number  int       // as in errors and events
	PID     int       // its process
	Started time.Time // when it was started
	Tasks   int       // calls that it has completed
	Task    string    // what it runs; empty if nothing
}

// Workers describes the processes that the pool has, in the order of their numbers.
func (p *Pool) Workers() []WorkerInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	infos := make([]WorkerInfo, 0, len(p.workers))
	for w := range p.workers {
		info := WorkerInfo{Number: w.number, PID: w.pid, Started: w.born, Tasks: w.tasks}
		w.running(func(j *job) { info.Task = j.call.Spec().Task })
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b WorkerInfo) int { return cmp.Compare(a.Number, b.Number) })
	return infos
}
