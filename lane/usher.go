package lane

import "github.com/go-braid/braid/strand"

// An usher is the goroutine that passes calls from the queue to the engine, one after
// the other: the engine may make it wait for room. There is none while nothing can go
// on.
type usher struct {
	lane *Lane
	job  *job // under way; under lane.mu
}

func (u *usher) run() {
	defer u.exit() // even if a task ends the goroutine, which an engine may let happen
	for j := u.next(); j != nil; j = u.next() {
		// The engine must park this goroutine, not the submitter's strand.
		j.call.Forward(strand.Detach(&j.ctx), u.lane.inner, j)
	}
}

// next gives the first call a place if it can go on now.
func (u *usher) next() *job {
	l := u.lane
	l.mu.Lock()
	defer l.unlock()
	u.job = nil
	if l.usher != u {
		return nil
	}
	if ok, _ := l.open(); !ok || l.first() == nil {
		l.usher = nil
		return nil
	}
	u.job = l.take()
	l.place(u.job)
	l.refill()
	return u.job
}

func (u *usher) exit() {
	l := u.lane
	l.mu.Lock()
	defer l.unlock()
	l.ushers--
	if l.usher == u {
		l.usher = nil
	}
	l.schedule()
}

// dismiss makes place for another usher if the present one is passing j on, which has
// begun: the engine has taken it, but runs it to its end before it lets him go. It
// needs l.mu.
func (l *Lane) dismiss(j *job) {
	if l.usher != nil && l.usher.job == j {
		l.usher = nil
	}
}
