package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// loop runs main on a loop in a bubble, and fails the test if Run fails.
func loop(t *testing.T, main func(t *testing.T, ctx context.Context), opts ...asyncio.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			main(t, ctx)
			return nil
		}, opts...)
		if err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// record notes what happens, in order.
type record struct{ lines []string }

func (r *record) add(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *record) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(r.lines, lines) {
		t.Errorf("happened: %q\nwant:     %q", r.lines, lines)
	}
}

func TestRunReturns(t *testing.T) {
	want := errors.New("no")
	if err := asyncio.Run(t.Context(), func(context.Context) error { return want }); err != want {
		t.Errorf("Run = %v, want what main returned", err)
	}
	err := asyncio.Run(t.Context(), func(context.Context) error { panic("ouch") })
	pe, ok := errors.AsType[*engine.PanicError](err)
	if !ok || pe.Value != "ouch" || !strings.Contains(string(pe.Stack), "TestRunReturns") {
		t.Errorf("Run of a main that panics = %v", err)
	}
	returned := false
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = asyncio.Run(t.Context(), func(context.Context) error { runtime.Goexit(); return nil })
		returned = true
	})
	wg.Wait()
	if returned {
		t.Error("Run has returned though main ended its goroutine")
	}
}

func TestRunRecursive(t *testing.T) {
	loop(t, func(t *testing.T, ctx context.Context) {
		err := asyncio.Run(ctx, func(context.Context) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "called from a coroutine") {
			t.Errorf("Run in a coroutine = %v", err)
		}
	})
}

func TestRunCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err := asyncio.Run(ctx, func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("Run = %v after %v", err, time.Since(start))
		}
	})
}

// TestLeftovers is test_runners: cancels_hanging_tasks.
func TestLeftovers(t *testing.T) {
	var r record
	loop(t, func(t *testing.T, ctx context.Context) {
		for i := range 3 {
			asyncio.Go(ctx, func(ctx context.Context) error {
				defer r.add("over %d", i)
				return strand.Sleep(ctx, time.Hour)
			})
		}
		_ = strand.Yield(ctx)
	})
	r.want(t, "over 0", "over 1", "over 2")
}

// TestStubborn leaves behind coroutines that do not listen to their context. They
// are unwound, and their deferred functions run, whatever those do.
func TestStubborn(t *testing.T) {
	for _, grace := range []time.Duration{-1, 0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			var r record
			var never strand.Event
			start := time.Now()
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				deaf := context.WithoutCancel(ctx)
				asyncio.Go(ctx, func(context.Context) error {
					defer r.add("event")
					defer func() { r.add("parks: %v", errors.Is(strand.Sleep(deaf, time.Second), engine.ErrClosed)) }()
					return never.Wait(deaf)
				})
				asyncio.Go(ctx, func(context.Context) error {
					defer r.add("sleeper")
					return strand.Sleep(deaf, 24*time.Hour)
				})
				asyncio.Go(ctx, func(context.Context) error {
					defer r.add("quick")
					return strand.Sleep(deaf, time.Second)
				})
				return strand.Yield(ctx)
			}, asyncio.With(asyncio.Config{Grace: grace}))
			if err != nil {
				t.Errorf("Run = %v", err)
			}
			var want time.Duration
			switch grace {
			case -1:
				r.want(t, "parks: true", "event", "sleeper", "quick")
			case 0:
				want = 5 * time.Second
				r.want(t, "quick", "parks: true", "event", "sleeper")
			default:
				want = grace
				r.want(t, "quick", "parks: true", "event", "sleeper")
			}
			if d := time.Since(start); d != want {
				t.Errorf("with a Grace of %v Run took %v, want %v", grace, d, want)
			}
		})
	}
}

// TestSpinning leaves behind a coroutine that yields for ever.
func TestSpinning(t *testing.T) {
	ended := false
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		asyncio.Go(ctx, func(ctx context.Context) error {
			defer func() { ended = true }()
			for {
				_ = strand.Yield(context.WithoutCancel(ctx))
			}
		})
		return strand.Yield(ctx)
	}, asyncio.With(asyncio.Config{Grace: -1}))
	if err != nil || !ended {
		t.Errorf("Run = %v, ended: %v", err, ended)
	}
}

