package cancel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// A node is a context in a tree, and the same one in a tree of the standard library's.
type node struct {
	ctx, twin      context.Context
	cancel         func(error)
	twinCancel     context.CancelCauseFunc
	watch          *Watch
	told, twinTold *atomic.Int32
	stopped        bool
	twinStop       func() bool
}

type counter struct{ told *atomic.Int32 }

func (c counter) Ended() { c.told.Add(1) }

// TestTwin does the same things to a tree of contexts of all kinds and to one of the
// standard library's, and sees the same.
func TestTwin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { rapid.Check(bubbled{t}, twin) })
}

// bubbled keeps rapid from asking for the deadline of the test, which there is none of in
// a bubble.
type bubbled struct{ *testing.T }

func twin(t *rapid.T) {
	type key struct{}
	root := context.WithValue(context.Background(), key{}, "root")
	nodes := []*node{{ctx: root, twin: root}}
	pick := func(t *rapid.T) *node { return nodes[rapid.IntRange(0, len(nodes)-1).Draw(t, "node")] }
	add := func(n *node) { nodes = append(nodes, n) }
	t.Repeat(map[string]func(*rapid.T){
		"new": func(t *rapid.T) {
			p, n := pick(t), &node{}
			c := New(p.ctx)
			n.ctx, n.cancel = c, c.Cancel
			n.twin, n.twinCancel = context.WithCancelCause(p.twin)
			add(n)
		},
		"standard": func(t *rapid.T) {
			p, n := pick(t), &node{}
			var end context.CancelCauseFunc
			n.ctx, end = context.WithCancelCause(p.ctx)
			n.cancel = func(cause error) { end(cause) }
			n.twin, n.twinCancel = context.WithCancelCause(p.twin)
			add(n)
		},
		"value": func(t *rapid.T) {
			p := pick(t)
			add(&node{ctx: context.WithValue(p.ctx, key{}, "inner"), twin: context.WithValue(p.twin, key{}, "inner")})
		},
		"without cancel": func(t *rapid.T) {
			p := pick(t)
			add(&node{ctx: context.WithoutCancel(p.ctx), twin: context.WithoutCancel(p.twin)})
		},
		"timeout": func(t *rapid.T) {
			p, n := pick(t), &node{}
			d := time.Duration(rapid.IntRange(1, 5).Draw(t, "seconds")) * time.Second
			var end, twinEnd context.CancelFunc
			n.ctx, end = context.WithTimeoutCause(p.ctx, d, errors.New("late"))
			n.twin, twinEnd = context.WithTimeoutCause(p.twin, d, errors.New("late"))
			n.cancel = func(error) { end() }
			n.twinCancel = func(error) { twinEnd() }
			add(n)
		},
		"sleep": func(t *rapid.T) {
			time.Sleep(time.Second + time.Millisecond) // virtual time
		},
		"cancel": func(t *rapid.T) {
			if n := pick(t); n.cancel != nil {
				var cause error
				if rapid.Bool().Draw(t, "with a cause") {
					cause = fmt.Errorf("cause %d", len(nodes))
				}
				n.cancel(cause)
				n.twinCancel(cause)
			}
		},
		"ask for the channel": func(t *rapid.T) {
			n := pick(t)
			if (n.ctx.Done() == nil) != (n.twin.Done() == nil) {
				t.Fatalf("Done is nil for one, and not for the other")
			}
		},
		"watch": func(t *rapid.T) {
			n := pick(t)
			if n.watch != nil {
				return
			}
			n.watch, n.told, n.twinTold = new(Watch), new(atomic.Int32), new(atomic.Int32)
			n.watch.Start(n.ctx, counter{n.told})
			n.twinStop = context.AfterFunc(n.twin, func() { n.twinTold.Add(1) })
		},
		"stop": func(t *rapid.T) {
			n := pick(t)
			if n.watch == nil || n.stopped {
				return
			}
			n.stopped = true
			if got, want := n.watch.Stop(), n.twinStop(); got != want {
				t.Fatalf("Stop() = %v, of the twin %v", got, want)
			}
		},
		"": func(t *rapid.T) {
			synctest.Wait()
			for i, n := range nodes {
				if got, want := fmt.Sprint(n.ctx.Err()), fmt.Sprint(n.twin.Err()); got != want {
					t.Fatalf("node %d: Err() = %v, of the twin %v", i, got, want)
				}
				// This makes the context that stands for it; before, all must be right too.
				if i%2 == 0 {
					if got, want := fmt.Sprint(context.Cause(n.ctx)), fmt.Sprint(context.Cause(n.twin)); got != want {
						t.Fatalf("node %d: the cause is %v, of the twin %v", i, got, want)
					}
				}
				if got, want := n.ctx.Value(key{}), n.twin.Value(key{}); got != want {
					t.Fatalf("node %d: the value is %v, of the twin %v", i, got, want)
				}
				d, ok := n.ctx.Deadline()
				if e, has := n.twin.Deadline(); !d.Equal(e) || ok != has {
					t.Fatalf("node %d: the deadline is %v, %v, of the twin %v, %v", i, d, ok, e, has)
				}
				if n.watch != nil && n.told.Load() != n.twinTold.Load() {
					t.Fatalf("node %d: told %d times, the twin %d", i, n.told.Load(), n.twinTold.Load())
				}
			}
		},
	})
	for _, n := range nodes { // the timers of the bubble must end
		if n.cancel != nil {
			n.cancel(nil)
			n.twinCancel(nil)
		}
	}
}

