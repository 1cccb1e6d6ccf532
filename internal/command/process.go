package command

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/go-braid/braid/internal/procgroup"
)

// A process is a command that runs, with its group.
//
// No signal may go to the number of a process that has been reaped: it may be
// another's by then. Where the system can wait without reaping (procgroup.AwaitExit), the
// number stays taken until the group has its last signal. Elsewhere there is an
// instant between the reaping and the note of it.
//
// What a platform defines:
//
//	sysProcAttr               how a command is started
//	signalGroup(proc, sig)    sends a signal to the group, or returns errUnsupported
//	exitStatus, maxRSS        what is read from an os.ProcessState
//	signalName, signalByName  the names of signals
//	explainErrno              what a failed start means
type process struct {
	proc     *os.Process
	sequence Sequence

	mu     sync.Mutex
	cause  error         // why it is being stopped; nil if it is not
	step   int           // the next step of sequence
	timer  *time.Timer   // goes to the next step
	over   chan struct{} // made at the first signal, closed at SIGKILL
	killed bool          // SIGKILL was sent
	exited bool          // the command has ended; others of its group may live
	reaped bool          // no signal may be sent
}

// stop starts the sequence. It does nothing if it was started before.
func (p *process) stop(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begin(cause) {
		return
	}
	p.advance()
}

// kill goes to the end of the sequence.
func (p *process) kill(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begin(cause)
	if p.cause != nil {
		p.step = len(p.sequence)
		p.advance()
	}
}

// begin reports whether the sequence is to start now: it has not, and the
// command has not ended by itself.
func (p *process) begin(cause error) bool {
	if p.exited || p.cause != nil {
		return false
	}
	p.cause = cause
	p.over = make(chan struct{})
	return true
}

// advance takes the next step, with mu held.
func (p *process) advance() {
	if p.reaped || p.killed {
		return
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	for p.step < len(p.sequence) {
		step := p.sequence[p.step]
		p.step++
		if errors.Is(signalGroup(p.proc, step.Signal), errUnsupported) {
			continue
		}
		p.timer = time.AfterFunc(step.Wait, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.advance()
		})
		return
	}
	signalGroup(p.proc, syscall.SIGKILL)
	p.killed = true
	close(p.over)
}

// wait returns when the command has ended and, if it was stopped, its group has
// too or has been sent SIGKILL.
func (p *process) wait() (state *os.ProcessState, err error) {
	held := procgroup.AwaitExit(p.proc.Pid)
	if !held {
		state, err = p.proc.Wait()
	}

	p.mu.Lock()
	p.exited = true
	over := p.over
	p.mu.Unlock()
	if over != nil {
		p.linger(over)
	}

	p.mu.Lock()
	p.reaped = true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()

	if held {
		state, err = p.proc.Wait()
	}
	return state, err
}

// linger waits for the rest of the group of a command that was stopped and has
// ended, or until it is over for it. Nobody tells when the group is gone, so
// linger looks, ever more seldom.
func (p *process) linger(over <-chan struct{}) {
	g := procgroup.Group{ID: p.proc.Pid}
	for pause := time.Millisecond; g.Alive(); pause = min(2*pause, 100*time.Millisecond) {
		select {
		case <-over:
			return
		case <-time.After(pause):
		}
	}
}

// stopped returns why the command was stopped, or nil if it was not.
func (p *process) stopped() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause
}