func TestGoOrder(t *testing.T) {
	var r record
	loop(t, func(t *testing.T, ctx context.Context) {
		var cs []*asyncio.Coroutine
		for i := range 3 {
			cs = append(cs, asyncio.Go(ctx, func(ctx context.Context) error {
				for k := range 2 {
					r.add("%d.%d", i, k)
					_ = strand.Yield(ctx)
				}
				return nil
			}))
		}
		r.add("main")
		for _, c := range cs {
			if err := c.Join(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	r.want(t, "main", "0.0", "1.0", "2.0", "0.1", "1.1", "2.1")
}

func TestGoElsewhere(t *testing.T) {
	c := asyncio.Go(t.Context(), func(context.Context) error { return nil })
	if err := c.Join(t.Context()); err == nil || !strings.Contains(err.Error(), "braid.Go with a Loop") {
		t.Errorf("Go outside of a loop = %v", err)
	}
}

func TestJoin(t *testing.T) {
	loop(t, func(t *testing.T, ctx context.Context) {
		boom := errors.New("boom")
		c := asyncio.Go(ctx, func(ctx context.Context) error {
			_ = strand.Sleep(ctx, time.Second)
			return boom
		})
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if err := c.Join(short); !errors.Is(err, context.DeadlineExceeded) || c.Done() {
			t.Errorf("Join with a deadline = %v", err)
		}
		for range 3 {
			if err := c.Join(ctx); err != boom || !c.Done() {
				t.Errorf("Join = %v", err)
			}
		}
		var self *asyncio.Coroutine
		self = asyncio.Go(ctx, func(ctx context.Context) error { return self.Join(ctx) })
		if err := self.Join(ctx); err == nil || !strings.Contains(err.Error(), "cannot join itself") {
			t.Errorf("joining oneself = %v", err)
		}
		dead := asyncio.Go(ctx, func(context.Context) error { panic("ouch") })
		if pe, ok := errors.AsType[*engine.PanicError](dead.Join(ctx)); !ok || !strings.Contains(string(pe.Stack), "TestJoin") {
			t.Errorf("Join of a coroutine that panics = %v", pe)
		}
		gone := asyncio.Go(ctx, func(context.Context) error { runtime.Goexit(); return nil })
		if err := gone.Join(ctx); !errors.Is(err, engine.ErrGoexit) {
			t.Errorf("Join of a coroutine that ends its goroutine = %v", err)
		}
	})
}

// TestJoinElsewhere joins a coroutine from a goroutine of no loop.
func TestJoinElsewhere(t *testing.T) {
	l := asyncio.NewLoop(asyncio.Config{})
	defer l.Close(t.Context())
	boom := errors.New("boom")
	c, err := braid.Go(t.Context(), l, func(ctx context.Context) (*asyncio.Coroutine, error) {
		return asyncio.Go(context.WithoutCancel(ctx), func(ctx context.Context) error {
			_ = strand.Yield(ctx)
			return boom
		}), nil
	}).Await(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Join(t.Context()); err != boom {
		t.Errorf("Join = %v", err)
	}
}

// TestCancel is scenario 117: what a coroutine gets of its cancelling, and when.
func TestCancel(t *testing.T) {
	cancelled := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the coroutine's error is %v, want context.Canceled", err)
		}
	}
	for _, c := range []struct {
		name string
		body func(ctx context.Context) error
	}{
		{"Yield", func(ctx context.Context) error {
			for {
				if err := strand.Yield(ctx); err != nil {
					return err
				}
				_ = strand.Sleep(ctx, time.Millisecond) // or virtual time does not pass
			}
		}},
		{"Sleep", func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) }},
		{"Event", func(ctx context.Context) error { return new(strand.Event).Wait(ctx) }},
		{"Join", func(ctx context.Context) error {
			return asyncio.Go(context.WithoutCancel(ctx), func(ctx context.Context) error { return strand.Sleep(ctx, time.Minute) }).Join(ctx)
		}},
		{"Derived", func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			return strand.Sleep(ctx, time.Hour)
		}},
		{"Again", func(ctx context.Context) error { // level-triggered: swallowing it once is no use
			_ = strand.Sleep(ctx, time.Hour)
			return strand.Sleep(ctx, time.Hour)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			loop(t, func(t *testing.T, ctx context.Context) {
				begin := strand.Now(ctx)
				child, cancel := context.WithCancel(ctx)
				co := asyncio.Go(child, c.body)
				_ = strand.Sleep(ctx, time.Second)
				cancel()
				cancelled(t, co.Join(ctx))
				if d := strand.Now(ctx).Sub(begin); d != time.Second {
					t.Errorf("it took %v, want 1s", d)
				}

				// Cancelled before its first step: the body runs, and its first wait
				// tells.
				child, cancel = context.WithCancel(ctx)
				co = asyncio.Go(child, c.body)
				cancel()
				cancelled(t, co.Join(ctx))
			}, asyncio.With(asyncio.Config{SlowStep: -1}))
		})
	}
	t.Run("Ignored", func(t *testing.T) {
		loop(t, func(t *testing.T, ctx context.Context) {
			child, cancel := context.WithCancel(ctx)
			co := asyncio.Go(child, func(ctx context.Context) error {
				_ = strand.Sleep(ctx, time.Hour)
				return nil
			})
			_ = strand.Yield(ctx)
			cancel()
			if err := co.Join(ctx); err != nil {
				t.Errorf("a coroutine that ignores its cancelling returned %v", err)
			}
		})
	})
	t.Run("WokenFirst", func(t *testing.T) {
		loop(t, func(t *testing.T, ctx context.Context) {
			child, cancel := context.WithCancel(ctx)
			var e strand.Event
			co := asyncio.Go(child, func(ctx context.Context) error { return e.Wait(ctx) })
			_ = strand.Yield(ctx)
			e.Set()
			cancel()
			if err := co.Join(ctx); err != nil {
				t.Errorf("a coroutine that was woken before it was cancelled returned %v", err)
			}
		})
	})
}

