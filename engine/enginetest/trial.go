package enginetest

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// patience is how long a rule may take that is not tested in a bubble.
const patience = time.Minute

// A trial is one test of one rule.
type trial struct {
	*testing.T
	caps Caps
	make func(testing.TB, Config) Engine
}

// try tests one rule. It reports, apart from what the rule's own check finds,
// what hangs, and which goroutines and descriptors are left behind.
func try(t *testing.T, r rule, open func(testing.TB, Config) Engine, caps Caps) {
	defer func() {
		if t.Failed() {
			t.Logf("the broken rule: %s", r.text)
		}
	}()
	files := openFiles()
	run := func(t *testing.T) { r.check(&trial{T: t, caps: caps, make: open}) }
	if caps.NoBubble {
		outside(t, run)
	} else {
		bubble(t, run)
	}
	if now := openFiles(); now > files {
		t.Errorf("%d descriptors are open after the engine was closed, %d were before it was made", now, files)
	}
}

// bubble runs f in a bubble. A deadlock of the bubble, or a goroutine left in
// it, panics here, on the goroutine outside.
func bubble(t *testing.T, f func(*testing.T)) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		err, ok := v.(error)
		if !ok || !strings.HasPrefix(err.Error(), "deadlock:") {
			panic(v)
		}
		if t.Failed() {
			return // it is no news that not all came to its end
		}
		t.Errorf("somebody waits for ever, or a goroutine is left: %v\n\n%s", err, bubbled())
	}()
	synctest.Test(t, f)
}

// bubbled returns the stacks of the goroutines in the newest bubble.
func bubbled() string {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	newest, found := 0, map[int][]string{}
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		header, _, _ := strings.Cut(stack, "\n")
		_, after, ok := strings.Cut(header, "synctest bubble ")
		if !ok {
			continue
		}
		digits := after[:len(after)-len(strings.TrimLeft(after, "0123456789"))]
		n, err := strconv.Atoi(digits)
		if err != nil || strings.Contains(stack, "\ntesting/synctest.testingSynctestTest") {
			continue
		}
		newest = max(newest, n)
		found[n] = append(found[n], stack)
	}
	return strings.Join(found[newest], "\n\n")
}

// outside runs f without a bubble.
func outside(t *testing.T, f func(*testing.T)) {
	before := goleak.IgnoreCurrent()
	over := make(chan struct{})
	go func() {
		defer close(over)
		// A test of its own, so that its cleanups have run when it is over.
		t.Run("engine", f)
	}()
	select {
	case <-over:
	case <-time.After(patience):
		stacks := make([]byte, 4<<20)
		t.Fatalf("not over after %v; somebody waits for ever:\n\n%s", patience, stacks[:runtime.Stack(stacks, true)])
	}
	if err := goleak.Find(before); err != nil && !t.Failed() {
		t.Error(err)
	}
}

// open makes an engine, with a width of 4 and a queue of 16 unless c says
// otherwise, that is closed at the end of the trial. Its events must be in order
// by then, whatever else the trial looks at.
func (t *trial) open(c Config) Engine {
	t.Helper()
	e, _ := t.watch(c)
	return e
}

// watch is open, and returns also the account of the engine's events.
func (t *trial) watch(c Config) (Engine, *ledger) {
	t.Helper()
	l := newLedger()
	c.Listener = l.listener()
	// Cleanups run in reverse: after the engine is closed all calls must be
	// complete.
	t.Cleanup(func() {
		if !t.Failed() {
			l.verify(t.T)
		}
	})
	return t.deaf(c), l
}

// deaf is open, but nobody listens unless c says so.
func (t *trial) deaf(c Config) Engine {
	t.Helper()
	if c.Workers == 0 {
		c.Workers = 4
	}
	if c.Queue == 0 {
		c.Queue = 16
	}
	if !t.caps.Waits && !c.Refuse {
		// The rule has no use for refusals.
		c.Refuse, c.Queue = true, 1<<15
	}
	e := t.make(t.T, c)
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Errorf("Close at the end: %v", err)
		}
	})
	return e
}

// settle returns when nothing more happens by itself: a bubble knows. Outside it
// returns at once, so that what must not happen has a chance to go unseen.
func (t *trial) settle() {
	if !t.caps.NoBubble {
		synctest.Wait()
	}
}

