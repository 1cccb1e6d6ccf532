package threading_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// fails starts a thread that fails with an error of its own name, and returns it.
func fails(name string) *threading.Thread {
	return threading.Go(bg, name, func(context.Context) error { return errors.New(name + " failed") })
}

// saysAll reports an error that does not join errors with these texts, in this order.
func saysAll(t testing.TB, err error, texts ...string) {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Errorf("the error is %v, want several", err)
		return
	}
	var got []string
	for _, err := range joined.Unwrap() {
		text := err.Error()
		if te, ok := errors.AsType[*braid.TaskError](err); ok {
			text = te.Err.Error()
		}
		got = append(got, text)
	}
	if strings.Join(got, "\n") != strings.Join(texts, "\n") {
		t.Errorf("the errors are %q, want %q", got, texts)
	}
}

// Scenario 30: JoinAll waits for threads that threads start, even as they end.
func TestJoinAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := threading.JoinAll(bg); err != nil {
			t.Errorf("JoinAll without threads = %v", err)
		}
		begin := time.Now()
		var generation func(n int) func(context.Context) error
		generation = func(n int) func(context.Context) error {
			return func(ctx context.Context) error {
				if err := strand.Sleep(ctx, time.Second); err != nil {
					return err
				}
				if n > 0 {
					threading.Go(context.WithoutCancel(ctx), fmt.Sprint("generation ", n), generation(n-1))
				}
				return nil
			}
		}
		threading.Go(bg, "first", generation(9))
		threading.AfterFunc(bg, "timer", 5*time.Second, generation(9))
		if err := threading.JoinAll(bg); err != nil {
			t.Errorf("JoinAll = %v", err)
		}
		if d := time.Since(begin); d != 15*time.Second {
			t.Errorf("JoinAll took %v, want the 15 s of the timer and nine generations", d)
		}
		if ts := threading.Threads(); len(ts) != 0 {
			t.Errorf("after JoinAll there are %q", names(ts))
		}
	})
}

// JoinAll returns the failures that nobody has heard of, once.
func TestJoinAllFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails("early")
		joined := fails("joined")
		says(t, joined.Join(bg), "joined failed")
		ctx, cancel := context.WithCancel(bg)
		threading.Go(ctx, "cancelled", func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) })
		threading.Go(bg, "parent", func(ctx context.Context) error {
			_ = fails("child of parent").Join(ctx) // and it can do without
			if err := strand.Sleep(ctx, time.Second); err != nil {
				return err
			}
			return errors.New("parent failed")
		})
		threading.Go(bg, "panics", func(ctx context.Context) error { panic(errTest) })
		synctest.Wait()
		late := fails("late")
		cancel()
		err := threading.JoinAll(bg)
		isAll(t, err, errTest)
		pe, ok := errors.AsType[*braid.PanicError](err)
		if !ok {
			t.Fatalf("JoinAll = %v, want the panic among others", err)
		}
		saysAll(t, err, "early failed", "parent failed", pe.Error(), "late failed")
		says(t, late.Join(bg), "late failed") // who holds it can ask all the same
		if err := threading.JoinAll(bg); err != nil {
			t.Errorf("the second JoinAll = %v", err)
		}
	})
}

func TestJoinAllWithTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(bg, time.Second, errWhy)
		defer cancel()
		threading.Go(bg, "short", func(ctx context.Context) error { return errTest })
		for i := range 10 {
			threading.Go(bg, fmt.Sprint("long ", i), func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) })
		}
		begin := time.Now()
		err := threading.JoinAll(ctx)
		if d := time.Since(begin); d != time.Second {
			t.Errorf("JoinAll took %v, want 1 s", d)
		}
		isAll(t, err, context.DeadlineExceeded, errWhy, errTest)
		says(t, err, `threading: 10 of the threads live on ("long 0", "long 1", "long 2", "long 3", "long 4", "long 5", "long 6", "long 7", …): context deadline exceeded`)
		if n := len(threading.Threads()); n != 10 {
			t.Errorf("%d threads live on, want 10", n)
		}
		if err := threading.JoinAll(bg); err != nil {
			t.Errorf("the second JoinAll = %v", err)
		}
		if err := threading.JoinAll(ctx); err != nil {
			t.Errorf("JoinAll with a context that is done, without threads = %v", err)
		}
	})
}