// TestManyContexts parks one coroutine with many contexts in turn, and many
// coroutines with one.
func TestManyContexts(t *testing.T) {
	loop(t, func(t *testing.T, ctx context.Context) {
		var e strand.Event
		for range 100 {
			short, cancel := context.WithTimeout(ctx, time.Millisecond)
			if err := e.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Wait = %v", err)
			}
			cancel()
		}
		all, cancel := context.WithCancel(ctx)
		var cs []*asyncio.Coroutine
		for range 100 {
			cs = append(cs, asyncio.Go(all, func(ctx context.Context) error { return e.Wait(ctx) }))
		}
		_ = strand.Yield(ctx)
		cancel()
		for _, c := range cs {
			if err := c.Join(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Join = %v", err)
			}
		}
	})
}

func TestCallbacks(t *testing.T) {
	var r record
	loop(t, func(t *testing.T, ctx context.Context) {
		l := asyncio.LoopOf(ctx)
		begin := strand.Now(ctx)
		note := func(s string) func() {
			return func() { r.add("%s at %v", s, strand.Now(ctx).Sub(begin)) }
		}
		l.CallLater(2*time.Second, note("later"))
		l.CallAt(begin.Add(time.Second), note("at"))
		l.CallAt(begin.Add(time.Second), note("at, too"))
		gone := l.CallLater(time.Second, note("never"))
		l.CallSoon(func() {
			note("soon")()
			l.CallSoon(note("from a callback"))
			l.CallLater(-1, note("negative"))
		})
		l.CallSoon(note("soon, too"))
		never := l.CallSoon(note("never"))
		if !never.Cancel() || never.Cancel() || !gone.Cancel() {
			t.Error("Cancel reports the wrong thing")
		}
		l.CallSoon(func() { panic("a callback that panics") })
		l.CallSoon(func() { runtime.Goexit() })
		h, ok := l.CallSoonThreadsafe(note("threadsafe"))
		if !ok {
			t.Error("CallSoonThreadsafe = false on a loop that runs")
		}
		_ = strand.Sleep(ctx, 3*time.Second)
		if h.Cancel() {
			t.Error("Cancel of a callback that was called = true")
		}
	})
	r.want(t, "soon at 0s", "soon, too at 0s", "threadsafe at 0s", "from a callback at 0s", "negative at 0s",
		"at at 1s", "at, too at 1s", "later at 2s")
}

// TestThreadsafeWakes calls from another goroutine into a loop that waits.
func TestThreadsafeWakes(t *testing.T) {
	loop(t, func(t *testing.T, ctx context.Context) {
		l := asyncio.LoopOf(ctx)
		var e strand.Event
		begin := strand.Now(ctx)
		go func() {
			time.Sleep(time.Second) // virtual time
			l.CallSoonThreadsafe(func() { e.Set() })
		}()
		_ = e.Wait(ctx)
		if d := strand.Now(ctx).Sub(begin); d != time.Second {
			t.Errorf("woken after %v", d)
		}
	}, asyncio.Shared())
}

// TestManyTimers sets a million timers and takes back nine tenths of them.
func TestManyTimers(t *testing.T) {
	n := 1_000_000
	if testing.Short() || slowed {
		n = 20_000
	}
	loop(t, func(t *testing.T, ctx context.Context) {
		l := asyncio.LoopOf(ctx)
		var hs []*asyncio.Handle
		last, count := time.Duration(-1), 0
		begin := strand.Now(ctx)
		for i := range n {
			d := time.Duration(i*7919%n) * time.Millisecond
			hs = append(hs, l.CallLater(d, func() {
				count++
				now := strand.Now(ctx).Sub(begin)
				if now != d || d < last {
					t.Errorf("a timer of %v went off at %v, after one of %v", d, now, last)
				}
				last = d
			}))
		}
		for i, h := range hs {
			if i%10 != 0 && !h.Cancel() {
				t.Fatal("Cancel = false")
			}
		}
		_ = strand.Sleep(ctx, time.Duration(n)*time.Millisecond)
		if count != n/10 {
			t.Errorf("%d timers went off, want %d", count, n/10)
		}
	}, asyncio.With(asyncio.Config{SlowStep: -1}))
}

