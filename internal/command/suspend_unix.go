//go:build unix

package command

import "syscall"

// Suspend stops all commands that run, with the processes of their groups, by SIGSTOP,
// until Resume; those that start meanwhile run. A command that is to end while it is
// suspended ends after that.
func (r *Runner) Suspend() { r.signalAll(syscall.SIGSTOP) }

// Resume has all commands that run go on.
func (r *Runner) Resume() { r.signalAll(syscall.SIGCONT) }

func (r *Runner) signalAll(sig syscall.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.running {
		p.signal(sig)
	}
}

// signal sends a signal to the group, unless that has ended.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		signalGroup(p.proc, sig)
	}
}
