package otelspans

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

var errTest = errors.New("it failed")

// onEngines runs a test on each engine of this process.
func onEngines(t *testing.T, test func(t *testing.T, open func(l *engine.Listener) braid.Executor)) {
	for name, open := range map[string]func(t *testing.T, l *engine.Listener) braid.Executor{
		"threads": func(t *testing.T, l *engine.Listener) braid.Executor {
			p := threading.NewPool(threading.Config{Workers: 2, Listener: l})
			closed(t, p)
			return p
		},
		"async": func(t *testing.T, l *engine.Listener) braid.Executor {
			p := asyncio.NewLoop(asyncio.Config{Listener: l})
			closed(t, p)
			return p
		},
		"goroutines": func(_ *testing.T, l *engine.Listener) braid.Executor { return engine.NewGoroutines(l) },
		"serial":     func(_ *testing.T, l *engine.Listener) braid.Executor { return engine.NewSerial(l) },
	} {
		t.Run(name, func(t *testing.T) {
			test(t, func(l *engine.Listener) braid.Executor { return open(t, l) })
		})
	}
}

// closed closes an engine at the end of the test.
func closed(t *testing.T, e interface{ Close(context.Context) error }) {
	t.Cleanup(func() {
		if err := e.Close(bg); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
}

// Spans hang together: that of the attempt below the submitter's, and what the body does
// below that of the attempt.
func TestListenerParents(t *testing.T) {
	onEngines(t, func(t *testing.T, open func(*engine.Listener) braid.Executor) {
		p, ended := provider(t)
		ex := open(Listener(p, Config{}))
		inner := braid.Func(func(context.Context, int) (int, error) { return 0, nil }, braid.Name("inner"))
		outer := braid.Func(func(ctx context.Context, n int) (int, error) {
			_, span := p.Tracer("test").Start(ctx, "query")
			span.End()
			return braid.Submit(ctx, ex, inner, n).Await(ctx)
		}, braid.Name("outer"))

		ctx, request := p.Tracer("test").Start(bg, "request")
		if _, err := braid.Submit(ctx, ex, outer, 1).Await(ctx); err != nil {
			t.Fatal(err)
		}
		request.End()

		spans := ended()
		names := make(map[trace.SpanID]string)
		for _, s := range spans {
			names[s.SpanContext.SpanID()] = s.Name
		}
		for name, parent := range map[string]string{"request": "", "outer": "request", "query": "outer", "inner": "outer"} {
			s := one(t, spans, name)
			if got := names[s.Parent.SpanID()]; got != parent {
				t.Errorf("%s is below %q, want %q", name, got, parent)
			}
			if s.SpanContext.TraceID() != request.SpanContext().TraceID() {
				t.Errorf("%s is of another trace", name)
			}
			if s.EndTime.Before(s.StartTime) {
				t.Errorf("%s ends before it begins", name)
			}
		}
		s := one(t, spans, "outer")
		if s.Status.Code != codes.Unset || value(s, "braid.state") != "ok" || value(s, "braid.attempt") != "1" || value(s, "braid.task") != "outer" {
			t.Errorf("the span is\n%s", dump(spans, false))
		}
		if wait, err := strconv.ParseFloat(value(s, "braid.wait"), 64); err != nil || wait < 0 {
			t.Errorf("it waited for %q s", value(s, "braid.wait"))
		}
	})
}

// Each attempt is a span, with a link to the one before it.
func TestListenerRetries(t *testing.T) {
	onEngines(t, func(t *testing.T, open func(*engine.Listener) braid.Executor) {
		p, ended := provider(t)
		ex := open(Listener(p, Config{}))
		attempts := 0
		task := braid.Func(func(context.Context, int) (int, error) {
			if attempts++; attempts < 3 {
				return 0, errTest
			}
			return 0, nil
		}, braid.Name("flaky"), braid.Retry(2), braid.Backoff(-1, 0))
		if _, err := braid.Submit(bg, ex, task, 1).Await(bg); err != nil {
			t.Fatal(err)
		}
		spans := some(t, ended(), "flaky", 3)
		for i, s := range spans {
			if value(s, "braid.attempt") != strconv.Itoa(i+1) {
				t.Errorf("span %d is attempt %s", i, value(s, "braid.attempt"))
			}
			if i > 0 && (len(s.Links) != 1 || !s.Links[0].SpanContext.Equal(spans[i-1].SpanContext)) || i == 0 && len(s.Links) > 0 {
				t.Errorf("attempt %d has the links %v", i+1, s.Links)
			}
			want, status, state := "braid.retry exception", codes.Error, "error"
			if i == 2 {
				want, status, state = "", codes.Unset, "ok"
			}
			if events(s) != want || s.Status.Code != status || value(s, "braid.state") != state {
				t.Errorf("attempt %d has the events %q and the status %v\n%s", i+1, events(s), s.Status, dump(spans, false))
			}
		}
		if d := spans[0].Status.Description; d != "it failed" {
			t.Errorf("the status says %q", d)
		}
	})
}

func TestListenerFailures(t *testing.T) {
	for _, c := range []struct {
		name        string
		body        func(ctx context.Context) error
		opt         braid.Option
		state, kind string
		message     string
	}{
		{"error", func(context.Context) error { return errTest }, nil, "error", "*errors.errorString", "it failed"},
		{"panic", func(context.Context) error { panic("oh") }, nil, "panic", "*engine.PanicError", "panic: oh"},
		{"timeout", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, braid.Timeout(time.Nanosecond), "timeout", "*engine.TimeoutError", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, ended := provider(t)
			var opts []braid.Option
			if c.opt != nil {
				opts = append(opts, c.opt)
			}
			f := braid.Go(bg, engine.NewGoroutines(Listener(p, Config{})), func(ctx context.Context) (int, error) { return 0, c.body(ctx) }, opts...)
			if _, err := f.Await(bg); err == nil {
				t.Fatal("it succeeded")
			}
			s := one(t, ended(), "goroutines") // a closure has the name of its engine
			attr := make(map[string]string)
			for _, a := range s.Events[0].Attributes {
				attr[string(a.Key)] = a.Value.String()
			}
			if value(s, "braid.state") != c.state || attr["exception.type"] != c.kind || events(s) != "exception" {
				t.Errorf("the span is\n%s", dump(tracetest.SpanStubs{s}, false))
			}
			if c.message != "" && (attr["exception.message"] != c.message || s.Status.Description != c.message) {
				t.Errorf("it says %q and %q, want %q", attr["exception.message"], s.Status.Description, c.message)
			}
			if (attr["exception.stacktrace"] != "") != (c.name == "panic") {
				t.Errorf("the stack is %q", attr["exception.stacktrace"])
			}
		})
	}
}

// A task of a worker process has a span here, with the number of the process if it dies.
func TestListenerProcesses(t *testing.T) {
	p, ended := provider(t)
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 1, Listener: Listener(p, Config{})})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, pool)
	ctx, request := p.Tracer("test").Start(bg, "request")
	if _, err := braid.Submit(ctx, pool, ready, 1).Await(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = braid.Submit(ctx, pool, dies, 7).Await(ctx)
	crash, ok := errors.AsType[*engine.CrashError](err)
	if !ok {
		t.Fatalf("the task that ends its process has the error %v", err)
	}
	request.End()
	spans := ended()
	for _, name := range []string{"otelspans.ready", "otelspans.dies"} {
		if s := one(t, spans, name); s.Parent.SpanID() != request.SpanContext().SpanID() {
			t.Errorf("the span %s is not below that of the submitter", name)
		}
	}
	if s := one(t, spans, "otelspans.dies"); value(s, "braid.state") != "crash" || value(s, "process.pid") != strconv.Itoa(crash.PID) {
		t.Errorf("the spans are\n%s", dump(spans, false))
	}
}

