package threading_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// bothModes are pools whose bounds are tight, and others.
var bothModes = map[string]threading.Config{
	"tight": {Workers: 2, Queue: 4},
	"loose": {Workers: 2},
}

func TestGo(t *testing.T) {
	for name, cfg := range bothModes {
		t.Run(name, func(t *testing.T) {
			p := open(t, cfg)
			var sum atomic.Int64
			var all sync.WaitGroup
			for submitter := range 4 {
				all.Go(func() {
					for i := range 1000 {
						if err := p.Go(bg, func(context.Context) { sum.Add(int64(i)) }); err != nil {
							t.Errorf("submitter %d: %v", submitter, err)
						}
					}
				})
			}
			all.Wait()
			if err := p.Drain(bg); err != nil {
				t.Fatal(err)
			}
			if n := sum.Load(); n != 4*999*1000/2 {
				t.Errorf("the sum is %d", n)
			}
			if s := p.Statistics(); s.Submitted != 4000 || s.Completed != 4000 {
				t.Errorf("the pool has %+v, want 4,000 submitted and completed", s)
			}
		})
	}
}

// A function without a result costs no object, whoever submits it.
func TestGoAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	p := open(t, threading.Config{Workers: 2})
	fn := func(context.Context) {}
	for range 1000 { // the queue grows to its size
		_ = p.Go(bg, fn)
	}
	if n := testing.AllocsPerRun(10_000, func() { _ = p.Go(bg, fn) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A call with a result costs one object, which is its future.
func TestSubmitAllocatesTheFuture(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	p := open(t, threading.Config{Workers: 1})
	task := braid.Func(func(_ context.Context, i int) (int, error) { return i, nil })
	// Inside of the pool nobody needs to be woken, and the task awaits it at once.
	_, err := braid.Go(bg, p, func(ctx context.Context) (int, error) {
		call := func() {
			if v, err := braid.Submit(ctx, p, task, 7).Await(ctx); v != 7 || err != nil {
				t.Errorf("the result is %d, %v", v, err)
			}
		}
		for range 100 {
			call()
		}
		if n := testing.AllocsPerRun(1000, call); n > 1 {
			t.Errorf("%v allocations", n)
		}
		return 0, nil
	}).Await(bg)
	if err != nil {
		t.Fatal(err)
	}
}

func TestGoIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1, Queue: -1, Full: threading.Refuse})
		release := occupy(t, p, 1)
		isAll(t, p.Go(bg, func(context.Context) { t.Error("it runs") }), braid.ErrNotStarted, braid.ErrSaturated)
		release()
		done, cancel := context.WithCancelCause(bg)
		cancel(errWhy)
		isAll(t, p.Go(done, func(context.Context) { t.Error("it runs") }), braid.ErrNotStarted, context.Canceled, errWhy)
		if err := p.Close(bg); err != nil {
			t.Fatal(err)
		}
		isAll(t, p.Go(bg, func(context.Context) { t.Error("it runs") }), braid.ErrNotStarted, braid.ErrClosed)
	})
}

// A function whose context ends while it waits is not called.
func TestGoCancelledInTheQueue(t *testing.T) {
	for name, cfg := range bothModes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, cfg)
				release := occupy(t, p, 2)
				ctx, cancel := context.WithCancel(bg)
				if err := p.Go(ctx, func(context.Context) { t.Error("it runs") }); err != nil {
					t.Fatal(err)
				}
				cancel()
				release()
				if s := settled(t, p); s.Refused != 1 || s.Completed != 2 {
					t.Errorf("the pool has %+v, want 1 refused and 2 completed", s)
				}
			})
		})
	}
}

// A function that parks lends its slot as a call does, and its context is its submitter's.
func TestGoParks(t *testing.T) {
	for name, cfg := range bothModes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg.Workers = 1
				p := open(t, cfg)
				var event strand.Event
				type key struct{}
				var value any
				ctx := context.WithValue(bg, key{}, "of the submitter")
				for range 3 {
					if err := p.Go(ctx, func(ctx context.Context) {
						_ = event.Wait(ctx)
						value = ctx.Value(key{})
					}); err != nil {
						t.Fatal(err)
					}
				}
				loaded(t, p, load{lent: 3})
				succeeded(t, run(p, func(context.Context) error { event.Set(); return nil }))
				loaded(t, p, load{})
				if value != "of the submitter" {
					t.Errorf("the value is %v", value)
				}
			})
		})
	}
}

