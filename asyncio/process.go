package asyncio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/procgroup"
	"github.com/go-braid/braid/strand"
)

// A Command says which program [Start] is to start, and how.
type Command struct {
	// Args is the program and its arguments. A program without a slash in its
	// name is looked for in the directories of PATH. No shell is involved.
	Args []string

	// Env is the environment, as "NAME=value"; nil means that of this process.
	Env []string

	// Dir is the working directory; empty means that of this process.
	Dir string

	// Stdin, Stdout and Stderr are the standard streams: pipes to this process
	// unless said otherwise. Of a pipe, the output must be read, or the process
	// stands still when the pipe is full; and many programs do not end before
	// their input does, which is when it is closed.
	Stdin, Stdout, Stderr Stdio

	// Grace is how long the process may take to end when the context that it was
	// started with is done, between a SIGTERM and a SIGKILL, on the loop's clock;
	// 0 means 5 seconds, and a negative Grace means SIGKILL at once.
	Grace time.Duration

	// OutputLimit is how many bytes of each of the two outputs
	// [Process.Communicate] keeps; 0 means 64 MiB.
	OutputLimit int
}

// A Process is a process that a coroutine has started. Its methods are for the
// coroutines of the loop, but for those that say otherwise.
//
// On Unix the process leads a process group of its own, to which all that it starts
// belongs unless it says otherwise. A Ctrl-C at the terminal therefore does not reach
// it, and the signals of Terminate and Kill reach all of the group.
type Process struct {
	// Stdin is this process's end of the pipe to the standard input; nil if that is
	// connected to something else.
	Stdin *PipeWriter

	// Stdout is this process's end of the pipe from the standard output; nil if that
	// is connected to something else.
	Stdout *PipeReader

	// Stderr is this process's end of the pipe from the standard error; nil if that
	// is connected to something else.
	Stderr *PipeReader

	loop   *Loop
	ctx    context.Context
	cmd    *exec.Cmd
	pid    int
	keeper *Coroutine
	kept   bool // the keeper runs
	grace  time.Duration
	limit  int
	unread int           // outputs that are pipes and not closed
	forget func() bool   // the pipes need not be closed when ctx is done
	timer  timer         // ends the grace
	dead   chan struct{} // closed when the group was sent SIGKILL

	mu     sync.Mutex
	stop   error // why it is being stopped; nil if it is not
	killed bool  // dead is closed
	exited bool  // the process has ended; others of its group may live
	reaped bool  // no signal may be sent, and nothing changes any more
	err    error // of exec.Cmd.Wait; set before reaped
}

// Start starts a process that lives no longer than ctx: when ctx is done, all of the
// process's group is sent SIGTERM, and SIGKILL if it has not ended after the grace
// of the command, or the loop, which is being closed, has no more time. The process
// is waited for by a coroutine of its own, so that the loop does not end before it,
// and without a thread that does nothing else (on Linux from 5.3 on).
//
// What the process starts in turn and leaves behind when it ends by itself lives on.
// The pipes are closed when they come to their end, by their Close, and when both
// the process has ended and ctx is done.
//
// The loop stands still for the moment that the system takes to start a program.
// Start needs the context of a coroutine. Elsewhere use package os/exec.
func Start(ctx context.Context, c Command) (*Process, error) {
	l := LoopOf(ctx)
	if l == nil {
		return nil, errors.New("asyncio: Start: the context is not that of a coroutine; outside of a loop, use package os/exec")
	}
	if err := l.current().mayPark(ctx); err != nil {
		return nil, err
	}
	p, err := c.start(l)
	if err != nil {
		return nil, fmt.Errorf("asyncio: cannot start a process: %w", err)
	}
	p.ctx = ctx
	// If the loop unwinds its coroutines just now, this one and the keeper may
	// both get no further.
	defer func() {
		if !p.kept {
			p.end()
			go p.reap()
		}
	}()
	p.keeper = Go(ctx, p.keep)
	p.keeper.name = fmt.Sprintf("process %d (%s)", p.PID(), c.Args[0])
	for !p.kept {
		strand.ParkerOf(ctx).Yield(ctx)
	}
	if p.unread > 0 {
		p.forget = context.AfterFunc(ctx, p.closePipes)
	}
	return p, nil
}

