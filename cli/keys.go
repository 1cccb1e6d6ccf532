package cli

import (
	"fmt"
	"os"
	"sync"

	"github.com/go-braid/braid/internal/input"
)

// A resizer changes how many inputs are under way at once.
type resizer struct {
	most  int // that the engine can have
	apply func(jobs int) error
	tell  func(text string)

	mu   sync.Mutex
	jobs int
}

// key does what a key asks for.
func (r *resizer) key(k byte) {
	switch k {
	case '+', '=': // the same key on many keyboards
		r.change(func(n int) int { return n + 1 })
	case '-':
		r.change(func(n int) int { return n - 1 })
	}
}

// set asks for n at once, or for as many as there can be.
func (r *resizer) set(n int) {
	r.change(func(int) int { return min(n, r.most) })
}

// change changes how many there are, unless that is none, or more than there can be.
func (r *resizer) change(to func(int) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := to(r.jobs)
	if n < 1 || n > r.most || n == r.jobs {
		return
	}
	if err := r.apply(n); err != nil {
		r.tell(err.Error())
		return
	}
	r.jobs = n
	r.tell(fmt.Sprintf("%d at once from now on", n))
}

// mayReadKeys reports whether keys that are typed on the terminal are for this run: it
// shows a bar there, and nobody else reads the terminal, such as a pager behind a pipe,
// or a program before it that asks for a password.
func mayReadKeys(a *app, prog *progress, p *plan) bool {
	if prog.bar == nil || !isTerminal(a.In) {
		return false
	}
	for _, name := range p.inputs.Files {
		if name == input.Stdin {
			return false
		}
	}
	out, ok := a.Out.(*os.File)
	if !ok {
		return false
	}
	info, err := out.Stat()
	return err == nil && (isTerminal(out) || info.Mode().IsRegular())
}

// most is how many inputs the engine can have under way at once.
func (k engineKind) most() int {
	switch k.name {
	case serialName:
		return 1
	case processesName:
		return maxProcesses
	}
	return maxJobs
}

// heed does what the terminal and the shell ask a run for, until the function that it
// returns is called.
func (a *app) heed(prog *progress, p *plan, w work, size *resizer) (stop func()) {
	var keys *keyboard
	if mayReadKeys(a, prog, p) && size.most > 1 {
		keys = readKeys(a.In.(*os.File), size.key)
	}
	c, _ := w.(*commandWork)
	signals := jobControl{
		report: prog.report,
		suspend: func() {
			if keys != nil {
				keys.suspend()
			}
			if c != nil {
				c.suspend()
			}
		},
		resume: func() {
			if c != nil {
				c.resume()
			}
			if keys != nil {
				keys.resume()
			}
		},
	}
	unwatch := signals.watch()
	return func() {
		unwatch()
		if keys != nil {
			keys.close()
		}
	}
}
