package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

func TestSlowStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan asyncio.SlowStep, 10)
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			_ = strand.Sleep(ctx, time.Second)
			for range 5 {
				time.Sleep(90 * time.Millisecond) // virtual time
				_ = strand.Yield(ctx)
			}
			holdTheLoop()
			return strand.Sleep(ctx, time.Second)
		}, asyncio.With(asyncio.Config{OnSlowStep: func(s asyncio.SlowStep) { slow <- s }}))
		if err != nil {
			t.Fatal(err)
		}
		if len(slow) != 1 {
			t.Fatalf("%d slow steps were reported, want 1", len(slow))
		}
		s := <-slow
		if s.Loop != "async" || s.Held < 100*time.Millisecond || s.Held > 200*time.Millisecond || !strings.Contains(s.Stack, "holdTheLoop") {
			t.Errorf("reported: %+v", s)
		}
	})
}

//go:noinline
func holdTheLoop() { time.Sleep(300 * time.Millisecond) } // virtual time

func TestDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b strand.Mutex
		start := time.Now()
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			lock := func(first, second *strand.Mutex) *asyncio.Coroutine {
				return asyncio.Go(ctx, func(ctx context.Context) error {
					if err := first.Lock(ctx); err != nil {
						return err
					}
					defer first.Unlock()
					_ = strand.Yield(ctx)
					if err := second.Lock(ctx); err != nil {
						return err
					}
					second.Unlock()
					return nil
				})
			}
			x, y := lock(&a, &b), lock(&b, &a)
			if err := x.Join(ctx); err != nil {
				return err
			}
			return y.Join(ctx)
		})
		d, ok := errors.AsType[*asyncio.DeadlockError](err)
		if !ok || !errors.Is(err, asyncio.ErrDeadlock) {
			t.Fatalf("Run = %v, want a deadlock", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("the deadlock was found after %v, want 1s", took)
		}
		slices.Sort(d.Cycle)
		if !slices.Equal(d.Cycle, []uint64{2, 3}) {
			t.Errorf("the cycle is %v, want 2 and 3", d.Cycle)
		}
		for _, want := range []string{
			"nothing can wake 3 coroutines of loop async",
			"main 1: await *asyncio.Coroutine(",
			", until 2, in github.com/go-braid/braid/asyncio_test.TestDeadlock",
			"coroutine 2: lock *strand.Mutex(",
			", until 3",
			"inspect_test.go:",
			"cycle: ",
			"asyncio.Shared",
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the report does not say %q:\n%v", want, err)
			}
		}
	})
}

// TestNoDeadlock has a loop wait for things that will come.
func TestNoDeadlock(t *testing.T) {
	t.Run("Surprise", func(t *testing.T) {
		loop(t, func(t *testing.T, ctx context.Context) {
			q := strand.NewQueue[int](1)
			go func() {
				for i := range 3 {
					time.Sleep(time.Duration(1+10*i) * 900 * time.Millisecond) // virtual time
					_ = q.Put(context.Background(), i)
				}
			}()
			for range 3 {
				if _, err := q.Get(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	})
	t.Run("Deadline", func(t *testing.T) {
		loop(t, func(t *testing.T, ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			if err := new(strand.Event).Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Wait = %v", err)
			}
		})
	})
	t.Run("Outside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				return strand.Park(ctx, strand.Op{Kind: strand.OpExit}, outsider{})
			})
			if err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
		})
	})
	t.Run("Shared", func(t *testing.T) {
		loop(t, func(t *testing.T, ctx context.Context) {
			var e strand.Event
			go func() {
				time.Sleep(time.Hour) // virtual time
				e.Set()
			}()
			if err := e.Wait(ctx); err != nil {
				t.Error(err)
			}
		}, asyncio.Shared())
	})
	t.Run("Loop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := asyncio.NewLoop(asyncio.Config{})
			defer l.Close(t.Context())
			var e strand.Event
			f := braid.Go(t.Context(), l, func(ctx context.Context) (int, error) { return 1, e.Wait(ctx) })
			time.Sleep(time.Hour) // virtual time
			e.Set()
			if _, err := f.Await(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestDump(t *testing.T) {
	loop(t, func(t *testing.T, ctx context.Context) {
		l := asyncio.LoopOf(ctx)
		var e strand.Event
		asyncio.Go(ctx, func(ctx context.Context) error {
			asyncio.Go(ctx, waitForIt(&e))
			return waitForIt(&e)(ctx)
		})
		asyncio.Go(ctx, func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) })
		_ = strand.Sleep(ctx, 2*time.Second)
		asyncio.Go(ctx, waitForIt(&e))
		var out bytes.Buffer
		if err := asyncio.Dump(ctx, l, &out); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		for i, want := range []string{
			"loop async, 5 coroutines",
			"└─ main 1: can run, in github.com/go-braid/braid/asyncio_test.TestDump",
			"   ├─ coroutine 2: wait *strand.Event(",
			"   │  └─ coroutine 4: wait *strand.Event(",
			"   ├─ coroutine 3: sleep, for 2s, in",
			"   └─ coroutine 5: not begun",
		} {
			if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
				t.Fatalf("line %d is not %q:\n%s", i, want, out.String())
			}
		}
		if l := lines[3]; !strings.Contains(l, ", for 2s, in github.com/go-braid/braid/asyncio_test.") || !strings.Contains(l, "waitForIt") || !strings.Contains(l, "inspect_test.go:") {
			t.Errorf("the place is missing: %s", lines[3])
		}
		e.Set()
	})
}

func waitForIt(e *strand.Event) func(context.Context) error {
	return func(ctx context.Context) error { return e.Wait(ctx) }
}

// TestTasksElsewhere asks for the coroutines from another goroutine, and of a loop
// that has ended.
func TestTasksElsewhere(t *testing.T) {
	l := asyncio.NewLoop(asyncio.Config{Name: "mine"})
	var e, begun strand.Event
	f := braid.Go(t.Context(), l, func(ctx context.Context) (int, error) {
		begun.Set()
		return 0, e.Wait(ctx)
	}, braid.Name("waiter"))
	_ = begun.Wait(t.Context())
	infos, err := l.Tasks(t.Context())
	if err != nil || len(infos) != 1 || infos[0].Name != "waiter" || infos[0].ID != 1 {
		t.Errorf("Tasks = %+v, %v", infos, err)
	}
	e.Set()
	if _, err := f.Await(t.Context()); err != nil {
		t.Error(err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if infos, err := l.Tasks(t.Context()); err != nil || len(infos) != 0 {
		t.Errorf("Tasks of a loop that has ended = %+v, %v", infos, err)
	}
	if _, ok := l.CallSoonThreadsafe(func() {}); ok {
		t.Error("CallSoonThreadsafe = true on a loop that has ended")
	}
}

// An outsider is woken by nobody that the loop knows, long after it would take itself
// for deadlocked.
type outsider struct{}

func (outsider) Arm(wake func()) bool {
	time.AfterFunc(time.Hour, wake)
	return true
}

func (outsider) Disarm() bool { return false }
