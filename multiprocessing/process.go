package multiprocessing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sync"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/parcel"
	"github.com/go-braid/braid/strand"
)

// A Process is a process that runs one task and ends. Make one with [Start]. Its
// methods may be called from any goroutine.
type Process struct {
	name   string
	pool   *Pool
	worker *worker
	over   chan struct{} // closed when it is gone and its call complete

	await func(context.Context) error

	// Before over is closed.
	code int
	err  error
}

// A ProcessOption changes how [Start] starts a process.
type ProcessOption func(*processSettings)

type processSettings struct {
	config Config
	name   string
}

// With has the process started as a worker of a pool with that Config would be: its
// limits, environment, output, grace. What is about several workers or calls is
// ignored.
func With(c Config) ProcessOption { return func(s *processSettings) { s.config = c } }

// Named gives the process a name for [Processes] and for people; the default is that
// of the task.
func Named(name string) ProcessOption { return func(s *processSettings) { s.name = name } }

// Start starts a process that runs t with the argument in, and then ends. It returns
// when the process is running, or with the error that kept it from that. The call is
// under ctx: when that is done the task is told, and the process is ended if the task
// does not listen, as Config.Grace says.
//
// If the argument may hold open files, such as the end of a pipe, Start returns when they
// are sent: this process can close its own then.
//
// What the process writes to its standard output and error appears on those of this
// one. Whoever starts a process should join it.
func Start[In, Out any](ctx context.Context, t *braid.Task[In, Out], in In, opts ...ProcessOption) (*Process, error) {
	s := processSettings{name: t.Name()}
	for _, o := range opts {
		o(&s)
	}
	if t.Name() == "" {
		return nil, fmt.Errorf("multiprocessing: %w", ErrNotPortable)
	}
	if err := t.Travels(); err != nil {
		return nil, fmt.Errorf("multiprocessing: %w", err)
	}
	if ctx.Err() != nil {
		return nil, strand.Err(ctx)
	}
	c := s.config
	c.Workers, c.Queue, c.MaxTasksPerWorker, c.Full, c.IdleTimeout, c.Lifetime = 1, 1, 0, Wait, 0, 0
	p, err := NewPool(c)
	if err != nil {
		return nil, err
	}
	sent := make(chan struct{})
	p.sent = sync.OnceFunc(func() { close(sent) })
	w, err := p.only()
	if err != nil {
		return nil, fmt.Errorf("multiprocessing: the process cannot be started: %w", err)
	}
	pr := &Process{name: s.name, pool: p, worker: w, over: make(chan struct{})}
	f := braid.Submit(ctx, p, t, in)
	pr.await = func(ctx context.Context) error {
		_, err := f.Await(ctx)
		return err
	}
	list.add(pr)
	go pr.wait()
	if c, err := codec.For(reflect.TypeFor[In]()); err == nil && c.Files() {
		// An error is that of the call as well, which Join returns.
		_ = parcel.Aside(ctx, strand.Op{Object: pr, Kind: strand.OpExit, Access: strand.Read}, func(ctx context.Context) error {
			select {
			case <-sent:
			case <-pr.over:
			case <-ctx.Done():
			}
			return nil
		})
	}
	return pr, nil
}

// only starts the only worker of a pool for one call.
func (p *Pool) only() (*worker, error) {
	p.mu.Lock()
	p.oneShot = true
	p.live, p.starting, p.monitoring = 1, 1, true
	number := p.takeNumber()
	p.mu.Unlock()
	w, err := p.launch(number)
	if err != nil {
		p.mu.Lock()
		p.monitoring, p.starting = false, 0
		p.mu.Unlock()
		return nil, err
	}
	go p.monitor()
	return w, nil
}

// wait sees the process to its end.
func (p *Process) wait() {
	ctx := context.Background()
	p.err = p.await(ctx)
	_ = p.pool.Close(ctx) // which ends a process that its call has not reached
	st := p.worker.proc.State()
	p.code = st.ExitCode
	if n := st.SignalNumber; n != 0 {
		p.code = -n
	}
	list.remove(p)
	close(p.over)
}

// Name returns the process's name.
func (p *Process) Name() string { return p.name }

// PID returns the number that the system knows the process by.
func (p *Process) PID() int { return p.worker.pid }

// Alive reports whether the process runs.
func (p *Process) Alive() bool {
	select {
	case <-p.worker.proc.Done():
		return false
	default:
		return true
	}
}

// Done returns a channel that is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.over }

// Join waits until the process has ended, and returns the error of its task: nil if it
// succeeded, or as a call's error, with a [*braid.CrashError] if the process died of
// something else than the task's end. If ctx is done first, it returns strand.Err(ctx),
// and the process goes on. Any number of strands may join a process, any number of
// times.
func (p *Process) Join(ctx context.Context) error {
	select {
	case <-p.over:
		return p.err
	default:
	}
	w := &joiner{over: p.over, left: make(chan struct{})}
	if err := strand.Park(ctx, strand.Op{Object: p, Kind: strand.OpExit, Access: strand.Read}, w); err != nil {
		return err
	}
	return p.err
}

// A joiner is a strand that waits for a process.
type joiner struct {
	over, left chan struct{}
	mu         sync.Mutex
	decided    bool
}

func (j *joiner) decide() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	first := !j.decided
	j.decided = true
	return first
}

func (j *joiner) Arm(wake func()) bool {
	go func() {
		select {
		case <-j.over:
			if j.decide() {
				wake()
			}
		case <-j.left:
		}
	}()
	return true
}

func (j *joiner) Disarm() bool {
	if !j.decide() {
		return false
	}
	close(j.left)
	return true
}

// ExitCode returns the code with which the process ended, or minus the number of the
// signal that ended it. A task that succeeded gives 0, one that returned an error 1,
// one that panicked 2; if the call ended before the task began, the code is not 0. Ok is
// false as long as the process runs.
func (p *Process) ExitCode() (code int, ok bool) {
	select {
	case <-p.over:
		return p.code, true
	default:
		return 0, false
	}
}

// Terminate asks the process to end, with SIGTERM to it and what it has started; where
// there is no SIGTERM it is Kill. It does not wait, and does nothing to a process that
// has ended.
func (p *Process) Terminate() {
	if p.Alive() {
		p.worker.terminate()
	}
}

// Kill ends the process and what it has started, at once. It does not wait, and does
// nothing to a process that has ended.
func (p *Process) Kill() {
	if p.Alive() {
		_ = p.worker.proc.Kill()
	}
}

// list is the list of processes that run.
var list processes

type processes struct {
	mu  sync.Mutex
	all []*Process
}

func (l *processes) add(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, p)
}

func (l *processes) remove(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(q *Process) bool { return p == q })
}

// Processes returns the processes that [Start] has started and that have not ended, in
// the order of their numbers. Those of pools are not among them.
func Processes() []*Process {
	list.mu.Lock()
	defer list.mu.Unlock()
	ps := slices.Clone(list.all)
	slices.SortFunc(ps, func(a, b *Process) int { return cmp.Compare(a.PID(), b.PID()) })
	return ps
}

// ErrNoParent says that this process is no worker.
var ErrNoParent = errors.New("multiprocessing: this process is no worker: it has no parent in this sense")

// ParentAlive reports whether the program that started this worker process is alive. A
// worker ends when it is not, so that false is seldom seen. Elsewhere than in a worker
// it returns ErrNoParent.
func ParentAlive() (bool, error) {
	if ownRole == nil {
		return false, ErrNoParent
	}
	return os.Getppid() == ownRole.parent, nil
}
