package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// A Config says how the commands of a Runner are run. Its zero value is ready.
type Config struct {
	// Spool is the directory for what commands write; empty means that of
	// os.TempDir, which TMPDIR sets. The files have no names there.
	Spool string

	// Env is the environment of the commands; nil means that of this process,
	// as it is when the Runner is made.
	Env []string

	// Stop says how commands are stopped; nil means DefaultSequence.
	Stop Sequence

	// Nice is added to the niceness of this process for the commands, as nice(1)
	// does: from -20, the most favoured, to 19, which is for what can wait. Less
	// than 0 needs the right to it. On systems other than Linux a command has it
	// from just after its start, on Windows as one of its classes of priority.
	Nice int
}

// A Runner runs the commands of a batch. Its methods can be called by several
// goroutines at once. It must be closed.
type Runner struct {
	spool    *spool
	null     *os.File
	env      []string
	stop     Sequence
	start    startFunc
	endStart func()
	paths    sync.Map // name → path, of programs found

	mu       sync.Mutex
	running  map[*process]struct{}
	ended    error          // ErrTerminated or ErrKilled; nil while commands may start
	starting sync.WaitGroup // commands that may run already, but are not in running yet
}

// NewRunner returns a Runner, or an error if the spool directory is of no use.
func NewRunner(cfg Config) (*Runner, error) {
	if cfg.Env == nil {
		cfg.Env = os.Environ()
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("no empty input for commands: %w", err)
	}
	spool, err := newSpool(cfg.Spool)
	if err != nil {
		null.Close()
		return nil, err
	}
	start, endStart, err := newStart(cfg.Nice)
	if err != nil {
		null.Close()
		spool.close()
		return nil, err
	}
	return &Runner{
		start:    start,
		endStart: endStart,
		spool:    spool,
		null:     null,
		env:      cfg.Env,
		stop:     cfg.Stop.clone(),
		running:  make(map[*process]struct{}),
	}, nil
}

// Close gives back what the Runner itself holds. It is to be called when all
// calls of Run have returned and all Results are closed.
func (r *Runner) Close() {
	r.endStart()
	r.spool.close()
	r.null.Close()
}

// Terminate starts to stop all commands that run, by the Runner's Sequence, and
// lets no other start. It does not wait: Run returns as the commands end.
func (r *Runner) Terminate() { r.end(ErrTerminated, (*process).stop) }

// Kill sends SIGKILL to all commands that run, also to those that are being
// stopped, and lets no other start. It does not wait for their end, but for those
// that are being started at this moment, so that a program that ends when Kill has
// returned leaves no command behind.
func (r *Runner) Kill() {
	r.end(ErrKilled, (*process).kill)
	r.starting.Wait()
}

