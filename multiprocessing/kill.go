package multiprocessing

import "github.com/go-braid/braid/engine"

// Kill ends the pool and, by force, its processes with all that they have started. It
// does not wait; [Pool.Close] does. From now on calls are refused with
// [engine.ErrClosed], as are those that wait; those that run fail with it as the
// cause, whether they are idempotent or not.
//
// It is for programs that are in a hurry to end. Others call Close, whose context says
// how long calls have.
func (p *Pool) Kill() {
	p.mu.Lock()
	if !p.closing {
		p.closing = true
		close(p.ending)
	}
	if p.broken == nil {
		p.broken = engine.ErrClosed // no worker starts any more, no call is run again
	}
	p.unlock()
	_ = p.abort() // why calls end is known before they do
	p.mu.Lock()
	defer p.unlock()
	for w := range p.workers {
		p.after = append(p.after, w.kill)
		if w.state != starting && !w.retired {
			w.state, w.retired = stopping, true // nobody else's doing
			p.live--
		}
	}
	clear(p.idle)
	p.idle = p.idle[:0]
}
