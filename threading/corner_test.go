package threading_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// A foreign context is of a kind that package context must watch with a goroutine.
type foreign struct {
	context.Context
	done chan struct{}
}

func (f *foreign) Done() <-chan struct{} { return f.done }

func (f *foreign) Err() error {
	select {
	case <-f.done:
		return context.Canceled
	default:
		return nil
	}
}

// TestRestForgetsContexts has functions look at their contexts, each of which is watched
// in the parent. When the worker has nothing more to do, that is over.
func TestRestForgetsContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		parent := &foreign{Context: bg, done: make(chan struct{})}
		look := func() {
			if err := p.Go(parent, func(ctx context.Context) { ctx.Done() }); err != nil {
				t.Error(err)
			}
			synctest.Wait() // the worker rests
		}
		look()
		before := runtime.NumGoroutine()
		for range 10 {
			look()
		}
		if n := runtime.NumGoroutine() - before; n > 1 {
			t.Errorf("%d goroutines watch over contexts of functions that have returned", n)
		}
		close(parent.done)
	})
}

// TestPausedPoolJoinsNothing has a task of a paused pool wait for a call that has not
// begun: it does not begin until the pool goes on.
func TestPausedPoolJoinsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		var begun atomic.Bool
		f := run(p, func(ctx context.Context) error {
			p.Pause()
			child := runWith(ctx, p, func(context.Context) error { begun.Store(true); return nil })
			_, err := child.Await(ctx)
			return err
		})
		synctest.Wait()
		if begun.Load() {
			t.Error("a call has begun to run in a paused pool")
		}
		p.Resume()
		succeeded(t, f)
	})
}

// TestGoexitInside has a call end the goroutine of the task that waits for it and has left
// a parked goroutine behind. The books are right after it.
func TestGoexitInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 2})
		var event strand.Event
		var left sync.WaitGroup
		f := run(p, func(ctx context.Context) error {
			left.Go(func() { _ = event.Wait(context.WithoutCancel(ctx)) })
			synctest.Wait() // it is parked
			child := runWith(ctx, p, func(context.Context) error { runtime.Goexit(); return nil })
			_, err := child.Await(ctx)
			return err
		})
		_ = outcomeOf(f)
		loaded(t, p, load{})
		event.Set()
		left.Wait()
		loaded(t, p, load{})
		wide(t, p, 2)
	})
}

// TestContextOfDeadWorker submits calls with the context of a task whose worker has ended,
// from goroutines of which one may get the identity of the worker's.
func TestContextOfDeadWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 2})
		lost := 0
		for range 20 {
			var old context.Context
			_ = outcomeOf(run(p, func(ctx context.Context) error {
				old = ctx
				runtime.Goexit()
				return nil
			}))
			synctest.Wait() // the worker has ended
			for range 20 {
				f := make(chan *braid.Future[int], 1)
				go func() { f <- runWith(old, p, nothing) }()
				g := <-f
				synctest.Wait()
				select {
				case <-g.Done():
				default:
					lost++
				}
			}
		}
		if lost > 0 {
			t.Fatalf("%d calls were lost", lost)
		}
		if err := p.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}

// TestGhostsAreNothing has a call, which waited on its worker, cancelled while the pool is
// paused: its entry is still there, but nothing to wait for.
func TestGhostsAreNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		f := run(p, func(ctx context.Context) error {
			p.Pause()
			runWith(ctx, p, nothing).Cancel(nil)
			return nil
		})
		succeeded(t, f)
		loaded(t, p, load{})
		drained := make(chan error, 1)
		go func() { drained <- p.Drain(bg) }()
		synctest.Wait()
		select {
		case err := <-drained:
			if err != nil {
				t.Errorf("Drain = %v", err)
			}
		default:
			t.Error("Drain waits for a pool with nothing in it")
		}
		p.Resume()
	})
}
