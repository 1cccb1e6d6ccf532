package threading_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// The function runs once, when its time has come, and the thread's end is its.
func TestTimer(t *testing.T) {
	for name, c := range map[string]struct {
		fn   func(context.Context) error
		want error
	}{
		"nil":    {nothing, nil},
		"error":  {func(context.Context) error { return errTest }, errTest},
		"panic":  {func(context.Context) error { panic(errTest) }, errTest},
		"Goexit": {func(context.Context) error { runtime.Goexit(); return nil }, braid.ErrGoexit},
	} {
		for _, d := range []time.Duration{-time.Second, 0, time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var ran []time.Duration
				tm := threading.AfterFunc(bg, name, d, func(ctx context.Context) error {
					ran = append(ran, time.Since(begin))
					if self, ok := threading.Current(ctx); !ok || self.Name() != name {
						t.Errorf("%s: the timer's thread is %v, %v", name, self, ok)
					}
					return c.fn(ctx)
				})
				err := tm.Join(bg)
				if c.want == nil && err != nil {
					t.Errorf("%s: Join = %v", name, err)
				}
				if c.want != nil {
					isAll(t, err, c.want)
				}
				if want := []time.Duration{max(d, 0)}; !slices.Equal(ran, want) {
					t.Errorf("%s: it ran after %v, want %v", name, ran, want)
				}
				if tm.Alive() || tm.Name() != name {
					t.Errorf("%s: alive = %v, name = %q", name, tm.Alive(), tm.Name())
				}
				if tm.Cancel() {
					t.Errorf("%s: Cancel was in time after the end", name)
				}
			})
		}
	}
}

// While it waits, a timer is a thread that sleeps, and has no goroutine.
func TestTimerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		var timers []*threading.Timer
		for range 100 {
			timers = append(timers, threading.AfterFunc(bg, "later", time.Hour, nothing))
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 10 { // others' may come and go
			t.Errorf("100 timers have %d goroutines, want none", n)
		}
		if got := threading.Threads(); len(got) != 100 || got[0] != timers[0].Thread || got[99] != timers[99].Thread {
			t.Errorf("there are %d threads, want the 100 timers in the order of their start", len(got))
		}
		if op, ok := timers[0].Waiting(); !ok || op != (strand.Op{Kind: strand.OpSleep}) || !timers[0].Alive() {
			t.Errorf("a timer waits for %v, %v, alive: %v", op, ok, timers[0].Alive())
		}
		if err := threading.JoinAll(bg); err != nil {
			t.Errorf("JoinAll = %v", err)
		}
		if op, ok := timers[0].Waiting(); ok {
			t.Errorf("a timer that has ended waits for %v", op)
		}
	})
}

func TestTimerCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := threading.AfterFunc(bg, "cancelled", time.Hour, func(context.Context) error {
			t.Error("a timer ran that was cancelled")
			return nil
		})
		time.Sleep(time.Hour - 1)
		if !tm.Cancel() {
			t.Error("Cancel was late, a nanosecond before the time")
		}
		if tm.Alive() || len(threading.Threads()) != 0 {
			t.Error("a cancelled timer is alive")
		}
		err := tm.Join(bg)
		isAll(t, err, braid.ErrNotStarted, context.Canceled)
		says(t, err, "the timer was cancelled")
		if tm.Cancel() {
			t.Error("the second Cancel was in time")
		}
		if err := threading.JoinAll(bg); err != nil {
			t.Errorf("JoinAll = %v, want nothing of a timer that was cancelled", err)
		}
	})
}

// Cancel is late once the function runs, and does nothing to it.
func TestTimerCancelLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := threading.AfterFunc(bg, "runs", time.Second, func(ctx context.Context) error {
			return strand.Sleep(ctx, time.Second)
		})
		time.Sleep(time.Second)
		synctest.Wait()
		if tm.Cancel() {
			t.Error("Cancel was in time, though the function runs")
		}
		if err := tm.Join(bg); err != nil {
			t.Errorf("Join = %v", err)
		}
	})
}

func TestTimerContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		var ended []error
		tm := threading.AfterFunc(ctx, "waits", time.Hour, func(context.Context) error {
			t.Error("a timer ran whose context was done")
			return nil
		})
		running := threading.AfterFunc(ctx, "runs", time.Minute, func(ctx context.Context) error {
			return strand.Sleep(ctx, time.Hour)
		})
		time.Sleep(2 * time.Minute)
		cancel(errWhy)
		for _, th := range []*threading.Timer{tm, running} {
			ended = append(ended, th.Join(bg))
		}
		isAll(t, ended[0], braid.ErrNotStarted, context.Canceled, errWhy)
		isAll(t, ended[1], context.Canceled, errWhy)
		isNone(t, ended[1], braid.ErrNotStarted)
		if tm.Cancel() {
			t.Error("Cancel was in time after the context was done")
		}

		late := threading.AfterFunc(ctx, "too late", time.Hour, nothing)
		isAll(t, late.Join(bg), braid.ErrNotStarted, errWhy)
	})
}

// Of all who decide at the same time what becomes of a timer, one does.
func TestTimerRace(t *testing.T) {
	for range 500 {
		var ran, inTime atomic.Int32
		ctx, cancel := context.WithCancel(bg)
		tm := threading.AfterFunc(ctx, "raced", time.Nanosecond, func(context.Context) error {
			ran.Add(1)
			return nil
		})
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if tm.Cancel() {
					inTime.Add(1)
				}
			})
		}
		all.Go(cancel)
		err := tm.Join(bg)
		all.Wait()
		switch r, c := ran.Load(), inTime.Load(); {
		case r > 1 || c > 1 || r+c > 1:
			t.Fatalf("it ran %d times, and %d cancels were in time", r, c)
		case r == 1 && err != nil:
			t.Fatalf("it ran, and Join = %v", err)
		case r == 0:
			isAll(t, err, braid.ErrNotStarted, context.Canceled)
		}
	}
}

// A timer that has ended keeps nothing alive, whichever way it has.
func TestTimerKeepsNothing(t *testing.T) {
	for name, end := range map[string]func(*threading.Timer){
		"ran":       func(tm *threading.Timer) {},
		"cancelled": func(tm *threading.Timer) { tm.Cancel() },
	} {
		var timers []*threading.Timer
		var dropped atomic.Bool
		func() {
			l := new([1 << 10]byte)
			runtime.AddCleanup(l, func(struct{}) { dropped.Store(true) }, struct{}{})
			d := time.Hour
			if name == "ran" {
				d = 0
			}
			tm := threading.AfterFunc(bg, name, d, func(context.Context) error { l[0]++; return nil })
			end(tm)
			_ = tm.Join(bg)
			timers = append(timers, tm)
		}()
		collected(t, name+": the function", dropped.Load)
		runtime.KeepAlive(timers)
	}
}

func TestTimerMisuse(t *testing.T) {
	panicText(t, `threading: the thread "x" has no function: fn is nil`, func() { threading.AfterFunc(bg, "x", 1, nil) })
	panicText(t, `threading: the thread "x" has no function: fn is nil`, func() { threading.Go(bg, "x", nil) })
	panicText(t, `threading: the ticker "x" has no function: fn is nil`, func() { threading.Every(bg, "x", 1, nil) })
	for _, period := range []time.Duration{0, -time.Second} {
		panicText(t, `threading: the period of the ticker "x" is `+period.String()+`: it must be positive`,
			func() { threading.Every(bg, "x", period, nothing) })
	}
	if ts := threading.Threads(); len(ts) != 0 {
		t.Errorf("there are threads that never were: %q", names(ts))
	}
}
