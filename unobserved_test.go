package braid_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"weak"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
)

// reports is a listener for failures that nobody has observed.
type reports struct {
	mu        sync.Mutex
	events    []engine.Event
	sentinels int
}

func (r *reports) listener() *engine.Listener {
	return &engine.Listener{Unobserved: func(e engine.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
	}}
}

// of returns the reports of the task.
func (r *reports) of(task string) (events []engine.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Task == task {
			events = append(events, e)
		}
	}
	return events
}

// forget makes a future with f, lets it become garbage, and returns when the
// collector has found that out.
//
//go:noinline
func forget[T any](t *testing.T, f func() *braid.Future[T]) {
	t.Helper()
	var w weak.Pointer[braid.Future[T]]
	func() {
		future := f()
		<-future.Done()
		w = weak.Make(future)
	}()
	collected(t, "a future that nobody holds", func() bool { return w.Value() == nil })
}

// sentinel fails unobserved on ex, and returns when that was reported: reports of
// what became garbage before have been made by then.
func (r *reports) sentinel(t *testing.T, ex braid.Executor) {
	t.Helper()
	for range 2 {
		r.sentinels++
		name := fmt.Sprint("sentinel ", r.sentinels)
		forget(t, func() *braid.Future[int] {
			return braid.Go(bg, ex, func(context.Context) (int, error) { return 0, errTest }, braid.Name(name))
		})
		collected(t, "the failure of the sentinel", func() bool { return len(r.of(name)) > 0 })
	}
}

func TestUnobservedFailureIsReportedOnce(t *testing.T) {
	var r reports
	ex := engine.NewGoroutines(r.listener())
	forget(t, func() *braid.Future[int] {
		return braid.Go(bg, ex, func(context.Context) (int, error) { return 0, errTest },
			braid.Name("probe"), braid.Index(3), braid.Retry(1), braid.Backoff(-1, 0))
	})
	collected(t, "the failure", func() bool { return len(r.of("probe")) > 0 })
	r.sentinel(t, ex)
	es := r.of("probe")
	if len(es) != 1 {
		t.Fatalf("the failure was reported %d times, want once", len(es))
	}
	e := es[0]
	if e.Engine != "goroutines" || e.Index != 3 || e.Attempt != 2 || e.At == 0 {
		t.Errorf("the report is %+v, want index 3, attempt 2 on goroutines", e)
	}
	if te, ok := e.Err.(*braid.TaskError); !ok || te.Task != "probe" {
		t.Errorf("the report's error is %v, want the *TaskError", e.Err)
	}
	isAll(t, e.Err, errTest)
}

func TestNotReported(t *testing.T) {
	var r reports
	ex := engine.NewGoroutines(r.listener())
	fail := func(context.Context) (int, error) { return 0, errTest }
	name := braid.Name("probe")
	for what, f := range map[string]func() *braid.Future[int]{
		"success": func() *braid.Future[int] {
			return braid.Go(bg, ex, func(context.Context) (int, error) { return 1, nil }, name)
		},
		"awaited": func() *braid.Future[int] {
			f := braid.Go(bg, ex, fail, name)
			_, _ = f.Await(bg)
			return f
		},
		"gathered": func() *braid.Future[int] {
			f := braid.Go(bg, ex, fail, name)
			_, _ = braid.Gather(bg, value(1), f, f)
			return f
		},
		"raced": func() *braid.Future[int] {
			f := braid.Go(bg, ex, fail, name)
			_, _ = braid.Race(bg, f, value(1))
			return f
		},
		"cancelled": func() *braid.Future[int] {
			f := braid.Go(bg, ex, forever, name)
			f.Cancel(errWhy)
			return f
		},
		"child of a scope": func() (f *braid.Future[int]) {
			err := braid.Scope(bg, ex, func(ctx context.Context, g *braid.Group) error {
				f = braid.Go(ctx, g, fail, name)
				return nil
			})
			isAll(t, err, errTest)
			return f
		},
	} {
		forget(t, f)
		r.sentinel(t, ex)
		if es := r.of("probe"); len(es) != 0 {
			t.Errorf("%s: reported %v", what, es[0].Err)
		}
	}
}

// These are seen, but nobody has taken the error.
func TestReportedThoughSeen(t *testing.T) {
	fail := func(context.Context) (int, error) { return 0, errTest }
	for what, see := range map[string]func(f *braid.Future[int]){
		"Done": func(f *braid.Future[int]) { <-f.Done() },
		"Wait": func(f *braid.Future[int]) { _, _, _ = braid.Wait(bg, braid.AllCompleted, f) },
		"AsCompleted": func(f *braid.Future[int]) {
			braid.AsCompleted(bg, f)(func(*braid.Future[int], error) bool { return true })
		},
		"an Await that gave up": func(f *braid.Future[int]) {
			ctx, cancel := context.WithCancel(bg)
			cancel()
			_, _ = f.Await(ctx)
		},
	} {
		var r reports
		ex := engine.NewGoroutines(r.listener())
		release := make(chan struct{})
		forget(t, func() *braid.Future[int] {
			f := braid.Go(bg, ex, func(ctx context.Context) (int, error) { <-release; return fail(ctx) }, braid.Name("probe"))
			if what == "an Await that gave up" {
				see(f)
			}
			close(release)
			if what != "an Await that gave up" {
				see(f)
			}
			return f
		})
		collected(t, what+": the failure", func() bool { return len(r.of("probe")) == 1 })
	}
}

func TestQueueTimeoutIsReported(t *testing.T) {
	var r reports
	var host engine.Host
	ex := executorFunc(func(ctx context.Context, c *engine.Call) {
		ctx = c.Submit(ctx, &host)
		<-ctx.Done() // the engine is full
		c.Run(ctx, 1)
	})
	host = engine.Host{Name: "full", Listener: r.listener(), Executor: ex}
	forget(t, func() *braid.Future[int] {
		return braid.Go(bg, ex, forever, braid.Name("probe"), braid.QueueTimeout(1))
	})
	collected(t, "the failure", func() bool { return len(r.of("probe")) == 1 })
	isAll(t, r.of("probe")[0].Err, braid.ErrNotStarted, context.DeadlineExceeded)
}

// lockedBuffer is a log that the runtime's goroutine writes to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestUnobservedFailureIsLogged(t *testing.T) {
	var b lockedBuffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	defer slog.SetDefault(before)

	var heard bool
	for i, ex := range []braid.Executor{
		nil,
		engine.NewGoroutines(&engine.Listener{Finished: func(engine.Event) { heard = true }}),
	} {
		name := fmt.Sprint("logged-", i)
		forget(t, func() *braid.Future[int] {
			return braid.Go(bg, ex, func(context.Context) (int, error) { return 0, errors.New("all is lost") }, braid.Name(name))
		})
		collected(t, "the failure of "+name, func() bool { return strings.Contains(b.String(), "task="+name) })
	}
	if !heard {
		t.Error("the listener without Unobserved has heard nothing")
	}
	line, _, _ := strings.Cut(b.String(), "\n")
	for _, want := range []string{"level=ERROR", "a task failed and nobody awaited it", "all is lost"} {
		if !strings.Contains(line, want) {
			t.Errorf("the line %q lacks %q", line, want)
		}
	}
}
