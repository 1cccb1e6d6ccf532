package multiprocessing

import "fmt"

// Resize sets the number of workers that there can be, Config.Workers until then. If it
// grows, workers are started for the calls that wait; if it shrinks, workers that are
// idle end, and others once they have completed the call that they run. What Config.Queue
// says stays as it is. Resize does not wait for any of this. It returns an error, and
// changes nothing, if n is less than 1.
func (p *Pool) Resize(n int) error {
	if n < 1 {
		return fmt.Errorf("multiprocessing: cannot resize the pool to %d workers: it needs at least 1", n)
	}
	p.mu.Lock()
	p.size = n
	for p.live > n && len(p.idle) > 0 {
		p.dismiss()
	}
	p.dispatchAndUnlock()
	return nil
}
