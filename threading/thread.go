package threading

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A Thread is one function that runs on a goroutine of its own, under a name. Its
// methods may be called from any goroutine.
type Thread struct {
	name   string
	number uint64 // in the order of the starts
	osLock bool
	call   engine.Call

	// What the thread needs to run; nil once it has ended.
	fn     func(context.Context) error
	ctx    context.Context
	cancel context.CancelCauseFunc

	// How it ended; set before ended.
	err     error
	failure *failure // that nobody has heard of; nil: none

	mu      sync.Mutex
	op      strand.Op // what it waits for
	ended   bool
	joiners waitq.List[func()]

	events sync.Mutex // held while the listener hears of a park
	over   bool       // the function has returned; changes under events

	strand strand.Strand
}

// A ThreadOption changes how [Go], [AfterFunc] and [Every] start a thread.
type ThreadOption func(*Thread)

// LockOSThread wires the thread to an operating system thread of its own, which
// ends with it: for libraries that keep state in the thread, or system calls that
// change it. On Linux the system's thread gets the thread's name, as far as 15 bytes of
// it, for top, ps and debuggers.
func LockOSThread() ThreadOption {
	return func(t *Thread) { t.osLock = true }
}

// errEnded is the cause of a thread's context once the thread has ended.
var errEnded = errors.New("threading: the thread that the context belongs to has ended")

// Go starts fn as a thread with the given name, which need not be unique, and
// returns without waiting for it. A panic of fn becomes the thread's error. If ctx
// is done before the thread has begun, fn does not run, and the thread's error is
// [engine.ErrNotStarted]. Go panics if fn is nil.
//
// The context that fn gets ends with ctx, and when fn has returned: threads that
// it leaves behind need another one, such as context.WithoutCancel of it.
//
// The end of main ends the program, whatever threads there are. To wait for them,
// join them, or call [JoinAll]. The failure of a thread that nobody joins is
// reported; see [SetListener].
//
// The name is found in profiles, as the pprof label "thread", which goroutines that
// fn starts inherit; with GODEBUG=tracebacklabels=1 in stack traces; and in execution
// traces, as that of a task and a region. Label and task are in fn's context, for the
// pprof.Do and trace.WithRegion of others.
func Go(ctx context.Context, name string, fn func(ctx context.Context) error, opts ...ThreadOption) *Thread {
	t := newThread(ctx, name, fn, opts)
	t.begin()
	go t.run()
	return t
}

// newThread returns a thread that is not listed yet, and does not run.
func newThread(ctx context.Context, name string, fn func(ctx context.Context) error, opts []ThreadOption) *Thread {
	if fn == nil {
		panic(fmt.Sprintf("threading: the thread %q has no function: fn is nil", name))
	}
	t := &Thread{name: name, fn: fn}
	for _, o := range opts {
		o(t)
	}
	t.call.Init(engine.Spec{Task: name}, (*threadBody)(t))
	if p, ok := strand.ParkerOf(ctx).(starter); ok {
		p.Starting(&t.call, nil)
	}
	ctx, t.cancel = context.WithCancelCause(ctx)
	t.ctx = t.call.Submit(ctx, host.Load())
	return t
}

// A starter is the parker of a strand whose engine wants to know which calls its
// strands have in flight elsewhere: a loop would otherwise take itself for deadlocked
// when all its coroutines join threads.
type starter interface {
	Starting(c *engine.Call, ex engine.Executor)
}

// run runs t on the calling goroutine, which is its own.
func (t *Thread) run() {
	if t.osLock {
		runtime.LockOSThread() // never unlocked: the system's thread ends with ours
		nameOSThread(t.name)
	}
	l := t.call.Host().Listener
	p := threadParker{Thread: t, loud: l != nil && (l.Parked != nil || l.Resumed != nil)}
	if p.loud {
		t.call.AfterBody(t.hush)
	}
	t.call.Run(strand.WithParker(t.ctx, p), 0)
}

// end is called once, with the outcome, before anybody else hears of it.
func (t *Thread) end(err error) {
	t.cancel(errEnded)
	t.fn, t.ctx, t.cancel = nil, nil, nil // a thread that has ended keeps nothing alive
	t.err = err
	t.leave()
	t.mu.Lock()
	t.ended = true
	var wakes []func()
	for n := t.joiners.Pop(); n != nil; n = t.joiners.Pop() {
		wakes = append(wakes, n.Value)
	}
	t.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
}

// A threadBody is a thread as its call sees it.
type threadBody Thread

// Run implements [engine.Body].
func (b *threadBody) Run(ctx context.Context) error {
	ctx = pprof.WithLabels(ctx, pprof.Labels("thread", b.name))
	pprof.SetGoroutineLabels(ctx) // and never reset: the goroutine ends with the thread
	return b.fn(ctx)
}