func (r *Runner) end(cause error, stop func(*process, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended != ErrKilled {
		r.ended = cause
	}
	for p := range r.running {
		stop(p, cause)
	}
}

// Run starts a command and waits for its end. The error is nil if the command
// ended with exit code 0 and all it wrote is in the Result; otherwise, to be
// found with errors.As,
//
//   - a *StartError: it was not started (ctx was done, the Runner was
//     terminated or killed, or the system refused), and the Result is zero;
//   - an *ExitError: it ended with another exit code, or by a signal;
//   - a *StoppedError: it was stopped, as ctx was done or the Runner was
//     terminated or killed;
//   - a *SpoolError: the spool directory was full. It wraps the errors above.
//
// When ctx is done, the command is stopped by the Runner's Sequence, and Run
// returns once it has ended. The Result is to be closed whatever the error is.
func (r *Runner) Run(ctx context.Context, c Command) (Result, error) {
	if len(c.Args) == 0 {
		return Result{}, &StartError{Err: ErrNotFound, Hint: "no command was given"}
	}
	name := c.Args[0]
	if err := r.admit(ctx); err != nil {
		return Result{}, &StartError{Name: name, Err: err}
	}
	path, err := r.lookPath(name)
	if err != nil {
		return Result{}, err
	}
	stdin, closeStdin, err := r.stdin(c.Stdin)
	if err != nil {
		return Result{}, r.spoolFailed(name, err)
	}
	defer closeStdin()
	stdout, err := r.spool.open()
	if err != nil {
		return Result{}, r.spoolFailed(name, err)
	}
	stderr, err := r.spool.open()
	if err != nil {
		stdout.close()
		return Result{}, r.spoolFailed(name, err)
	}

	full := r.spool.full.Load()
	if err := r.begin(); err != nil {
		stdout.close()
		stderr.close()
		return Result{}, &StartError{Name: name, Err: err}
	}
	started := time.Now()
	proc, err := r.start(path, c.Args, &os.ProcAttr{
		Dir:   c.Dir,
		Env:   environ(r.env, c.Env, c.Dir),
		Files: []*os.File{stdin, stdout.writer, stderr.writer},
		Sys:   sysProcAttr,
	})
	p := &process{proc: proc, sequence: r.stop}
	if err == nil {
		r.add(p)
	}
	r.starting.Done()
	if err != nil {
		stdout.close()
		stderr.close()
		r.paths.Delete(name) // it may be elsewhere by now
		return Result{}, explain(c, path, r.env, err)
	}

	res := Result{
		PID: proc.Pid, Code: -1, Started: started,
		Stdout: stdout.started(), Stderr: stderr.started(), spool: r.spool,
	}

	unwatch := context.AfterFunc(ctx, func() { p.stop(context.Cause(ctx)) })
	unfollow := follow(c.Follow, res.Stdout, res.Stderr)
	state, err := p.wait()
	res.Wall = time.Since(started)
	unwatch()
	r.remove(p)
	res.Leaked = awaitRelease(res.Stdout, res.Stderr)
	unfollow()

	if err := cmp.Or(err, res.Stdout.finish(), res.Stderr.finish()); err != nil {
		return res, fmt.Errorf("%s: what became of it cannot be told: %w", display(c.Args), err)
	}
	res.Code, res.Signal = exitStatus(state)
	res.User, res.System, res.MaxRSS = state.UserTime(), state.SystemTime(), maxRSS(state)

	var exit *ExitError
	if res.Code != 0 {
		exit = &ExitError{Args: c.Args, Code: res.Code, Signal: res.Signal, Stderr: res.Stderr.tail(4 << 10)}
		err = exit
	}
	if cause := p.stopped(); cause != nil {
		err = &StoppedError{Args: c.Args, Cause: cause, Exit: exit}
	}
	r.spool.check()
	if r.spool.full.Load() != full {
		err = &SpoolError{Args: c.Args, Dir: r.spool.dir, Err: err}
	}
	return res, err
}

// admit returns why no command may start, if so.
func (r *Runner) admit(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// begin says that a command is about to be started, or returns why it must not be.
// After it comes starting.Done, once the command is known or has not started.
func (r *Runner) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended == nil {
		r.starting.Add(1)
	}
	return r.ended
}

// stdin returns the file that a command is to read, and how to close it.
func (r *Runner) stdin(in io.Reader) (*os.File, func(), error) {
	switch in := in.(type) {
	case nil:
		return r.null, func() {}, nil
	case *os.File:
		return in, func() {}, nil
	}
	f, err := r.spool.fill(in)
	if err != nil {
		return nil, nil, err
	}
	return f, func() {
		r.spool.check()
		f.Close()
	}, nil
}

// add makes p known to Terminate and Kill, and stops it if they were called
// while it was started.
func (r *Runner) add(p *process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running[p] = struct{}{}
	switch r.ended {
	case ErrTerminated:
		p.stop(r.ended)
	case ErrKilled:
		p.kill(r.ended)
	}
}

func (r *Runner) remove(p *process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, p)
}

// spoolFailed returns the error of a command for which no spool file could be
// made, or filled.
func (r *Runner) spoolFailed(name string, err error) error {
	e := &StartError{Name: name, Err: err}
	if isAny(err, errsNoSpace) {
		e.Err = fmt.Errorf("%w for %s", syscall.ENOSPC, r.spool.dir)
		e.Hint = "make room there, or set TMPDIR to a directory on another file system"
	} else if isAny(err, errsTooManyFiles) {
		e.Hint = hintFiles
	}
	return e
}

var errUnsupported = errors.New("not supported here")
