package threading

// Statistics is a snapshot of a [Pool]; it is out of date when it is read. Every
// call is in one place: Submitted is the sum of Running, Lent, Queued, Waiting,
// Refused and Completed. Functions of [Pool.Go] are counted like calls.
type Statistics struct {
	Workers int // slots
	Running int // tasks that run
	Lent    int // tasks that are parked, or run another call meanwhile, and have lent their slot
	Queued  int // calls that wait for a worker
	Waiting int // submitters that wait for room in the queue
	Idle    int // goroutines without work

	Submitted uint64 // calls handed to the pool so far; each attempt counts
	Refused   uint64 // those that came to their end without a worker
	Completed uint64 // those that a worker has dealt with
}

// Statistics returns a snapshot of p.
func (p *Pool) Statistics() Statistics {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Statistics{
		Workers: p.workers,
		Lent:    p.lent,
		Queued:  p.injector.live - int(p.ghosts.Load()),
		Waiting: p.putters.Len(),
		Idle:    len(p.idle),

		Submitted: p.submitted,
		Refused:   p.refused,
	}
	s.Running = p.running
	for n := p.all.Front(); n != nil; n = n.Next() {
		w := n.Value
		if w.looking.Load() { // it holds a slot, and has no task
			s.Running--
		}
		s.Submitted += w.spawns.Load()
		s.Lent += int(w.nested.Load())
		if w.local != nil {
			s.Queued += w.local.len()
		}
	}
	s.Running, s.Queued = max(0, s.Running), max(0, s.Queued)
	// What is left has been dealt with: a worker does not stop to count.
	if now := uint64(s.Running+s.Lent+s.Queued+s.Waiting) + s.Refused; now < s.Submitted {
		s.Completed = s.Submitted - now
	} else {
		s.Submitted = now
	}
	return s
}
