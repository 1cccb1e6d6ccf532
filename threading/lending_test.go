package threading_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func TestThousandDeepOnOneWorker(t *testing.T) {
	for _, queue := range []int{0, -1} {
		p := open(t, threading.Config{Workers: 1, Queue: queue})
		var descend func(ctx context.Context, depth int) (int, error)
		descend = func(ctx context.Context, depth int) (int, error) {
			if depth == 0 {
				return 0, nil
			}
			n, err := braid.Go(ctx, p, func(ctx context.Context) (int, error) {
				return descend(ctx, depth-1)
			}).Await(ctx)
			return n + 1, err
		}
		if n, err := descend(bg, 1000); n != 1000 || err != nil {
			t.Errorf("with Queue %d the depth is %d, %v; want 1000", queue, n, err)
		}
		wide(t, p, 1)
	}
}

// TestLends has a task on a pool of one wait in every way there is for what only
// another task can do.
func TestLends(t *testing.T) {
	for name, parts := range map[string]func() (wait func(context.Context) error, wake func()){
		"Mutex.Lock": func() (func(context.Context) error, func()) {
			m := new(strand.Mutex)
			m.TryLock()
			return m.Lock, m.Unlock
		},
		"Event.Wait": func() (func(context.Context) error, func()) {
			e := new(strand.Event)
			return e.Wait, e.Set
		},
		"Semaphore.Acquire": func() (func(context.Context) error, func()) {
			s := strand.NewSemaphore(1)
			return func(ctx context.Context) error { return s.Acquire(ctx, 3) }, func() { s.Release(2) }
		},
		"Queue.Get": func() (func(context.Context) error, func()) {
			q := strand.NewQueue[int](1)
			return func(ctx context.Context) error { _, err := q.Get(ctx); return err }, func() { _ = q.TryPut(1) }
		},
		"Queue.Put": func() (func(context.Context) error, func()) {
			q := strand.NewQueue[int](1)
			_ = q.TryPut(1)
			return func(ctx context.Context) error { return q.Put(ctx, 2) }, func() { _, _ = q.TryGet() }
		},
		"Future.Await": func() (func(context.Context) error, func()) {
			gate := make(chan struct{})
			f := run(nil, func(context.Context) error { <-gate; return nil })
			return func(ctx context.Context) error { _, err := f.Await(ctx); return err }, func() { close(gate) }
		},
		"Scope": func() (func(context.Context) error, func()) {
			gate := make(chan struct{})
			return func(ctx context.Context) error {
				return braid.Scope(ctx, nil, func(ctx context.Context, g *braid.Group) error {
					runWith(ctx, g, func(context.Context) error { <-gate; return nil })
					return nil
				})
			}, func() { close(gate) }
		},
		"Thread.Join": func() (func(context.Context) error, func()) {
			gate := make(chan struct{})
			th := threading.Go(bg, "waiter", func(context.Context) error { <-gate; return nil })
			return th.Join, func() { close(gate) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, threading.Config{Workers: 1})
				wait, wake := parts()
				waiter := run(p, wait)
				loaded(t, p, load{lent: 1})
				succeeded(t, run(p, func(context.Context) error { wake(); return nil }))
				succeeded(t, waiter)
				loaded(t, p, load{})
			})
		})
	}
}

func TestLendsWhileItWaitsForAnotherPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := open(t, threading.Config{Workers: 1, Queue: -1})
		release := occupy(t, other, 1)
		p := open(t, threading.Config{Workers: 1})
		submitter := run(p, func(ctx context.Context) error {
			_, err := runWith(ctx, other, nothing).Await(ctx) // waits for room first
			return err
		})
		drainer := run(p, other.Drain)
		loaded(t, other, load{running: 1, waiting: 1})
		loaded(t, p, load{lent: 2})
		succeeded(t, run(p, func(context.Context) error { release(); return nil }))
		succeeded(t, submitter)
		succeeded(t, drainer)
	})
}

func TestSleepKeepsTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		sleeper := run(p, func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) })
		next := run(p, nothing)
		loaded(t, p, load{running: 1, queued: 1})
		begin := time.Now()
		succeeded(t, next)
		if d := time.Since(begin); d != time.Hour {
			t.Errorf("the next call ran after %v, want 1h, when the sleeper was done", d)
		}
		succeeded(t, sleeper)
	})
}

func TestMaxLent(t *testing.T) {
	for _, c := range []struct {
		max  int
		want load // of 4 tasks that park, on 1 worker
	}{
		{2, load{running: 1, lent: 2, queued: 1}},
		{-1, load{running: 1, queued: 3}},
		{0, load{lent: 4}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := open(t, threading.Config{Workers: 1, MaxLent: c.max})
			var event strand.Event
			var fs []*braid.Future[int]
			for range 4 {
				fs = append(fs, run(p, event.Wait))
			}
			loaded(t, p, c.want)
			event.Set()
			for _, f := range fs {
				succeeded(t, f)
			}
			wide(t, p, 1)
		})
	}
}

func TestMaxLentIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1, MaxLent: 1})
		for range 3 {
			var event strand.Event
			f := run(p, event.Wait)
			loaded(t, p, load{lent: 1})
			event.Set()
			succeeded(t, f)
		}
	})
}

func TestWokenGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		var d diary
		var first, second strand.Event
		var fs []*braid.Future[int]
		park := func(name string, e *strand.Event) {
			fs = append(fs, run(p, func(ctx context.Context) error {
				err := e.Wait(ctx)
				d.add(name)
				return err
			}))
		}
		park("woken second", &second)
		park("woken first", &first)
		loaded(t, p, load{lent: 2})
		release := occupy(t, p, 1)
		fs = append(fs, run(p, func(context.Context) error { d.add("queued"); return nil }))
		first.Set()
		synctest.Wait()
		second.Set()
		loaded(t, p, load{running: 1, lent: 2, queued: 1})
		d.is(t) // nobody goes on without a slot
		release()
		for _, f := range fs {
			succeeded(t, f)
		}
		d.is(t, "woken first", "woken second", "queued")
	})
}

// A task that was cancelled while it waits for its slot goes on when it has one,
// not before.
func TestCancelDoesNotReplaceTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		var never strand.Event
		goesOn := false
		parked := run(p, func(ctx context.Context) error {
			err := never.Wait(ctx)
			goesOn = true
			return err
		})
		loaded(t, p, load{lent: 1})
		release := occupy(t, p, 1)
		parked.Cancel(errWhy)
		loaded(t, p, load{running: 1, lent: 1})
		if goesOn {
			t.Error("the cancelled task goes on though another one has the slot")
		}
		release()
		isAll(t, outcomeOf(parked), context.Canceled, errWhy)
	})
}

func TestDetachedGoroutineLendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		var event strand.Event
		f := run(p, func(ctx context.Context) error {
			done := make(chan error)
			go func() { done <- event.Wait(strand.Detach(ctx)) }()
			return <-done
		})
		loaded(t, p, load{running: 1})
		event.Set()
		succeeded(t, f)
	})
}

// Goroutines that park in the name of their task lend its slot while at least
// one of them is parked.
func TestRawGoroutinesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 2})
		var first, second strand.Event
		gate := make(chan struct{})
		f := run(p, func(ctx context.Context) error {
			done := make(chan error)
			go func() { done <- first.Wait(ctx) }()
			go func() { done <- second.Wait(ctx) }()
			for range 2 {
				if err := <-done; err != nil {
					return err
				}
			}
			<-gate
			return nil
		})
		loaded(t, p, load{lent: 1})
		first.Set()
		loaded(t, p, load{lent: 1})
		second.Set()
		loaded(t, p, load{running: 1})
		close(gate)
		succeeded(t, f)
		wide(t, p, 2)
	})
}

// Stragglers park in the name of a task that has ended, or are parked when it
// ends, or are about to get its slot back. The accounts stay right.
func TestStragglers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		var event, late strand.Event
		ended := make(chan struct{})
		over := make(chan struct{})

		t.Log("parked when the task ends")
		succeeded(t, run(p, func(ctx context.Context) error {
			ctx = context.WithoutCancel(ctx)
			go func() {
				_ = event.Wait(ctx)
				<-ended
				_ = late.Wait(ctx)
				over <- struct{}{}
			}()
			synctest.Wait()
			return nil
		}))
		loaded(t, p, load{})
		wide(t, p, 1)
		event.Set()
		close(ended)
		loaded(t, p, load{}) // parked again: nobody's slot is lent
		wide(t, p, 1)
		late.Set()
		<-over
		wide(t, p, 1)

		t.Log("waiting for the slot when the task ends")
		event.Clear()
		gate := make(chan struct{})
		task := run(p, func(ctx context.Context) error {
			ctx = context.WithoutCancel(ctx)
			go func() {
				_ = event.Wait(ctx)
				over <- struct{}{}
			}()
			<-gate
			return nil
		})
		loaded(t, p, load{lent: 1})
		release := occupy(t, p, 1)
		event.Set()
		loaded(t, p, load{running: 1, lent: 1})
		close(gate)
		succeeded(t, task)
		<-over
		loaded(t, p, load{running: 1})
		release()
		wide(t, p, 1)
	})
}

// A straggler that is parked when its task ends does not use up MaxLent.
func TestStragglersDoNotKeepMaxLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1, MaxLent: 1})
		var event strand.Event
		over := make(chan struct{})
		for range 3 {
			succeeded(t, run(p, func(ctx context.Context) error {
				go func() {
					_ = event.Wait(context.WithoutCancel(ctx))
					over <- struct{}{}
				}()
				synctest.Wait()
				return nil
			}))
			loaded(t, p, load{})
		}
		event.Set()
		for range 3 {
			<-over
		}
	})
}