// start starts the process.
func (c *Command) start(l *Loop) (p *Process, err error) {
	switch {
	case len(c.Args) == 0:
		return nil, errors.New("Command.Args is empty: its first element is the program")
	case c.OutputLimit < 0:
		return nil, fmt.Errorf("Command.OutputLimit is %d: it must be positive, or 0 for 64 MiB", c.OutputLimit)
	}
	p = &Process{loop: l, grace: c.Grace, limit: c.OutputLimit, dead: make(chan struct{})}
	if p.grace == 0 {
		p.grace = 5 * time.Second
	}
	if p.limit == 0 {
		p.limit = 64 << 20
	}
	p.cmd = exec.Command(c.Args[0], c.Args[1:]...)
	p.cmd.Env, p.cmd.Dir, p.cmd.SysProcAttr = c.Env, c.Dir, ownGroup
	var pipes plumbing
	defer func() {
		closeAll(pipes.child)
		if err != nil {
			closeAll(pipes.ours)
		}
	}()
	if err := p.connect(c, &pipes); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		// The system says the same when the program is not there.
		if _, dir := os.Stat(c.Dir); c.Dir != "" && dir != nil {
			err = fmt.Errorf("Command.Dir: %w", dir)
		}
		return nil, err
	}
	p.pid = p.cmd.Process.Pid
	return p, nil
}

// connect makes the pipes.
func (p *Process) connect(c *Command, pipes *plumbing) error {
	stdin, ours, err := pipes.input(c.Stdin)
	if err != nil {
		return fmt.Errorf("Command.Stdin: %w", err)
	}
	if ours != nil {
		p.Stdin = &PipeWriter{pipeEnd{loop: p.loop, file: ours}}
	}
	if c.Stdout.kind == stdioMerge {
		return errors.New("Command.Stdout: Merge is for the standard error")
	}
	stdout, ours, err := pipes.output(c.Stdout, os.Stdout, nil)
	if err != nil {
		return fmt.Errorf("Command.Stdout: %w", err)
	}
	if ours != nil {
		p.Stdout = p.reader(ours)
	}
	stderr, ours, err := pipes.output(c.Stderr, os.Stderr, stdout)
	if err != nil {
		return fmt.Errorf("Command.Stderr: %w", err)
	}
	if ours != nil {
		p.Stderr = p.reader(ours)
	}
	// A nil file in an interface is not the nil that means none.
	if stdin != nil {
		p.cmd.Stdin = stdin
	}
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	if stderr != nil {
		p.cmd.Stderr = stderr
	}
	return nil
}

func (p *Process) reader(f *os.File) *PipeReader {
	p.unread++
	return &PipeReader{pipeEnd{loop: p.loop, file: f, closed: func() {
		if p.unread--; p.unread == 0 && p.forget != nil {
			p.forget()
		}
	}}}
}

// keep is the coroutine that sees the process to its end.
func (p *Process) keep(ctx context.Context) error {
	p.kept = true
	defer func() {
		p.loop.timers.cancel(&p.timer)
		if p.Stdin != nil {
			p.Stdin.end.fail(syscall.EPIPE)
		}
		if ctx.Err() != nil {
			p.closePipes()
		}
	}()
	op := strand.Op{Object: p, Kind: strand.OpExit, Access: strand.Write}
	end := &duty{do: p.reap, hurry: p.end}
	if parkOutside(ctx, op, end) != nil {
		p.end() // ctx was done before we could wait
		return parkOutside(context.WithoutCancel(ctx), op, end)
	}
	return nil
}

// end begins to stop the process, or kills it if the loop has no more time. It is
// called on the loop.
func (p *Process) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited && p.stop == nil {
		return
	}
	forced := p.loop.end.forced
	begun := p.stop != nil
	if !begun {
		if p.stop = strand.Err(p.ctx); p.stop == nil {
			p.stop = engine.ErrClosed
		}
	}
	switch {
	case forced || p.grace < 0:
		p.kill()
	case begun:
	case p.signalGroup(syscall.SIGTERM) != nil:
		p.kill()
	default:
		p.loop.timers.set(&p.timer, p.loop.clock()+int64(p.grace), p)
	}
}

// fire implements firer: the grace is over.
func (p *Process) fire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kill()
}

// kill sends SIGKILL to the group. It needs p.mu.
func (p *Process) kill() {
	if p.reaped {
		return
	}
	_ = p.signalGroup(syscall.SIGKILL)
	if !p.killed {
		p.killed = true
		close(p.dead)
	}
}