// TestRaces ends a context under those who watch it, take that back, and derive others.
func TestRaces(t *testing.T) {
	for range 2000 {
		parent, end := context.WithCancelCause(context.Background())
		c := New(parent)
		below := New(c)
		var told, inTime atomic.Int32
		var all sync.WaitGroup
		start := make(chan struct{})
		for range 4 {
			all.Go(func() {
				var w Watch
				done := make(chan struct{})
				w.Start(below, ender(done))
				<-start
				if w.Stop() {
					inTime.Add(1)
					return
				}
				<-done
				told.Add(1)
			})
		}
		all.Go(func() {
			<-start
			derived, stop := context.WithCancel(below)
			defer stop()
			<-derived.Done()
			if derived.Err() != context.Canceled {
				t.Errorf("a derived context ended with %v", derived.Err())
			}
		})
		all.Go(func() { <-start; c.Cancel(errors.New("by hand")) })
		all.Go(func() { <-start; end(errors.New("from above")) })
		close(start)
		all.Wait()
		if told.Load()+inTime.Load() != 4 {
			t.Fatalf("%d were told, and %d had taken it back, of 4", told.Load(), inTime.Load())
		}
		<-c.Done()
		first := context.Cause(c)
		c.Cancel(errors.New("later"))
		if below.Err() != context.Canceled || context.Cause(below) == nil || context.Cause(c) != first {
			t.Fatalf("it ended with %v, %v, then %v", below.Err(), first, context.Cause(c))
		}
	}
}

// TestErrUnderLock: to ask a context whether it has ended tells nobody on the strand of who
// asks, who may hold what they need.
func TestErrUnderLock(t *testing.T) {
	for range 1000 {
		parent, end := context.WithCancel(context.Background())
		c := New(parent)
		var mu sync.Mutex
		told := make(chan struct{})
		var w Watch
		w.Start(c, locker{&mu, told})
		mu.Lock()
		end()
		if c.Err() == nil { // as a rule before the parent has told c
			t.Error("it has not ended")
		}
		mu.Unlock()
		<-told
	}
}

type locker struct {
	mu   *sync.Mutex
	told chan struct{}
}

func (l locker) Ended() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.told)
}

type ender chan struct{}

func (e ender) Ended() { close(e) }

// TestUnwatched: a context of which nobody asks costs nothing but itself, and leaves
// nothing behind in its parent.
func TestUnwatched(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		c := New(context.Background())
		var w Watch
		w.Start(c, ender(nil))
		if !w.Stop() || c.Err() != nil {
			t.Fatal("it has ended")
		}
		c.Cancel(nil)
	}); n > 3 { // the context, the watch, and what a context has that is watched
		t.Errorf("%v allocations", n)
	}
	parent := New(context.Background())
	for range 10 {
		c := New(parent)
		var w Watch
		w.Start(c, ender(nil))
		w.Stop()
	}
	if l := parent.looked.Load(); l != nil && l.first != nil {
		t.Error("a watch that was taken back is still in the parent")
	}
}