// A call that is refused has no span, and nothing is kept of it.
func TestListenerRefused(t *testing.T) {
	p, ended := provider(t)
	o := &observer{tracer: p.Tracer(Name)}
	ex := engine.NewGoroutines(o.listener(Config{}))
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if _, err := braid.Go(ctx, ex, func(context.Context) (int, error) { return 0, nil }).Await(bg); !errors.Is(err, engine.ErrNotStarted) {
		t.Fatalf("the call has the error %v", err)
	}
	if spans := ended(); len(spans) > 0 {
		t.Errorf("there are spans:\n%s", dump(spans, false))
	}
	none(t, o)
}

// none reports calls that are kept although they are complete.
func none(t *testing.T, o *observer) {
	t.Helper()
	o.calls.Range(func(k, v any) bool {
		t.Errorf("call %v is kept", k)
		return true
	})
}

// A wait is a pair of events, and time that the body was parked.
func TestListenerWaits(t *testing.T) {
	p, ended := provider(t)
	pool := threading.NewPool(threading.Config{Workers: 1, Listener: Listener(p, Config{Waits: true})})
	closed(t, pool)
	var gate strand.Event
	waits := braid.Go(bg, pool, func(ctx context.Context) (int, error) { return 0, gate.Wait(ctx) }, braid.Name("waits"))
	// The only slot is free while the first task is parked.
	sets := braid.Go(bg, pool, func(context.Context) (int, error) { gate.Set(); return 0, nil }, braid.Name("sets"))
	for _, f := range []*braid.Future[int]{waits, sets} {
		if _, err := f.Await(bg); err != nil {
			t.Fatal(err)
		}
	}
	s := one(t, ended(), "waits")
	if events(s) != "braid.parked braid.resumed" || value(s, "braid.parked") == "" {
		t.Errorf("the span is\n%s", dump(tracetest.SpanStubs{s}, true))
	}
}

// Many calls at once neither race nor leave anything behind.
func TestListenerMany(t *testing.T) {
	p, ended := provider(t)
	o := &observer{tracer: p.Tracer(Name)}
	pool := threading.NewPool(threading.Config{Workers: 4, Listener: o.listener(Config{Waits: true})})
	closed(t, pool)
	var mu strand.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				f := braid.Go(bg, pool, func(ctx context.Context) (int, error) {
					if err := mu.Lock(ctx); err != nil {
						return 0, err
					}
					defer mu.Unlock()
					return 0, errTest
				}, braid.Name("many"), braid.Retry(1), braid.Backoff(-1, 0))
				if _, err := f.Await(bg); !errors.Is(err, errTest) {
					t.Errorf("the error is %v", err)
				}
			}
		})
	}
	wg.Wait()
	some(t, ended(), "many", 800)
	none(t, o)
}