// What goes wrong in a function that nobody waits for is reported, and costs nobody else.
func TestGoFails(t *testing.T) {
	for name, cfg := range bothModes {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var failures []error
			cfg.Listener = &engine.Listener{Unobserved: func(e engine.Event) {
				mu.Lock()
				defer mu.Unlock()
				failures = append(failures, e.Err)
			}}
			p := open(t, cfg)
			var ran atomic.Int32
			for i := range 30 {
				if err := p.Go(bg, func(context.Context) {
					switch i % 3 {
					case 0:
						panic(errTest)
					case 1:
						runtime.Goexit()
					}
					ran.Add(1)
				}); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Drain(bg); err != nil {
				t.Fatal(err)
			}
			panics, exits := 0, 0
			mu.Lock()
			defer mu.Unlock()
			for _, err := range failures {
				if errors.Is(err, errTest) {
					panics++
				}
				if errors.Is(err, braid.ErrGoexit) {
					exits++
				}
			}
			if panics != 10 || exits != 10 || ran.Load() != 10 {
				t.Errorf("%d panics, %d exits and %d others, want 10 each", panics, exits, ran.Load())
			}
		})
	}
}

func TestPriority(t *testing.T) {
	for name, cfg := range bothModes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg.Workers = 1
				cfg.Queue = max(cfg.Queue, 0) * 4
				p := open(t, cfg)
				release := occupy(t, p, 1)
				var d diary
				var fs []*braid.Future[int]
				add := func(name string, priority int) {
					fs = append(fs, run(p, func(context.Context) error { d.add(name); return nil }, braid.Priority(priority)))
				}
				add("low", -1)
				add("first", 0)
				add("second", 0)
				add("urgent", 5)
				add("most urgent", 7)
				add("urgent too", 5)
				add("cancelled", 9)
				fs[len(fs)-1].Cancel(nil)
				add("lowest", -3)
				loaded(t, p, load{running: 1, queued: 7})
				release()
				for _, f := range fs {
					_ = outcomeOf(f)
				}
				d.is(t, "most urgent", "urgent", "urgent too", "first", "second", "low", "lowest")
			})
		})
	}
}

// Pausing keeps calls from being begun, and woken tasks from going on.
func TestPause(t *testing.T) {
	for name, cfg := range bothModes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, cfg)
				var event strand.Event
				parked := run(p, event.Wait)
				loaded(t, p, load{lent: 1})
				p.Pause()
				p.Pause()
				queued := run(p, nothing)
				event.Set()
				loaded(t, p, load{lent: 1, queued: 1})
				p.Resume()
				succeeded(t, parked)
				succeeded(t, queued)
				loaded(t, p, load{})

				p.Pause()
				queued = run(p, nothing)
				loaded(t, p, load{queued: 1})
				if err := p.Close(bg); err != nil { // which resumes it
					t.Error(err)
				}
				succeeded(t, queued)
			})
		})
	}
}

// A task runs the call that it waits for, if nobody has begun it: on one worker, no other
// goroutine is needed.
func TestJoinRunsInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		f := run(p, func(ctx context.Context) error {
			outer, ok := strand.Self(ctx), false
			err := outcomeOf2(ctx, runWith(ctx, p, func(ctx context.Context) error {
				if strand.Self(ctx) == outer {
					t.Error("the call is the strand that waits for it")
				}
				s := p.Statistics()
				ok = s.Running == 1 && s.Lent == 1
				return nil
			}))
			if !ok {
				t.Error("the task has not lent its slot to the call")
			}
			return err
		})
		succeeded(t, f)
		if s := settled(t, p); s.Idle != 1 || s.Submitted != 2 || s.Completed != 2 {
			t.Errorf("the pool has %+v, want one goroutine, and two calls", s)
		}
	})
}

func outcomeOf2(ctx context.Context, f *braid.Future[int]) error {
	_, err := f.Await(ctx)
	return err
}

// A call that panics inside of another one fails alone; one that ends its goroutine takes
// the other along, and the pool goes on.
func TestJoinFails(t *testing.T) {
	p := open(t, threading.Config{Workers: 1})
	isAll(t, outcomeOf(run(p, func(ctx context.Context) error {
		return outcomeOf2(ctx, runWith(ctx, p, func(context.Context) error { panic(errTest) }))
	})), errTest)
	isAll(t, outcomeOf(run(p, func(ctx context.Context) error {
		return outcomeOf2(ctx, runWith(ctx, p, func(context.Context) error { runtime.Goexit(); return nil }))
	})), braid.ErrGoexit)
	wide(t, p, 1)
}

// A wait with a deadline of its own is not spent on running the call.
func TestJoinKeepsDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, threading.Config{Workers: 1})
		gate := make(chan struct{})
		f := run(p, func(ctx context.Context) error {
			call := runWith(ctx, p, func(context.Context) error { <-gate; return nil })
			short, cancel := context.WithTimeout(ctx, 1)
			defer cancel()
			_, err := call.Await(short)
			return err
		})
		time.Sleep(time.Second) // virtual: the deadline passes
		close(gate)
		isAll(t, outcomeOf(f), context.DeadlineExceeded)
	})
}
