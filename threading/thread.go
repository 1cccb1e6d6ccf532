package threading

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// A Thread is one function that runs on a goroutine of its own, under a name. Its
// methods may be called from any goroutine.
type Thread struct {
	name   string
	number uint64
	osLock bool
	future *braid.Future[struct{}]
	gone   strand.Event

	mu sync.Mutex
	op strand.Op // what it waits for

	strand strand.Strand
}

// A ThreadOption changes how [Go] starts a thread.
type ThreadOption func(*Thread)

// LockOSThread wires the thread to an operating system thread of its own, which
// ends with it: for libraries that keep state in the thread, or system calls that
// change it.
func LockOSThread() ThreadOption {
	return func(t *Thread) { t.osLock = true }
}

// Go starts fn as a thread with the given name, which need not be unique, and
// returns without waiting for it. The context that fn gets is ctx, and a panic
// of fn becomes the thread's error.
//
// The end of the program does not wait for threads: join them. The error of a
// thread that nobody joins is reported like that of any call.
func Go(ctx context.Context, name string, fn func(ctx context.Context) error, opts ...ThreadOption) *Thread {
	t := &Thread{name: name}
	for _, o := range opts {
		o(t)
	}
	s := &starter{thread: t}
	t.future = braid.Go(ctx, s, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, fn(ctx)
	}, braid.Name(name))
	t.begin()
	go s.run() // not before: who finds t in the list and joins it needs its future
	return t
}

// Name returns the thread's name.
func (t *Thread) Name() string { return t.name }

// Join waits until the thread has ended and returns its error: a
// [*braid.TaskError] that wraps what fn returned, or its panic. If ctx is done
// first it returns strand.Err(ctx), and the thread goes on. Any number of strands
// may join a thread; one that joins itself gets an error.
func (t *Thread) Join(ctx context.Context) error {
	if p, ok := strand.ParkerOf(ctx).(threadParker); ok && p.Thread == t {
		return errors.New("threading: a thread cannot join itself")
	}
	if err := t.gone.Wait(ctx); err != nil {
		return err
	}
	_, err := t.future.Await(context.WithoutCancel(ctx))
	return err
}

// Alive reports whether the thread has not ended yet.
func (t *Thread) Alive() bool { return !t.gone.IsSet() }

// Waiting returns what the thread waits for in package strand, and whether it
// does at all.
func (t *Thread) Waiting() (op strand.Op, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.op, t.op.Kind != strand.OpNone
}

// Threads returns the living threads, in the order of their start. A thread that
// somebody has joined is not among them.
func Threads() []*Thread {
	living.Lock()
	defer living.Unlock()
	ts := make([]*Thread, 0, len(living.threads))
	for t := range living.threads {
		ts = append(ts, t)
	}
	slices.SortFunc(ts, func(a, b *Thread) int { return cmp.Compare(a.number, b.number) })
	return ts
}

var living struct {
	sync.Mutex
	threads map[*Thread]struct{}
	started uint64
}

func (t *Thread) begin() {
	living.Lock()
	defer living.Unlock()
	if living.threads == nil {
		living.threads = make(map[*Thread]struct{})
	}
	living.started++
	t.number = living.started
	living.threads[t] = struct{}{}
}

func (t *Thread) end() {
	living.Lock()
	delete(living.threads, t)
	living.Unlock()
	t.gone.Set()
}

// A starter is the engine of one thread, and so of one call. It runs it when the
// thread has everything that others may ask it for.
type starter struct {
	thread *Thread
	ctx    context.Context
	call   *engine.Call
}

func (s *starter) Start(ctx context.Context, c *engine.Call) {
	s.ctx, s.call = c.Submit(ctx, &threadHost), c
}

// threadHost has no executor: threads are not retried. It must not lead to the
// thread, since a failure that nobody has seen is reported when that is garbage,
// and the report needs the host.
var threadHost = engine.Host{Name: "thread"}

func (s *starter) run() {
	defer s.thread.end()
	if s.thread.osLock {
		runtime.LockOSThread() // never unlocked: the system's thread ends with ours
	}
	s.call.Run(strand.WithParker(s.ctx, threadParker{Thread: s.thread}), 0)
}

// threadParker parks a thread's goroutine and publishes what it waits for.
type threadParker struct {
	strand.Goroutine
	*Thread
}

// Self implements [strand.Parker].
func (p threadParker) Self() *strand.Strand { return &p.strand }

func (p threadParker) Park(ctx context.Context, op strand.Op, w strand.Waitable) error {
	p.publish(op)
	defer p.publish(strand.Op{})
	return p.Goroutine.Park(ctx, op, w)
}

func (p threadParker) Sleep(ctx context.Context, d time.Duration) error {
	p.publish(strand.Op{Kind: strand.OpSleep})
	defer p.publish(strand.Op{})
	return p.Goroutine.Sleep(ctx, d)
}

func (p threadParker) publish(op strand.Op) {
	p.mu.Lock()
	p.op = op
	p.mu.Unlock()
}
