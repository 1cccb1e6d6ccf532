package threading

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-braid/braid/engine"
)

// Drain waits until nothing runs, is parked or waits in the pool. It keeps nobody
// from submitting more, so the pool may be busy again when it returns. It returns
// strand.Err(ctx) if ctx is done first, and an error at once if it is called from
// a task of the pool, which would wait for itself.
func (p *Pool) Drain(ctx context.Context) error {
	if p.inside(ctx) {
		return errors.New("threading: Drain called from a task of the pool: it would wait for itself")
	}
	return p.awaitQuiet(ctx, false)
}

// Close ends the pool. From now on calls are refused with [engine.ErrClosed], and
// so are those whose submitters wait for room. Close waits for the calls that
// were admitted. If ctx is done before they are complete, it refuses those that
// have not begun, cancels the others, with ErrClosed as the cause, and waits for
// them as long as Config.Grace says. It returns nil when the last goroutine of
// the pool is about to end, and an error if tasks were cancelled or still run:
// a goroutine that does not listen to its context cannot be stopped.
//
// Close may be called again, to wait again. From a task of the pool it returns
// an error instead of waiting for itself; the pool is closing all the same.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closing, p.paused = true, false
	p.refusePutters(engine.ErrClosed)
	p.schedule()
	for len(p.idle) > 0 {
		p.dismiss()
	}
	p.unlock()
	if p.inside(ctx) {
		return errors.New("threading: Close called from a task of the pool: it is closing, but cannot wait for itself")
	}
	cut := p.awaitQuiet(ctx, true)
	if cut == nil {
		p.life.Cancel(engine.ErrClosed)
		return nil
	}
	cancelled := p.abort()
	if p.cfg.Grace > 0 {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Grace)
		defer cancel()
		if p.awaitQuiet(grace, true) == nil {
			if cancelled == 0 {
				return nil // only idle goroutines had not ended yet
			}
			return fmt.Errorf("threading: closing the pool cancelled %s: %w", calls(cancelled), cut)
		}
	}
	s := p.Statistics()
	return fmt.Errorf("threading: closing the pool cancelled %s, of which %d still run: %w", calls(cancelled), s.Running+s.Lent, cut)
}

func calls(n int) string {
	if n == 1 {
		return "1 call"
	}
	return fmt.Sprintf("%d calls", n)
}

// Withdraw implements [engine.Withdrawer]. A nil error means context.Canceled.
func (p *Pool) Withdraw(why error) int {
	if why == nil {
		why = context.Canceled
	}
	p.mu.Lock()
	defer p.unlock()
	n := p.putters.Len()
	return n + p.refuseWaiting(why)
}

// inside reports whether ctx is that of a task of p.
func (p *Pool) inside(ctx context.Context) bool {
	w, ok := engine.PlaceOf(ctx).(*worker)
	return ok && w.pool == p
}

// abort refuses the calls in the queue, cancels those that have begun, and the
// context of Init, and returns how many calls there were.
func (p *Pool) abort() int {
	p.mu.Lock()
	n := p.refuseWaiting(engine.ErrClosed)
	p.unlock()
	s := p.Statistics()
	p.life.Cancel(engine.ErrClosed)
	return n + s.Running + s.Lent
}

// refuseWaiting empties the queue, and those of the workers, and returns how many calls
// there were. It needs p.mu.
func (p *Pool) refuseWaiting(why error) int {
	p.refusePutters(why)
	n := 0
	for e, ok := p.injector.take(); ok; e, ok = p.injector.take() {
		n++
		p.drop(e, why)
	}
	for _, w := range *p.victims.Load() {
		for {
			var es [maxBatch]entry
			k := w.local.batch.steal(&es)
			if k == 0 {
				break
			}
			for _, e := range es[:k] {
				if p.claim(&e) {
					n++
					p.drop(e, why)
				}
			}
		}
		for c, retry := w.local.spawned.Steal(); c != nil || retry; c, retry = w.local.spawned.Steal() {
			if c == nil {
				continue
			}
			if e := spawnedEntry(c); p.claim(&e) {
				n++
				p.drop(e, why)
			}
		}
	}
	p.update()
	return n
}

// drop refuses an entry that was claimed. It needs p.mu.
func (p *Pool) drop(e entry, why error) {
	p.refused++
	if e.call != nil {
		p.settling++
		p.after = append(p.after, func() { p.expel(e.call, why) })
	}
}

// refusePutters sends the submitters that wait away. It needs p.mu.
func (p *Pool) refusePutters(err error) {
	for n := p.putters.Pop(); n != nil; n = p.putters.Pop() {
		n.Value.err = err
		p.refused++
		p.after = append(p.after, n.Value.wake)
	}
}

// awaitQuiet waits until nothing runs, is parked or waits, and with gone also
// until no goroutine is left.
func (p *Pool) awaitQuiet(ctx context.Context, gone bool) error {
	return p.quiet.Await(ctx, p, gone)
}

// isQuiet needs p.mu.
func (p *Pool) isQuiet(gone bool) bool {
	return p.running == 0 && p.lent == 0 && p.settling == 0 && p.putters.Len() == 0 &&
		p.queued() == 0 && (!gone || p.all.Len() == 0)
}

// queued returns the number of entries without the ghosts. While no slot is held that is
// exact, and a call that was claimed by who is about to refuse it counts until he has
// p.mu: if its entry is gone already, there is one ghost too few. It needs p.mu.
func (p *Pool) queued() int {
	n := p.injector.live - int(p.ghosts.Load())
	for _, w := range *p.victims.Load() {
		n += w.local.len()
	}
	return n
}

// wakeQuiet wakes those whose wait is over. It needs p.mu.
func (p *Pool) wakeQuiet() { p.after = p.quiet.Wake(p.after) }
