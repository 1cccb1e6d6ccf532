package threading_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// A desk is the state of a worker in these tests. It has no lock: a task has it
// to itself.
type desk struct{ worker, tasks int }

func TestStateBelongsToOneWorker(t *testing.T) {
	const workers = 3
	var mu sync.Mutex
	var desks []*desk
	cleaned := make(map[*desk]int)
	p := threading.NewPool(threading.Config{
		Workers: workers,
		Init: func(_ context.Context, worker int) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			desks = append(desks, &desk{worker: worker})
			return desks[len(desks)-1], nil
		},
		Cleanup: func(state any) {
			mu.Lock()
			defer mu.Unlock()
			cleaned[state.(*desk)]++
		},
	})
	const tasks = 100
	var fs []*braid.Future[int]
	for range tasks {
		fs = append(fs, run(p, func(ctx context.Context) error {
			d, ok := threading.State[*desk](ctx)
			if !ok {
				return errors.New("there is no state")
			}
			d.tasks++
			if err := strand.Yield(ctx); err != nil {
				return err
			}
			if again, _ := threading.State[*desk](ctx); again != d {
				t.Error("a task's state has changed")
			}
			if d.tasks%10 == 0 {
				runtime.Goexit() // the worker is cleaned up all the same
			}
			return nil
		}))
	}
	for _, f := range fs {
		if err := outcomeOf(f); err != nil {
			isAll(t, err, braid.ErrGoexit)
		}
	}
	wide(t, p, workers)
	if err := p.Close(bg); err != nil {
		t.Errorf("Close = %v", err)
	}
	sum := 0
	for _, d := range desks {
		sum += d.tasks
		if d.worker < 1 || d.worker > workers {
			t.Errorf("Init was told that it is for worker %d, want 1 to %d", d.worker, workers)
		}
		if d.tasks > 10 {
			t.Errorf("a worker that was ended by its task had %d", d.tasks)
		}
		if cleaned[d] != 1 {
			t.Errorf("the state of worker %d was cleaned up %d times, want once", d.worker, cleaned[d])
		}
	}
	if sum != tasks || len(cleaned) != len(desks) {
		t.Errorf("%d states had %d tasks, and %d were cleaned up; want %d tasks and all", len(desks), sum, len(cleaned), tasks)
	}
}

func TestStateOfAnotherKind(t *testing.T) {
	p := open(t, threading.Config{Init: func(context.Context, int) (any, error) { return 7, nil }})
	succeeded(t, run(p, func(ctx context.Context) error {
		if n, ok := threading.State[int](ctx); n != 7 || !ok {
			t.Errorf("State = %d, %v, want 7", n, ok)
		}
		if s, ok := threading.State[string](ctx); s != "" || ok {
			t.Errorf("State of another type = %q, %v, want none", s, ok)
		}
		if n, ok := threading.State[int](strand.Detach(ctx)); n != 0 || ok {
			t.Errorf("State of another strand = %d, %v, want none", n, ok)
		}
		return nil
	}))
	if n, ok := threading.State[int](bg); n != 0 || ok {
		t.Errorf("State outside of a pool = %d, %v, want none", n, ok)
	}
	without := open(t, threading.Config{})
	succeeded(t, run(without, func(ctx context.Context) error {
		if n, ok := threading.State[int](ctx); n != 0 || ok {
			t.Errorf("State without Init = %d, %v, want none", n, ok)
		}
		return nil
	}))
}

// The context of Init is not that of the call for which the worker is made: what
// Init makes with it serves later calls too.
func TestInitOutlivesTheFirstCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		p := threading.NewPool(threading.Config{
			Workers: 1,
			Init: func(ctx context.Context, _ int) (any, error) {
				<-gate
				return ctx, strand.Err(ctx)
			},
		})
		first := run(p, nothing)
		synctest.Wait()
		first.Cancel(errWhy)
		close(gate)
		isAll(t, outcomeOf(first), braid.ErrNotStarted, errWhy)
		isNone(t, outcomeOf(first), threading.ErrBroken)
		var state context.Context
		succeeded(t, run(p, func(ctx context.Context) error {
			state, _ = threading.State[context.Context](ctx)
			return strand.Err(state)
		}))
		if err := strand.Err(state); err != nil {
			t.Errorf("the context of Init is done while the pool is open: %v", err)
		}
		if err := p.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
		isAll(t, strand.Err(state), braid.ErrClosed)
	})
}

