package asyncio_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// The loop goes on while a function blocks in a thread.
func TestToThread(t *testing.T) {
	within(t, func(ctx context.Context) {
		gate := make(chan struct{})
		asyncio.Go(ctx, func(context.Context) error { close(gate); return nil })
		v, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
			<-gate
			if asyncio.LoopOf(ctx) != nil || strand.Self(ctx) == nil {
				t.Error("the function has the context of the coroutine")
			}
			return 42, io.EOF
		})
		if v != 42 || err != io.EOF {
			t.Errorf("ToThread = %d, %v; want 42 and io.EOF as it is", v, err)
		}
	})
	v, err := asyncio.ToThread(context.Background(), func(context.Context) (int, error) { return 1, nil })
	if v != 1 || err != nil {
		t.Errorf("ToThread outside of a loop = %d, %v", v, err)
	}
}

func explode() { panic("boom") }

func TestToThreadPanics(t *testing.T) {
	within(t, func(ctx context.Context) {
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { explode(); return 1, nil })
		var p *engine.PanicError
		if !errors.As(err, &p) || p.Value != "boom" || !strings.Contains(string(p.Stack), "explode") {
			t.Errorf("a panic gives %v", err)
		}
		_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
		if !errors.Is(err, engine.ErrGoexit) {
			t.Errorf("Goexit gives %v", err)
		}
	})
}

// A cancel reaches the function, and ToThread waits for it to return.
func TestToThreadCancelled(t *testing.T) {
	within(t, func(ctx context.Context) {
		own, cancel := context.WithCancelCause(ctx)
		why := errors.New("enough")
		begun, left := make(chan struct{}), false
		c := asyncio.Go(own, func(ctx context.Context) error {
			v, err := asyncio.ToThread(ctx, func(ctx context.Context) (string, error) {
				close(begun)
				<-ctx.Done()
				for range 100 {
					runtime.Gosched()
				}
				left = true
				return "partial", context.Cause(ctx)
			})
			if !left || v != "partial" {
				t.Errorf("ToThread has returned %q before its function has", v)
			}
			return err
		})
		if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { <-begun; return 0, nil }); err != nil {
			t.Error(err)
		}
		cancel(why)
		if err := c.Join(ctx); err != why {
			t.Errorf("ToThread = %v", err)
		}
		_, err := asyncio.ToThread(own, func(context.Context) (int, error) {
			t.Error("a function was called with a context that is done")
			return 0, nil
		})
		if !errors.Is(err, why) {
			t.Errorf("ToThread with a context that is done = %v", err)
		}
	})
}

// Not even a loop that has no more time leaves a function behind.
func TestToThreadOutlivesNothing(t *testing.T) {
	gate := make(chan struct{})
	left := false
	within(t, func(ctx context.Context) {
		deaf := context.WithoutCancel(ctx)
		asyncio.Go(deaf, func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
				<-gate
				for range 100 {
					runtime.Gosched()
				}
				left = true
				return 0, nil
			})
			t.Errorf("the coroutine goes on after it was unwound: %v", err)
			return nil
		})
		asyncio.Go(deaf, func(ctx context.Context) error {
			defer close(gate)
			defer func() {
				if err := asyncio.WriteFile(ctx, "", nil, 0); !errors.Is(err, engine.ErrClosed) {
					t.Errorf("a thread in a deferred function = %v", err)
				}
			}()
			return new(strand.Event).Wait(ctx)
		})
		strand.Yield(ctx)
	}, asyncio.With(asyncio.Config{Grace: -1}))
	if !left {
		t.Error("the function goes on after Run has returned")
	}
}

func TestToThreadBound(t *testing.T) {
	within(t, func(ctx context.Context) {
		var running, most atomic.Int64
		full, gate := make(chan struct{}), make(chan struct{})
		fill := sync.OnceFunc(func() { close(full) })
		var cs []*asyncio.Coroutine
		for range 200 {
			cs = append(cs, asyncio.Go(ctx, func(ctx context.Context) error {
				_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
					n := running.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					if n == 64 {
						fill()
					}
					<-gate
					running.Add(-1)
					return 0, nil
				})
				return err
			}))
		}
		for {
			strand.Yield(ctx)
			select {
			case <-full:
			default:
				continue
			}
			break
		}
		for range 100 {
			strand.Yield(ctx)
		}
		if n := running.Load(); n != 64 {
			t.Errorf("%d functions run at once", n)
		}
		close(gate)
		for _, c := range cs {
			if err := c.Join(ctx); err != nil {
				t.Error(err)
			}
		}
		if n := most.Load(); n > 64 {
			t.Errorf("%d functions ran at once", n)
		}
	})
}

// full is an engine on which each call waits for room until it is opened.
type full struct {
	room strand.Event
	engine.Executor
}

func (f *full) Start(ctx context.Context, c *engine.Call) {
	if err := f.room.Wait(ctx); err != nil {
		f.Executor.Start(ctx, c) // refuses it
		return
	}
	f.Executor.Start(ctx, c)
}