// TestFairness has a coroutine that only yields beside timers and calls from
// outside: they get their turn.
func TestFairness(t *testing.T) {
	l := asyncio.NewLoop(asyncio.Config{})
	defer l.Close(context.Background())
	stop, cancel := context.WithCancel(t.Context())
	spinner := braid.Go(stop, l, func(ctx context.Context) (int, error) {
		for n := 0; ; n++ {
			if strand.Yield(ctx) != nil {
				return n, nil
			}
		}
	})
	for range 100 {
		_, err := braid.Go(t.Context(), l, func(ctx context.Context) (int, error) {
			return 0, strand.Sleep(ctx, time.Microsecond)
		}).Await(t.Context())
		if err != nil {
			t.Error(err)
		}
	}
	cancel()
	if n, _ := spinner.Await(t.Context()); n == 0 {
		t.Error("the spinner has not run")
	}
}

// TestChoose lets a function decide who is next.
func TestChoose(t *testing.T) {
	var r record
	loop(t, func(t *testing.T, ctx context.Context) {
		var cs []*asyncio.Coroutine
		for i := range 4 {
			cs = append(cs, asyncio.Go(ctx, func(ctx context.Context) error { r.add("%d", i); return nil }))
		}
		for _, c := range cs {
			_ = c.Join(ctx)
		}
	}, asyncio.With(asyncio.Config{Choose: func(n int) int { return n - 1 }}))
	r.want(t, "3", "2", "1", "0")
}

// A warp is a driver whose clock jumps to the next timer.
type warp struct {
	now  time.Time
	wake chan struct{}
}

func (w *warp) Now() time.Time { return w.now }

func (w *warp) Wait(d time.Duration) {
	if d < 0 {
		<-w.wake
		return
	}
	w.now = w.now.Add(d)
}

func (w *warp) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func TestDriver(t *testing.T) {
	start := time.Now()
	epoch := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	d := &warp{now: epoch, wake: make(chan struct{}, 1)}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		for range 24 {
			if err := strand.Sleep(ctx, time.Hour); err != nil {
				return err
			}
		}
		if got := strand.Now(ctx); got != epoch.Add(24*time.Hour) {
			t.Errorf("the clock shows %v", got)
		}
		return nil
	}, asyncio.With(asyncio.Config{Driver: d, SlowStep: -1}))
	if err != nil {
		t.Error(err)
	}
	if time.Since(start) > time.Hour {
		t.Error("real time has passed")
	}
}

// TestOuterContext parks with the context of the coroutine around the closure.
func TestOuterContext(t *testing.T) {
	loop(t, func(t *testing.T, outer context.Context) {
		var m strand.Mutex
		n := 0
		var cs []*asyncio.Coroutine
		for range 10 {
			cs = append(cs, asyncio.Go(outer, func(context.Context) error {
				if err := m.Lock(outer); err != nil {
					return err
				}
				defer m.Unlock()
				k := n
				_ = strand.Yield(outer)
				n = k + 1
				return nil
			}))
		}
		for _, c := range cs {
			if err := c.Join(outer); err != nil {
				t.Error(err)
			}
		}
		if n != 10 {
			t.Errorf("counted to %d, want 10", n)
		}
	})
}

// TestGoexitAndPanic ends goroutines and panics at once.
func TestGoexitAndPanic(t *testing.T) {
	loop(t, func(t *testing.T, ctx context.Context) {
		for range 10 {
			c := asyncio.Go(ctx, func(context.Context) error {
				defer func() { panic("while it ends") }()
				runtime.Goexit()
				return nil
			})
			if pe, ok := errors.AsType[*engine.PanicError](c.Join(ctx)); !ok || pe.Value != "while it ends" {
				t.Errorf("Join = %v", pe)
			}
		}
	})
}

// TestLockedThread runs a loop for a goroutine that is locked to its thread.
func TestLockedThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		gone := asyncio.Go(ctx, func(context.Context) error { runtime.Goexit(); return nil })
		if err := gone.Join(ctx); !errors.Is(err, engine.ErrGoexit) {
			t.Errorf("Join = %v", err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestGenerations(t *testing.T) {
	loop(t, func(t *testing.T, ctx context.Context) {
		var done strand.Event
		var depth func(n int) func(ctx context.Context) error
		depth = func(n int) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				if n == 0 {
					done.Set()
					return nil
				}
				asyncio.Go(ctx, depth(n-1))
				return nil
			}
		}
		asyncio.Go(ctx, depth(100_000))
		_ = done.Wait(ctx)
	})
}
