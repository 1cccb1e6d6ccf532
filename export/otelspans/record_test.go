package otelspans

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-braid/braid/internal/tracecontext"
	"github.com/go-braid/braid/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

func at(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

var began = &record.Run{
	Schema: record.Schema, ID: "01JDQ6X9ZK8V3M5N7P9R1T3W5Y", Wall: time.Date(2026, 11, 27, 18, 20, 1, 123456000, time.UTC),
	Host: "build-7", PID: 4242, Name: "nightly", Task: "sha256",
}

func reader(lines ...record.Line) *record.Reader {
	var b []byte
	for _, l := range append([]record.Line{began}, lines...) {
		b = record.Append(b, l)
	}
	return record.NewReader(bytes.NewReader(b))
}

func sample() *record.Reader {
	return reader(
		&record.Engine{Number: 1, Name: "threads", Kind: "threads", Limit: 2},
		&record.Input{Time: at(0.3), Number: 0, Text: "a.txt"},
		&record.Input{Time: at(0.4), Number: 1, Text: "b.txt"},
		&record.Span{Start: at(2), End: at(6), Call: 1, Engine: 1, Worker: 1, Input: 0, Attempt: 1, Queued: at(1), Task: "sha256", State: record.StateOK, CPU: at(3.2), Parked: at(1), Last: true},
		&record.Error{Number: 1, Kind: record.StateError, Print: "00112233445566aa", Text: "no such file"},
		&record.Span{Start: at(3), End: at(4), Call: 3, Engine: 1, Worker: 2, Input: 1, Attempt: 1, Queued: at(1.5), Task: "sha256", State: record.StateError, Err: 1},
		&record.Retry{Time: at(4), Call: 3, Input: 1, Attempt: 1, Delay: at(2)},
		&record.Span{Start: at(6.5), End: at(7), Call: 3, Engine: 1, Worker: 1, Input: 1, Attempt: 2, Queued: at(6), Task: "sha256", State: record.StateOK, Last: true},
		&record.Mark{Time: at(8), Kind: "resize", Text: "2 → 4", Engine: 1},
		&record.Error{Number: 2, Kind: record.StateCrash, Print: "ffeeddccbbaa9988", Text: "process 777 was killed by SIGKILL", Stack: "goroutine 1 …"},
		&record.Span{Start: at(10), End: at(14), Call: 4, Engine: 1, Worker: 1, Input: 1, Attempt: 1, Queued: at(9.75), Task: "sha256", State: record.StateCrash, PID: 777, CPU: at(3.9), RSS: 9 << 20, Exit: 2, Signal: "SIGKILL", Err: 2, Last: true},
		&record.Span{Start: at(15), End: at(15), Call: 8, Engine: 1, Input: 3, Attempt: 1, Queued: at(14), Task: "sha256", State: record.StateRefused, Last: true},
		&record.Start{Start: at(23), Call: 10, Engine: 1, Worker: 2, Input: 2, Attempt: 1, Queued: at(21.5), Task: "sha256"},
		&record.End{Time: at(26), Verdict: "failed", Exit: 3, OK: 2, Failed: 1, Stopped: 1, Total: 4},
	)
}

func TestExport(t *testing.T) {
	p, ended := provider(t)
	if err := Export(bg, sample(), p, Config{Inputs: true}); err != nil {
		t.Fatal(err)
	}
	const path = "testdata/spans.txt"
	got := dump(ended(), true)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the spans are not those in %s, but\n%s", path, got)
	}
}

// The run goes below the span of the context. Without Config.Inputs no text leaves.
func TestExportParent(t *testing.T) {
	p, ended := provider(t)
	ctx, job := p.Tracer("test").Start(bg, "job")
	if err := Export(ctx, sample(), p, Config{}); err != nil {
		t.Fatal(err)
	}
	job.End()
	spans := ended()
	if s := one(t, spans, "nightly"); s.Parent.SpanID() != job.SpanContext().SpanID() {
		t.Error("the run is not below the span of the context")
	}
	if text := dump(spans, false); strings.Contains(text, "a.txt") {
		t.Errorf("an input left:\n%s", text)
	}
}