// reap waits for the process and takes note of how it ended, on a goroutine of its
// own. No signal may go to the number of a process that is reaped, as it may be
// another's by then; so where the system can wait without reaping (procgroup.AwaitExit), the
// number stays taken until nobody will send a signal any more. Elsewhere there is
// an instant between the reaping and the note of it.
//
// What a platform defines:
//
//	ownGroup             how a process is started
//	signalGroup(sig)     sends a signal to the group; an error if there is no such signal
//	brokenPipe(err)      whether nobody reads a pipe
func (p *Process) reap() {
	held := procgroup.AwaitExit(p.PID())
	var err error
	if !held {
		err = p.cmd.Wait()
	}
	p.mu.Lock()
	p.exited = true
	stopped := p.stop != nil
	p.mu.Unlock()
	if stopped {
		p.linger()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if held {
		err = p.cmd.Wait()
	}
	if p.cmd.ProcessState == nil { // somebody else has reaped it, and os keeps its handle
		_ = p.cmd.Process.Release()
	}
	p.err = err
	p.reaped = true
}

// linger waits for the rest of the group of a process that was stopped and has
// ended: they have the grace, too, and then a second to die of SIGKILL, which takes
// longer only for who is stuck in the system. Nobody tells when the group is gone, so
// linger looks, ever more seldom.
func (p *Process) linger() {
	g := procgroup.Group{ID: p.PID()}
	dead := p.dead
	var over <-chan time.Time
	for pause := time.Millisecond; g.Alive(); pause = min(2*pause, 100*time.Millisecond) {
		select {
		case <-dead:
			dead, over, pause = nil, time.After(time.Second), time.Millisecond
		case <-over:
			return
		case <-time.After(pause):
		}
	}
}

// closePipes closes the pipes to a process that has ended, which nobody needs any
// more. It may be called from any goroutine.
func (p *Process) closePipes() {
	p.mu.Lock()
	over := p.reaped
	p.mu.Unlock()
	if !over {
		return
	}
	for _, r := range []*PipeReader{p.Stdout, p.Stderr} {
		if r != nil {
			_ = r.end.file.Close()
		}
	}
}

// PID returns the process's number. It may be called from any goroutine.
func (p *Process) PID() int { return p.pid }

// Wait waits until the process has ended, no matter who still has its pipes open,
// and returns nil if it has succeeded, and an [*exec.ExitError] if not. If the
// process was stopped because the context that it was started with is done, the
// error matches that of the context, too.
//
// If ctx is done first Wait returns strand.Err(ctx), and the process goes on. Any
// number of strands, on whatever engine, may wait for a process.
func (p *Process) Wait(ctx context.Context) error {
	if err := p.keeper.Join(ctx); !p.keeper.Done() {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.stop == nil:
		return p.err
	case p.err == nil:
		return fmt.Errorf("asyncio: process %d was stopped: %w", p.PID(), p.stop)
	}
	return fmt.Errorf("asyncio: process %d was stopped: %w: %w", p.PID(), p.stop, p.err)
}

// State returns how the process has ended and what it used, or nil if it has not
// ended, or somebody else has taken that. It may be called from any goroutine.
func (p *Process) State() *os.ProcessState {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		return nil
	}
	return p.cmd.ProcessState
}

// ExitCode returns the exit code of the process, or -1 if it has not ended, or was
// ended by a signal: see [Process.State]. It may be called from any goroutine.
func (p *Process) ExitCode() int { return p.State().ExitCode() }

// Signal sends a signal to the process, and not to others of its group. A process
// that has ended is sent nothing, though its number may be another's by now: the
// error is os.ErrProcessDone. On Windows there is only os.Kill. Signal may be called
// from any goroutine.
func (p *Process) Signal(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited {
		return os.ErrProcessDone
	}
	return p.cmd.Process.Signal(sig)
}

// Terminate asks the process and all of its group to end, by SIGTERM, or ends it
// where there is none, on Windows. It does not wait. The error is os.ErrProcessDone
// if the process has ended, and nothing was sent. Terminate may be called from any
// goroutine.
func (p *Process) Terminate() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited {
		return os.ErrProcessDone
	}
	err := p.signalGroup(syscall.SIGTERM)
	if errors.Is(err, errors.ErrUnsupported) {
		err = p.signalGroup(syscall.SIGKILL)
	}
	return err
}

// Kill ends the process and all of its group, by SIGKILL; on Windows only the
// process. It does not wait. The error is os.ErrProcessDone if the process has
// ended, and nothing was sent. Kill may be called from any goroutine.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited {
		return os.ErrProcessDone
	}
	return p.signalGroup(syscall.SIGKILL)
}
