package otelspans

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

var ready = braid.Define("otelspans.ready", func(context.Context, int) (int, error) { return 0, nil })

func TestMain(m *testing.M) {
	multiprocessing.Main()
	// A program under the race detector sleeps for a second before it exits, and so
	// would every worker.
	_ = os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	// The goroutine that starts processes never ends. It is started here, so that no
	// test takes it for a leak.
	p, err := multiprocessing.Start(bg, ready, 0)
	if err == nil {
		err = p.Join(bg)
	}
	if err != nil {
		log.Fatal(err)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

var bg = context.Background()

// provider returns a provider, and what gives the spans that have ended, in the order in
// which they began.
func provider(t testing.TB) (*sdktrace.TracerProvider, func() tracetest.SpanStubs) {
	t.Helper()
	e := tracetest.NewInMemoryExporter()
	p := sdktrace.NewTracerProvider(sdktrace.WithSyncer(e))
	t.Cleanup(func() {
		if err := p.Shutdown(bg); err != nil {
			t.Error(err)
		}
	})
	return p, func() tracetest.SpanStubs {
		spans := e.GetSpans()
		slices.SortStableFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
		return spans
	}
}

// one returns the only span of that name.
func one(t testing.TB, spans tracetest.SpanStubs, name string) tracetest.SpanStub {
	t.Helper()
	return some(t, spans, name, 1)[0]
}

// some returns the n spans of that name.
func some(t testing.TB, spans tracetest.SpanStubs, name string, n int) tracetest.SpanStubs {
	t.Helper()
	var found tracetest.SpanStubs
	for _, s := range spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != n {
		t.Fatalf("there are %d spans %q, want %d, among\n%s", len(found), name, n, dump(spans, false))
	}
	return found
}

// value returns an attribute as text.
func value(s tracetest.SpanStub, key string) string {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

// events returns the names of a span's events.
func events(s tracetest.SpanStub) string {
	var names []string
	for _, e := range s.Events {
		names = append(names, e.Name)
	}
	return strings.Join(names, " ")
}

// dump writes spans as text. Identifiers are random, so spans are named by their places.
func dump(spans tracetest.SpanStubs, times bool) string {
	place := func(id fmt.Stringer) string {
		i := slices.IndexFunc(spans, func(s tracetest.SpanStub) bool { return s.SpanContext.SpanID().String() == id.String() })
		if i < 0 {
			return "-"
		}
		return fmt.Sprint(i)
	}
	var b strings.Builder
	for i, s := range spans {
		fmt.Fprintf(&b, "%d %q below %s, %s\n", i, s.Name, place(s.Parent.SpanID()), s.SpanKind)
		if times {
			fmt.Fprintf(&b, "  from %s to %s\n", s.StartTime.Format("15:04:05.000000"), s.EndTime.Format("15:04:05.000000"))
		}
		list := func(attrs []attribute.KeyValue, indent string) {
			for _, a := range attrs {
				fmt.Fprintf(&b, "%s%s: %s %q\n", indent, a.Key, a.Value.Type(), a.Value.String())
			}
		}
		list(s.Attributes, "  ")
		for _, l := range s.Links {
			fmt.Fprintf(&b, "  after %s\n", place(l.SpanContext.SpanID()))
		}
		for _, e := range s.Events {
			fmt.Fprintf(&b, "  event %s", e.Name)
			if times {
				fmt.Fprintf(&b, " at %s", e.Time.Format("15:04:05.000000"))
			}
			b.WriteByte('\n')
			list(e.Attributes, "    ")
		}
		if s.Status.Description != "" || s.Status.Code != 0 {
			fmt.Fprintf(&b, "  status %s %q\n", s.Status.Code, s.Status.Description)
		}
	}
	return b.String()
}

// dies ends its process.
var dies = braid.Define("otelspans.dies", func(context.Context, int) (int, error) {
	os.Exit(3)
	return 0, nil
})