// The spans are of the trace that the commands of the run were told, and with IDs the very
// ones that these were told.
func TestExportTrace(t *testing.T) {
	caller := tracecontext.New()
	caller.Flags = 0 // whoever exports wants to see it
	run := tracecontext.Start(caller)
	for _, c := range []struct {
		name          string
		trace, parent string
		ids, inside   bool
		want          tracecontext.Context // the span of the run; without a span, the trace is what counts
		below         [8]byte
	}{
		{"told by somebody", run.String(), caller.String(), true, false, run, caller.Span},
		{"told by nobody", run.String(), "", true, false, run, [8]byte{}},
		{"by another trace", run.String(), tracecontext.New().String(), true, false, run, [8]byte{}},
		{"other IDs, told by somebody", run.String(), caller.String(), false, false, tracecontext.Context{Trace: run.Trace}, caller.Span},
		{"other IDs, told by nobody", run.String(), "", false, false, tracecontext.Context{Trace: run.Trace}, run.Span},
		{"broken", "nonsense", caller.String(), true, false, tracecontext.Context{}, [8]byte{}},
		{"in a span", run.String(), caller.String(), true, true, tracecontext.Context{}, [8]byte{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := tracetest.NewInMemoryExporter()
			opts := []sdktrace.TracerProviderOption{sdktrace.WithSyncer(e)}
			if c.ids {
				opts = append(opts, sdktrace.WithIDGenerator(IDs{}))
			}
			p := sdktrace.NewTracerProvider(opts...)
			ctx := bg
			if c.inside {
				var job trace.Span
				ctx, job = p.Tracer("test").Start(ctx, "job")
				defer job.End()
				c.want.Trace, c.below = job.SpanContext().TraceID(), job.SpanContext().SpanID()
			}
			head := *began
			head.Trace, head.TraceParent = c.trace, c.parent
			var log []byte
			for _, l := range []record.Line{
				&head,
				&record.Span{Start: at(1), End: at(2), Call: 1, Input: 7, Attempt: 1, Task: "first", State: record.StateError},
				&record.Span{Start: at(2), End: at(3), Call: 1, Input: 7, Attempt: 2, Task: "second", State: record.StateOK, Last: true},
			} {
				log = record.Append(log, l)
			}
			if err := Export(ctx, record.NewReader(bytes.NewReader(log)), p, Config{IDs: c.ids}); err != nil {
				t.Fatal(err)
			}
			spans := e.GetSpans()
			root := one(t, spans, "nightly")
			if got := root.Parent.SpanID(); got != c.below {
				t.Errorf("the run is below %v, want %x", got, c.below)
			}
			if got := root.SpanContext; c.want.Span != [8]byte{} && got.SpanID() != c.want.Span || c.want.Trace != [16]byte{} && got.TraceID() != c.want.Trace {
				t.Errorf("the run is span %v of %v, want %x of %x", got.SpanID(), got.TraceID(), c.want.Span, c.want.Trace)
			}
			for attempt, name := range []string{1: "first", 2: "second"} {
				if attempt == 0 {
					continue
				}
				got, told := one(t, spans, name), run.Child(7, attempt)
				if got.Parent.SpanID() != root.SpanContext.SpanID() || got.SpanContext.TraceID() != root.SpanContext.TraceID() {
					t.Errorf("the %s attempt is not below the run", name)
				}
				if exact := got.SpanContext.SpanID() == told.Span; exact != (c.want.Span != [8]byte{}) {
					t.Errorf("the %s attempt is span %v; its command was told %x", name, got.SpanContext.SpanID(), told.Span)
				}
			}
		})
	}
}