func TestToThreadOnEngine(t *testing.T) {
	var refused refuser
	within(t, func(ctx context.Context) {
		_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 1, nil })
		if !errors.Is(err, engine.ErrSaturated) || !errors.Is(err, engine.ErrNotStarted) {
			t.Errorf("ToThread on an engine that refuses = %v", err)
		}
	}, asyncio.With(asyncio.Config{Threads: refused}))

	f := &full{Executor: engine.NewSerial(nil)}
	within(t, func(ctx context.Context) {
		own, cancel := context.WithCancel(ctx)
		c := asyncio.Go(own, func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 1, nil })
			return err
		})
		strand.Yield(ctx)
		cancel()
		if err := c.Join(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("ToThread cancelled while it waits for room = %v", err)
		}
		asyncio.Go(ctx, func(context.Context) error { f.room.Set(); return nil })
		v, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return 2, nil })
		if v != 2 || err != nil {
			t.Errorf("ToThread = %d, %v", v, err)
		}
	}, asyncio.With(asyncio.Config{Threads: f}))
}

type refuser struct{}

func (r refuser) Start(ctx context.Context, c *engine.Call) {
	c.Submit(ctx, &engine.Host{Name: "refuser", Executor: r})
	c.Refuse(engine.ErrSaturated)
}

// A function in a thread calls back into the loop.
func TestFromThread(t *testing.T) {
	within(t, func(ctx context.Context) {
		loop := asyncio.LoopOf(ctx)
		onLoop := func(ctx context.Context) (int, error) {
			if asyncio.LoopOf(ctx) != loop {
				t.Error("the call is not on the loop")
			}
			return 20, strand.Yield(ctx)
		}
		v, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
			v, err := braid.Go(ctx, loop, onLoop).Await(ctx)
			if err != nil {
				return 0, err
			}
			w, err := braid.Go(ctx, loop, func(ctx context.Context) (int, error) {
				return asyncio.ToThread(ctx, func(context.Context) (int, error) { return 1, io.EOF })
			}).Await(ctx)
			if !errors.Is(err, io.EOF) {
				t.Errorf("the error of a coroutine comes as %v", err)
			}
			return v + w, nil
		})
		if v != 21 || err != nil {
			t.Errorf("ToThread = %d, %v", v, err)
		}
	}, asyncio.With(asyncio.Config{DeadlockAfter: 1}))
}

// Cancelling goes from the coroutine through the thread to the coroutine that this
// awaits, and from the thread to the coroutine.
func TestFromThreadCancelled(t *testing.T) {
	within(t, func(ctx context.Context) {
		loop := asyncio.LoopOf(ctx)
		why := errors.New("enough")
		var waiting strand.Event
		sleep := func(ctx context.Context) (int, error) {
			waiting.Set()
			return 0, new(strand.Event).Wait(ctx)
		}
		own, cancel := context.WithCancelCause(ctx)
		c := asyncio.Go(own, func(ctx context.Context) error {
			_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
				f := braid.Go(ctx, loop, sleep)
				return f.Await(context.WithoutCancel(ctx))
			})
			return err
		})
		if err := waiting.Wait(ctx); err != nil {
			t.Error(err)
		}
		cancel(why)
		if err := c.Join(ctx); !errors.Is(err, why) {
			t.Errorf("a cancel from above gives %v", err)
		}

		waiting.Clear()
		_, err := asyncio.ToThread(ctx, func(ctx context.Context) (int, error) {
			f := braid.Go(ctx, loop, sleep)
			if err := waiting.Wait(ctx); err != nil {
				t.Error(err)
			}
			f.Cancel(why)
			return f.Await(ctx)
		})
		if !errors.Is(err, why) || ctx.Err() != nil {
			t.Errorf("a cancel from the thread gives %v", err)
		}
	}, asyncio.With(asyncio.Config{Shared: true}))
}

// While a call is in flight on another engine the loop is not deadlocked, and when
// it is over the loop looks anew.
func TestCallsElsewhere(t *testing.T) {
	run := func(main func(ctx context.Context) error) error {
		return asyncio.Run(context.Background(), main, asyncio.With(asyncio.Config{DeadlockAfter: 1}))
	}
	gosched := func(context.Context) (int, error) {
		for range 1000 {
			runtime.Gosched()
		}
		return 7, nil
	}
	err := run(func(ctx context.Context) error {
		v, err := braid.Go(ctx, nil, gosched).Await(ctx)
		if v != 7 {
			t.Errorf("Await = %d, %v", v, err)
		}
		return err
	})
	if err != nil {
		t.Errorf("awaiting a goroutine: %v", err)
	}

	// The call to the loop itself pauses between two attempts.
	err = run(func(ctx context.Context) error {
		tries := 0
		_, err := braid.Go(ctx, asyncio.LoopOf(ctx), func(context.Context) (int, error) {
			if tries++; tries == 1 {
				return 0, io.EOF
			}
			return 0, nil
		}, braid.Retry(1)).Await(ctx)
		return err
	})
	if err != nil {
		t.Errorf("awaiting a call that is retried: %v", err)
	}

	var dead *asyncio.DeadlockError
	err = run(func(ctx context.Context) error {
		f := braid.Go(ctx, nil, gosched)
		_ = new(strand.Event).Wait(ctx)
		_, _ = f.Await(context.WithoutCancel(ctx))
		return nil
	})
	if !errors.As(err, &dead) {
		t.Errorf("waiting for nothing while a call is in flight: %v, want a deadlock", err)
	}
	err = run(func(ctx context.Context) error {
		f := braid.Go(ctx, asyncio.LoopOf(ctx), func(ctx context.Context) (int, error) {
			return 0, new(strand.Event).Wait(ctx)
		})
		_, err := f.Await(ctx)
		return err
	})
	if !errors.As(err, &dead) {
		t.Errorf("awaiting a coroutine that waits for nothing: %v, want a deadlock", err)
	}
}