// Done implements [engine.Body].
func (b *threadBody) Done(err error) { (*Thread)(b).end(err) }

// Object returns what those wait for who join the thread; see [engine.Call.Object].
func (b *threadBody) Object() any { return (*Thread)(b) }

// Current returns the thread that ctx belongs to. Ok is false if it belongs to none:
// to main, a goroutine that was started with a go statement and [strand.Detach], a
// task of a [Pool], or a coroutine.
func Current(ctx context.Context) (t *Thread, ok bool) {
	p, ok := strand.ParkerOf(ctx).(threadParker)
	return p.Thread, ok
}

// Name returns the thread's name.
func (t *Thread) Name() string { return t.name }

// Join waits until the thread has ended and returns its error: a
// [*engine.TaskError] that wraps what fn returned, or its panic. If ctx is done
// first it returns strand.Err(ctx), and the thread goes on. Any number of strands
// may join a thread; one that joins itself gets an error.
func (t *Thread) Join(ctx context.Context) error {
	if self, ok := Current(ctx); ok && self == t {
		return errors.New("threading: a thread cannot join itself")
	}
	if err := t.wait(ctx); err != nil {
		return err
	}
	if t.failure != nil {
		t.failure.take()
	}
	return t.err
}

// wait waits until the thread has ended.
func (t *Thread) wait(ctx context.Context) error {
	if !t.Alive() {
		return nil
	}
	// For a coroutine, a thread is outside: it goes on whatever the loop does.
	op := strand.Op{Object: t, Kind: strand.OpAwait, Access: strand.Read, Outside: true}
	return strand.Park(ctx, op, &joiner{thread: t})
}

// A joiner is a strand that waits for a thread's end.
type joiner struct {
	thread *Thread
	node   waitq.Node[func()]
}

// Arm implements [strand.Waitable].
func (j *joiner) Arm(wake func()) bool {
	j.thread.mu.Lock()
	defer j.thread.mu.Unlock()
	if j.thread.ended {
		return false
	}
	j.node.Value = wake
	j.thread.joiners.Push(&j.node)
	return true
}

// Disarm implements [strand.Waitable].
func (j *joiner) Disarm() bool {
	j.thread.mu.Lock()
	defer j.thread.mu.Unlock()
	return j.thread.joiners.Remove(&j.node)
}

// Alive reports whether the thread has not ended yet.
func (t *Thread) Alive() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.ended
}

// Waiting returns what the thread waits for in package strand, and whether it
// does at all.
func (t *Thread) Waiting() (op strand.Op, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.op, t.op.Kind != strand.OpNone
}

// threadParker parks a thread's goroutine and publishes what it waits for.
type threadParker struct {
	strand.Goroutine
	*Thread
	loud bool // the listener wants to hear of parks; as in a pool, sleeping is none
}

// Self implements [strand.Parker].
func (p threadParker) Self() *strand.Strand { return &p.strand }

func (p threadParker) Park(ctx context.Context, op strand.Op, w strand.Waitable) error {
	p.publish(op)
	defer p.publish(strand.Op{})
	if !p.loud {
		return p.Goroutine.Park(ctx, op, w)
	}
	a := &announcer{Waitable: w, thread: p.Thread, ctx: ctx, op: op}
	err := p.Goroutine.Park(ctx, op, a)
	if a.armed {
		p.announce(func() { p.call.Resumed(ctx, 0) })
	}
	return err
}

func (p threadParker) Sleep(ctx context.Context, d time.Duration) error {
	p.publish(strand.Op{Kind: strand.OpSleep})
	defer p.publish(strand.Op{})
	return p.Goroutine.Sleep(ctx, d)
}

func (t *Thread) publish(op strand.Op) {
	t.mu.Lock()
	t.op = op
	t.mu.Unlock()
}

// An announcer is a Waitable that tells of a park once it is certain.
type announcer struct {
	strand.Waitable
	thread *Thread
	ctx    context.Context
	op     strand.Op
	armed  bool
}

// Arm implements [strand.Waitable].
func (a *announcer) Arm(wake func()) bool {
	a.armed = a.Waitable.Arm(wake)
	if a.armed {
		a.thread.announce(func() { a.thread.call.Parked(a.ctx, 0, a.op) })
	}
	return a.armed
}

// announce calls tell unless the thread's function has returned: goroutines that it
// has left behind may still park in its name, but nobody is to hear of it.
func (t *Thread) announce(tell func()) {
	t.events.Lock()
	defer t.events.Unlock()
	if !t.over {
		tell()
	}
}

// hush ends the announcements.
func (t *Thread) hush() {
	t.events.Lock()
	t.over = true
	t.events.Unlock()
}