// eventually waits until cond holds, which needs nothing but the passing of
// calls that are complete already.
func (t *trial) eventually(what string, cond func() bool) {
	t.Helper()
	for range 1000 {
		if cond() {
			return
		}
		if t.caps.NoBubble {
			time.Sleep(time.Millisecond)
		} else {
			synctest.Wait()
			runtime.Gosched()
		}
	}
	t.Fatalf("never: %s", what)
}

// spawn calls ex.Start on a goroutine of its own and returns a channel that is
// closed when Start has returned.
func spawn(ctx context.Context, ex engine.Executor, c *engine.Call) <-chan struct{} {
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		ex.Start(ctx, c)
	}()
	return returned
}

// isClosed reports whether ch is closed.
func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// A gate holds up those that come to it until it is opened. It is for tasks that
// must keep their slot meanwhile: a goroutine is blocked, no strand is parked, unless
// the engine is cooperative and so has no slots.
type gate struct {
	ch     chan struct{}
	once   sync.Once
	parked bool
	event  strand.Event
}

// gate returns a closed gate, which opens at the end of the trial at the latest.
func (t *trial) gate() *gate {
	g := &gate{ch: make(chan struct{}), parked: t.caps.Cooperative}
	t.Cleanup(g.open)
	return g
}

func (g *gate) open() {
	g.once.Do(func() {
		close(g.ch)
		g.event.Set()
	})
}

// hold waits for the gate, and for nothing else.
func (g *gate) hold(ctx context.Context) error {
	if g.parked {
		return g.event.Wait(context.WithoutCancel(ctx))
	}
	<-g.ch
	return nil
}

// occupy starts n calls that keep their slots until the gate is opened, and
// returns when all of them run.
func (t *trial) occupy(ex engine.Executor, n int, g *gate) []*probe {
	t.Helper()
	ps := make([]*probe, n)
	for i := range ps {
		ps[i] = newProbe(g.hold)
		spawn(context.Background(), ex, ps[i].call)
		<-ps[i].begun
	}
	return ps
}

// width checks that the engine runs n calls at once, and no more if it has a
// bound: that nothing before has cost or given it a slot.
func (t *trial) width(ex engine.Executor, n int) {
	t.Helper()
	g := t.gate()
	ps := t.occupy(ex, n, g)
	if t.caps.Bounded {
		more := newProbe(nil)
		spawn(context.Background(), ex, more.call)
		t.settle()
		if isClosed(more.begun) {
			t.Errorf("a call ran while %d others did, which is the bound", n)
		}
		ps = append(ps, more)
	}
	g.open()
	for _, p := range ps {
		p.succeeded(t)
	}
}

// notStarted checks that err, the outcome of a call, says that the task was not
// started, and matches each of the targets.
func notStarted(t *trial, err error, targets ...error) {
	t.Helper()
	matches(t, err, append(slices.Clip(targets), engine.ErrNotStarted)...)
}

// matches checks that err is the error of a call and matches each of the targets.
func matches(t *trial, err error, targets ...error) {
	t.Helper()
	if _, ok := errors.AsType[*engine.TaskError](err); !ok {
		t.Errorf("the error %v is a %T; want a *engine.TaskError", err, err)
	}
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("the error %q does not match %q", err, target)
		}
	}
}

// A foreignParker is the parker of a strand that submits calls. The bodies of
// those calls are other strands, and it must not park them.
type foreignParker struct {
	strand.Goroutine
	mu     sync.Mutex
	parked []strand.Op
}

func (p *foreignParker) Park(ctx context.Context, op strand.Op, w strand.Waitable) error {
	p.note(op)
	return p.Goroutine.Park(ctx, op, w)
}

func (p *foreignParker) Sleep(ctx context.Context, d time.Duration) error {
	p.note(strand.Op{Kind: strand.OpSleep})
	return p.Goroutine.Sleep(ctx, d)
}

func (p *foreignParker) note(op strand.Op) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parked = append(p.parked, op)
}

// ops returns what p has parked strands for, in order.
func (p *foreignParker) ops() []strand.Op {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.parked)
}
