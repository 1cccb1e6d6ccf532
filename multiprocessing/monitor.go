package multiprocessing

import (
	"time"

	"github.com/go-braid/braid/internal/wire"
)

// Looks of the monitor at a worker before it is killed.
const (
	maxStopped = 2  // it is stopped
	maxSilent  = 30 // it runs, or would, and does not answer
)

// monitor looks after the workers as long as there are any: it asks for signs of life,
// and ends those that are idle for too long, or not ready in time.
func (p *Pool) monitor() {
	interval := p.cfg.Heartbeat
	if interval < 0 {
		interval = 500 * time.Millisecond
	}
	if t := p.cfg.IdleTimeout; t > 0 {
		interval = min(interval, max(t/4, time.Millisecond))
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		p.mu.Lock()
		if len(p.workers) == 0 && p.starting == 0 {
			p.monitoring = false
			p.wakeQuiet()
			p.unlock()
			return
		}
		p.mu.Unlock()
		select {
		case <-tick.C:
		case <-p.vacant:
			continue
		}
		p.look(time.Now())
	}
}

// look looks at every worker once.
func (p *Pool) look(now time.Time) {
	p.mu.Lock()
	if t := p.cfg.IdleTimeout; t > 0 {
		for i := len(p.idle) - 1; i >= 0; i-- {
			if w := p.idle[i]; now.Sub(w.idleSince) >= t {
				p.idle = append(p.idle[:i], p.idle[i+1:]...)
				p.retire(w)
			}
		}
	}
	ws := make([]*worker, 0, len(p.workers))
	var late []*worker
	for w := range p.workers {
		ws = append(ws, w)
		if w.state == starting && now.Sub(w.born) > p.cfg.StartTimeout {
			late = append(late, w)
		}
	}
	p.unlock()
	for _, w := range late {
		w.kill()
	}
	if p.cfg.Heartbeat < 0 {
		return
	}
	for _, w := range ws {
		w.check(now, p.cfg.Heartbeat)
	}
}

// check asks w for a sign of life, and kills it if it has given none for too long.
func (w *worker) check(now time.Time, interval time.Duration) {
	if w.proc.Stopped() {
		if w.stopped++; w.stopped >= maxStopped {
			w.kill()
		}
		return
	}
	w.stopped = 0
	select {
	case <-w.answered:
	default:
		return // StartTimeout is for this
	}
	if w.pinged.IsZero() || w.ponged.Load() >= w.pinged.UnixNano() {
		w.silent = 0
		if now.Sub(w.pinged) >= interval {
			w.pinged = now
			go func() { _ = w.control.Send(wire.Header{Kind: kindPing}, nil, nil) }()
		}
		return
	}
	// Looks count as well as time: if this process was stopped, or the machine asleep,
	// time has passed in which nobody could answer, or hear it.
	if w.silent++; w.silent > maxSilent && now.Sub(w.pinged) > maxSilent*interval {
		w.kill()
	}
}
