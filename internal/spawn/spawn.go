// Package spawn starts processes of the executable that is running, watches them, and
// kills them with all that they have started.
package spawn

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/go-braid/braid/internal/procgroup"
)

// A Spec says how a process is started. Its standard input is the null device.
type Spec struct {
	Args   []string   // the arguments, without the program's name
	Env    []string   // the whole environment
	Dir    string     // the working directory; empty means this process's
	Files  []*os.File // become descriptors 3, 4, … (on Windows: see Inherit)
	Stdout *os.File   // nil means the null device
	Stderr *os.File   // nil means the null device
}

// A Process is a process that was started. Its methods may be called from any
// goroutine.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}

	// Until the process is reaped, its number and that of its group are its own.
	mu     sync.Mutex
	reaped bool
	left   strays // to be killed when it has ended

	state State // set before done is closed
}

// A State is how a process ended.
type State struct {
	ExitCode     int           // -1 if a signal ended it
	Signal       string        // the signal's name, such as "SIGKILL"; empty if none ended it
	SignalNumber int           // and its number, or 0
	UserTime     time.Duration // processor time for itself
	SystemTime   time.Duration // processor time of the system for it
	MaxRSS       int64         // the largest memory in bytes; 0 where that is not known
	Killed       bool          // whether it was killed by a Process's method
}

// Start starts a process. On Linux it is killed when this process dies, however that
// happens.
func Start(s Spec) (*Process, error) {
	path, err := executable()
	if err != nil {
		return nil, fmt.Errorf("spawn: the program's own executable cannot be found: %w", err)
	}
	cmd := &exec.Cmd{
		Path: path, Args: append([]string{os.Args[0]}, s.Args...), Env: s.Env, Dir: s.Dir,
		SysProcAttr: attributes(s.Files),
	}
	setFiles(cmd, s.Files)
	// An *os.File is handed on as it is, and nil is the null device; a nil *os.File in
	// an interface would be neither.
	if s.Stdout != nil {
		cmd.Stdout = s.Stdout
	}
	if s.Stderr != nil {
		cmd.Stderr = s.Stderr
	}
	if err := start(cmd); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go p.reap()
	return p, nil
}

// Scarce reports whether err, of a start that failed, says that the system has no room
// for it just now: no descriptors, no memory, no process.
func Scarce(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// reap waits for the process, kills what it has left of its group, and frees its number.
func (p *Process) reap() {
	// While the process is a zombie nobody else can have its number, nor a group of
	// that number come up anew.
	held := procgroup.AwaitExit(p.cmd.Process.Pid)
	if held {
		p.mu.Lock()
		p.killGroup()
		p.reaped = true
		p.mu.Unlock()
	}
	_ = p.cmd.Wait() // the state tells
	p.mu.Lock()
	p.reaped = true
	killed := p.state.Killed
	p.state = stateOf(p.cmd.ProcessState)
	p.state.Killed = killed
	p.left.kill()
	p.mu.Unlock()
	close(p.done)
}

// PID returns the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done returns a channel that is closed when the process has ended and is reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// State returns how the process ended. It must not be called before Done is closed.
func (p *Process) State() State { return p.state }

// Signal sends a signal to the process, and to nobody else, whatever has become of it:
// os.ErrProcessDone if it has ended.
func (p *Process) Signal(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	return p.cmd.Process.Signal(sig)
}

// SignalGroup sends a signal to the process and to all of its group. On Linux those of
// its descendants that have left the group are killed when it has ended, whether it ends
// of the signal or not.
func (p *Process) SignalGroup(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	// When it is dead they are nobody's.
	p.left = p.left.with(descendants(p.cmd.Process.Pid))
	return p.signalGroup(sig)
}

// Kill kills the process, all of its group, and on Linux also those of its descendants
// that have left the group. It does not wait. It does nothing to a process that has
// ended, whose group is dead by then; descendants that had left the group of a process
// that ended by itself cannot be found any more.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	p.state.Killed = true
	// Whose parent is dead is nobody's descendant, so those are looked for first.
	strays := descendants(p.cmd.Process.Pid)
	p.killGroup()
	err := p.cmd.Process.Kill()
	strays.kill()
	return err
}