// Init may park: it lends no slot, and is no part of the call's life.
func TestInitParks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var event strand.Event
		var d diary
		p := open(t, threading.Config{
			Workers: 1,
			Init: func(ctx context.Context, _ int) (any, error) {
				return nil, event.Wait(ctx)
			},
			Listener: d.listener(),
		})
		f := run(p, nothing)
		loaded(t, p, load{running: 1})
		d.is(t, "submitted")
		event.Set()
		succeeded(t, f)
		d.is(t, "submitted", "worker 1 started", "started", "finished")
	})
}

func TestCloseCancelsInit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var never strand.Event
		p := threading.NewPool(threading.Config{
			Workers: 1,
			Init: func(ctx context.Context, _ int) (any, error) {
				return nil, never.Wait(ctx)
			},
		})
		f := run(p, nothing)
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(bg)
		cancel(errWhy)
		isAll(t, p.Close(ctx), errWhy)
		isAll(t, outcomeOf(f), braid.ErrNotStarted, braid.ErrClosed)
	})
}

// Scenario 58 (failing initializer): pending and later calls fail with ErrBroken
// and the cause, and nothing hangs.
func TestFailingInit(t *testing.T) {
	for name, c := range map[string]struct {
		fail func() error
		is   error
	}{
		"error":  {func() error { return errTest }, errTest},
		"panic":  {func() error { panic(errTest) }, errTest},
		"Goexit": {func() error { runtime.Goexit(); return nil }, braid.ErrGoexit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				cleanups := 0
				gate := make(chan struct{})
				p := threading.NewPool(threading.Config{
					Workers: 2, Queue: 1,
					Init: func(_ context.Context, worker int) (any, error) {
						if worker == 1 {
							return worker, nil
						}
						<-gate
						return worker, c.fail()
					},
					Cleanup:  func(any) { cleanups++ },
					Listener: &engine.Listener{WorkerStarted: d.listener().WorkerStarted, WorkerStopped: d.listener().WorkerStopped},
				})
				release := occupy(t, p, 1)
				failing := run(p, nothing)
				queued, waiting := run(p, nothing), spawn(bg, p, nothing)
				loaded(t, p, load{running: 2, queued: 1, waiting: 1})
				close(gate)
				broken := func(err error) {
					t.Helper()
					isAll(t, err, threading.ErrBroken, c.is, braid.ErrNotStarted)
				}
				broken(outcomeOf(failing))
				broken(outcomeOf(queued))
				broken(waiting())
				broken(outcomeOf(run(p, nothing, braid.Retry(2), braid.Backoff(-1, 0))))
				loaded(t, p, load{running: 1}) // which is not to blame
				release()
				if err := p.Close(bg); err != nil {
					t.Errorf("Close of a broken pool = %v", err)
				}
				broken(outcomeOf(run(p, nothing)))
				if cleanups != 1 {
					t.Errorf("Cleanup was called %d times, want once, for the worker that was ready", cleanups)
				}
				d.is(t, "worker 1 started", "worker 2 failed", "worker 1 stopped")
			})
		})
	}
}

func TestEveryInitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 4, Init: func(context.Context, int) (any, error) {
			return nil, errTest
		}})
		for range 10 {
			isAll(t, outcomeOf(run(p, nothing)), threading.ErrBroken, errTest)
		}
		if err := p.Drain(bg); err != nil {
			t.Errorf("Drain of a broken pool = %v", err)
		}
	})
}

// A Cleanup that ends its goroutine, as t.FailNow does, keeps nobody waiting.
func TestCleanupEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stopped atomic.Int32
		p := open(t, threading.Config{
			Workers:  2,
			Cleanup:  func(any) { runtime.Goexit() },
			Listener: &engine.Listener{WorkerStopped: func(engine.Event) { stopped.Add(1) }},
		})
		isAll(t, outcomeOf(run(p, func(context.Context) error { runtime.Goexit(); return nil })), braid.ErrGoexit)
		wide(t, p, 2)
		if err := p.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
		if n := stopped.Load(); n != 3 {
			t.Errorf("%d workers have stopped, want 3", n)
		}
	})
}
