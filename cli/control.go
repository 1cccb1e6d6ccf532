package cli

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/multiprocessing"
)

// The stages of a run, each a stricter way to end it than the one before.
const (
	stageRun       int32 = iota
	stageDrain           // launch nothing more, wait for what runs
	stageTerminate       // and ask what runs to stop
	stageAbandon         // and kill the commands, and do not wait for tasks
)

// errTerminated is the cause of cancelled calls.
var errTerminated = errors.New("the run was terminated")

// A control is the word of whoever may end a run: the user by signals, a policy,
// a deadline, an error of the output. Stages only ever go up.
type control struct {
	changed chan struct{} // holds a token when the stage has changed
	first   int32         // the stage that the first interrupt leads to
	current atomic.Int32
	paused  atomic.Bool // nothing is to be started for now

	signaled atomic.Bool // a signal has come

	mu      sync.Mutex
	code    int // the exit code that the first reason to stop asks for
	err     error
	hooks   []*hook
	comment func(stage int32) // tells the user
}

// A hook is what to do when a stage is reached.
type hook struct {
	stage int32
	f     func()
}

func newControl() *control {
	return &control{changed: make(chan struct{}, 1), first: stageDrain}
}

func (c *control) stage() int32 { return c.current.Load() }

// pause has nothing more started, or things started again. It is no stage: a run that is
// paused can be stopped.
func (c *control) pause(on bool) {
	c.paused.Store(on)
	token(c.changed)
}

// raise brings the run to the given stage, unless it is there or further
// already. Code and err say why, if nobody has said so before.
func (c *control) raise(stage int32, code int, err error) {
	c.mu.Lock()
	if c.current.Load() >= stage {
		c.mu.Unlock()
		return
	}
	c.current.Store(stage)
	if c.code == 0 {
		c.code, c.err = code, err
	}
	var reached, later []*hook
	for _, h := range c.hooks {
		if h.stage <= stage {
			reached = append(reached, h)
		} else {
			later = append(later, h)
		}
	}
	c.hooks = later
	c.mu.Unlock()
	slices.SortStableFunc(reached, func(a, b *hook) int { return cmp.Compare(a.stage, b.stage) })
	for _, h := range reached {
		h.f()
	}
	token(c.changed)
}

// halt brings the run to the given stage because a policy says so.
func (c *control) halt(stage int32) { c.raise(stage, exitHalted, nil) }

// stopIfBroken ends the run if r was refused because its engine is of no use any more.
func (c *control) stopIfBroken(r *result) {
	if errors.Is(r.err, multiprocessing.ErrBroken) {
		err := r.err
		if e, ok := errors.AsType[*engine.NotStartedError](err); ok {
			err = e.Err
		}
		c.raise(stageTerminate, exitUsage, errors.New(reason(err)))
	}
}

// reason returns the exit code and the error of whoever stopped the run; the code
// is 0 if nobody did.
func (c *control) reason() (code int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code, c.err
}

// on has f called, once, when the run comes to the given stage, and at once if it
// is there already. The caller of raise waits for f, whatever the loop of the run
// is doing. Undo takes f off the list.
func (c *control) on(stage int32, f func()) (undo func()) {
	h := &hook{stage, f}
	c.mu.Lock()
	there := c.current.Load() >= stage
	if !there {
		c.hooks = append(c.hooks, h)
	}
	c.mu.Unlock()
	if there {
		f()
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.hooks = slices.DeleteFunc(c.hooks, func(other *hook) bool { return other == h })
	}
}

// watchSignals lets Ctrl-C and SIGTERM end the run: the first Ctrl-C launches
// nothing more and waits for what runs, the second asks it to stop, the third
// kills it. SIGTERM begins with the second, and so does all where there is nothing
// worth waiting for; see first. The function that it returns undoes this.
func (c *control) watchSignals() (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// A reader of our output that goes away shall end the run in order, by the
	// error of the write, not by the signal.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-signals:
				c.signal(s)
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		signal.Reset(syscall.SIGPIPE)
		cancel()
		<-done
	}
}

func (c *control) signal(s os.Signal) {
	c.signaled.Store(true)
	next := max(c.stage()+1, c.first)
	code := exitSignal + int(syscall.SIGINT)
	if s == syscall.SIGTERM {
		code = exitSignal + int(syscall.SIGTERM)
		next = max(next, stageTerminate)
	}
	c.raise(next, code, nil)
	if c.comment != nil {
		c.comment(next)
	}
}