// A processor that sends batches, and drops what it has no room for, gets everything.
func TestExportLosesNothing(t *testing.T) {
	const n = 20_000
	var lines []record.Line
	for i := range n {
		lines = append(lines, &record.Span{
			Start: at(float64(i)), End: at(float64(i + 1)), Call: uint64(i + 1), Engine: 1, Input: i, Attempt: 1, Task: "t", State: record.StateOK, Last: true,
		})
	}
	e := tracetest.NewInMemoryExporter()
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(e))
	if err := Export(bg, reader(lines...), p, Config{}); err != nil {
		t.Fatal(err)
	}
	if got := len(e.GetSpans()); got != n+1 {
		t.Errorf("%d spans arrived of %d", got, n+1)
	}
	if err := p.Shutdown(bg); err != nil {
		t.Fatal(err)
	}
}

// The attempts of a call are in any order in a record.
func TestExportOrder(t *testing.T) {
	p, ended := provider(t)
	err := Export(bg, reader(
		&record.Input{Number: 4, Text: "x"},
		&record.Span{Start: at(6), End: at(7), Queued: at(5), Call: 1, Input: 4, Attempt: 2, Task: "t", State: record.StateOK, Last: true},
		&record.Span{Start: at(2), End: at(3), Queued: at(1), Call: 1, Input: 4, Attempt: 1, Task: "t", State: record.StateError},
	), p, Config{Inputs: true})
	if err != nil {
		t.Fatal(err)
	}
	s := some(t, ended(), "t", 2)
	if len(s[0].Links) != 0 || len(s[1].Links) != 1 || !s[1].Links[0].SpanContext.Equal(s[0].SpanContext) {
		t.Errorf("the links are %v and %v", s[0].Links, s[1].Links)
	}
	if events(s[0]) != "exception braid.retry" || s[0].Events[1].Attributes[0].Value.String() != "0.002" || value(s[0], "braid.input") != "x" {
		t.Errorf("the spans are\n%s", dump(s, true))
	}
}

// A run without an end, and attempts whose last word is a failure that was to be retried.
func TestExportUnfinished(t *testing.T) {
	p, ended := provider(t)
	err := Export(bg, reader(
		&record.Span{Start: at(1), End: at(2), Call: 1, Attempt: 1, Task: "waits", State: record.StateError},
		&record.Start{Start: at(3), Call: 2, Attempt: 1, Task: "runs"},
	), p, Config{})
	if err != nil {
		t.Fatal(err)
	}
	spans := ended()
	for name, want := range map[string]time.Duration{"waits": at(2), "runs": at(3), "nightly": at(3)} {
		if s := one(t, spans, name); !s.EndTime.Equal(began.Wall.Add(want)) {
			t.Errorf("%s ends at %v, want %v", name, s.EndTime, want)
		}
	}
	if v := value(one(t, spans, "nightly"), "braid.run.verdict"); v != "unfinished" {
		t.Errorf("the verdict is %q", v)
	}
}

func TestExportErrors(t *testing.T) {
	p, ended := provider(t)
	if err := Export(bg, record.NewReader(strings.NewReader("")), p, Config{}); !errors.Is(err, record.ErrNoLog) {
		t.Errorf("Export of nothing = %v", err)
	}
	if err := Export(bg, record.NewReader(strings.NewReader("{}\n")), p, Config{}); !errors.Is(err, record.ErrNoLog) {
		t.Errorf("Export of something else = %v", err)
	}
	broken := record.Append(nil, began)
	broken = append(broken, "{\n"...)
	broken = record.Append(broken, &record.Span{Start: at(1), End: at(2), Call: 1, Attempt: 1, Task: "t", State: record.StateOK, Last: true})
	err := Export(bg, record.NewReader(bytes.NewReader(broken)), p, Config{})
	if s, ok := errors.AsType[*record.SyntaxError](err); !ok || s.Line != 2 {
		t.Errorf("Export = %v, want a SyntaxError of line 2", err)
	}
	one(t, ended(), "t")

	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(bg)
	cancel(why)
	if err := Export(ctx, sample(), p, Config{}); !errors.Is(err, why) {
		t.Errorf("Export = %v, want %v", err, why)
	}
}