func TestJoinAllInAThread(t *testing.T) {
	th := threading.Go(bg, "self", threading.JoinAll)
	says(t, th.Join(bg), `JoinAll in the thread "self" would wait for itself`)
	// A task of a pool is none.
	p := open(t, threading.Config{Workers: 1})
	succeeded(t, run(p, threading.JoinAll))
}

// Many wait while many start and end: JoinAll tells of each failure once, whatever was
// reported meanwhile.
func TestJoinAllRace(t *testing.T) {
	hook(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	told := map[string]int{}
	join := func() {
		err := threading.JoinAll(bg)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
				told[err.(*braid.TaskError).Task]++
			}
		}
	}
	const starters, each = 4, 100
	for s := range starters {
		all.Go(func() {
			for i := range each {
				fails(fmt.Sprint(s, " ", i))
				if i%5 == 4 { // or there might be too many of them reported
					join()
				}
			}
		})
	}
	all.Go(func() {
		for range 10 {
			runtime.GC()
		}
	})
	all.Wait()
	join()
	if len(told) != starters*each {
		t.Errorf("%d failures were told, want %d", len(told), starters*each)
	}
	for name, n := range told {
		if n != 1 {
			t.Errorf("the failure of %s was told %d times", name, n)
		}
	}
}

// What JoinAll returns does not depend on what the garbage collector has found out;
// but reported failures are kept up to a bound only.
func TestJoinAllAfterReports(t *testing.T) {
	const kept, more = 64, 3
	r := hook(t)
	report := func(from, to int) {
		for i := from; i < to; i++ {
			forget(func() *threading.Thread { return fails(fmt.Sprintf("reported %02d", i)) })
		}
		collected(t, "one of the failures", func() bool { return r.count() == to })
	}
	report(0, kept)
	report(kept, kept+more)
	last := fails("not reported")
	var want []string
	for i := range kept {
		want = append(want, fmt.Sprintf("reported %02d failed", i))
	}
	want = append(want, "not reported failed", "threading: 3 more threads have failed, which was reported")
	saysAll(t, threading.JoinAll(bg), want...)
	if err := threading.JoinAll(bg); err != nil {
		t.Errorf("the second JoinAll = %v", err)
	}
	runtime.KeepAlive(last)
}

// forgive has failures that a test leaves behind taken at its end, so that JoinAll
// does not tell a later test of them.
func forgive(t *testing.T) {
	t.Cleanup(func() { _ = threading.JoinAll(bg) })
}

// hook has the reports of unobserved failures appended to what it returns, until the
// end of the test.
func hook(t *testing.T) *reports {
	r := new(reports)
	before := threading.SetListener(&engine.Listener{Unobserved: r.hear})
	t.Cleanup(func() { threading.SetListener(before) })
	forgive(t)
	return r
}

type reports struct {
	mu        sync.Mutex
	events    []engine.Event
	sentinels int
}

func (r *reports) hear(e engine.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *reports) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.events)
}

// of returns the reports of the thread of that name.
func (r *reports) of(name string) (events []engine.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Task == name {
			events = append(events, e)
		}
	}
	return events
}

// forget starts a thread with start, waits for its end without joining it, and lets
// it become garbage.
//
//go:noinline
func forget(start func() *threading.Thread) {
	for th := start(); th.Alive(); {
		runtime.Gosched()
	}
}

// sentinel fails unobserved, and returns when that was reported: reports of what
// became garbage before have been made by then.
func (r *reports) sentinel(t *testing.T) {
	t.Helper()
	for range 2 {
		r.sentinels++
		name := fmt.Sprint("sentinel ", r.sentinels)
		forget(func() *threading.Thread { return fails(name) })
		collected(t, "the failure of the sentinel", func() bool { return len(r.of(name)) > 0 })
	}
}

// Scenario 32: the hook hears of a failure that nobody can hear of any more, with its
// stack if it is a panic, and of nothing else.
func TestUnobservedHook(t *testing.T) {
	r := hook(t)
	forget(func() *threading.Thread {
		return threading.Go(bg, "forgotten", func(context.Context) error { panic(errTest) })
	})
	collected(t, "the failure", func() bool { return len(r.of("forgotten")) > 0 })
	for name, start := range map[string]func() *threading.Thread{
		"succeeded": func() *threading.Thread { return threading.Go(bg, "succeeded", nothing) },
		"joined":    func() *threading.Thread { th := fails("joined"); _ = th.Join(bg); return th },
		"joined by JoinAll": func() *threading.Thread {
			th := fails("joined by JoinAll")
			_ = threading.JoinAll(bg)
			return th
		},
		"cancelled": func() *threading.Thread {
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			return threading.Go(ctx, "cancelled", func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) })
		},
		"timer": func() *threading.Thread {
			tm := threading.AfterFunc(bg, "timer", time.Hour, nothing)
			tm.Cancel()
			return tm.Thread
		},
	} {
		forget(start)
		r.sentinel(t)
		if es := r.of(name); len(es) != 0 {
			t.Errorf("%s: reported %v", name, es[0].Err)
		}
	}
	es := r.of("forgotten")
	if len(es) != 1 {
		t.Fatalf("the failure was reported %d times, want once", len(es))
	}
	e := es[0]
	if e.Engine != "thread" || e.Attempt != 1 || e.Call == 0 || e.At == 0 {
		t.Errorf("the report is %+v", e)
	}
	isAll(t, e.Err, errTest)
	if pe, ok := errors.AsType[*braid.PanicError](e.Err); !ok || !strings.Contains(string(pe.Stack), "TestUnobservedHook") {
		t.Errorf("the report's error is %v, want the panic with its stack", e.Err)
	}
}

// Scenario 32: a hook that fails does not take the program along, nor the failure.
func TestUnobservedHookFails(t *testing.T) {
	forgive(t)
	var log safeBuilder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	for name, hook := range map[string]func(engine.Event){
		"panics":             func(engine.Event) { panic("the hook is broken") },
		"ends its goroutine": func(engine.Event) { runtime.Goexit() },
	} {
		previous := threading.SetListener(&engine.Listener{Unobserved: hook})
		forget(func() *threading.Thread { return fails(name) })
		threading.SetListener(previous)
		collected(t, name+": the failure", func() bool { return strings.Contains(log.String(), name+" failed") })
		if s := log.String(); !strings.Contains(s, "a listener failed") {
			t.Errorf("%s: the log %q says nothing of the hook", name, s)
		}
	}
	if s := log.String(); !strings.Contains(s, "the hook is broken") {
		t.Errorf("the log %q says nothing of the hook's panic", s)
	}
}

// The listener of a thread is the one that was set when it was started.
func TestSetListener(t *testing.T) {
	var d diary
	l := d.listener()
	if before := threading.SetListener(l); before != nil {
		t.Errorf("there was the listener %v before", before)
	}
	gate := make(chan struct{})
	th := threading.Go(bg, "heard", func(context.Context) error { <-gate; return nil })
	if got := threading.SetListener(nil); got != l {
		t.Errorf("SetListener returned %v, want the one that was set", got)
	}
	if err := threading.Go(bg, "unheard", nothing).Join(bg); err != nil {
		t.Error(err)
	}
	close(gate)
	if err := th.Join(bg); err != nil {
		t.Error(err)
	}
	d.is(t, "submitted", "started", "finished")
}

// The events of a thread are those of a task in a pool.
func TestEventsOfAThread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		defer threading.SetListener(threading.SetListener(d.listener()))
		var event, late strand.Event
		release := make(chan struct{})
		th := threading.Go(bg, "heard", func(ctx context.Context) error {
			if err := event.Wait(ctx); err != nil {
				return err
			}
			go func() { // it parks in the thread's name, after its end
				<-release
				_ = late.Wait(context.WithoutCancel(ctx))
			}()
			return strand.Sleep(ctx, time.Second) // no parking
		})
		synctest.Wait()
		d.is(t, "submitted", "started", "parked")
		event.Set()
		if err := th.Join(bg); err != nil {
			t.Error(err)
		}
		close(release)
		synctest.Wait()
		late.Set()
		synctest.Wait()
		d.is(t, "submitted", "started", "parked", "resumed", "finished")

		var d2 diary
		defer threading.SetListener(threading.SetListener(d2.listener()))
		tm := threading.AfterFunc(bg, "timer", time.Hour, nothing)
		synctest.Wait()
		d2.is(t, "submitted")
		tm.Cancel()
		d2.is(t, "submitted", "finished")
	})
}
