package otelspans

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/go-braid/braid/internal/tracecontext"
	"github.com/go-braid/braid/record"
)

// IDs makes the identifiers of traces and spans: those that the record of a run tells, for
// the spans of [Export] with [Config].IDs, and random ones for all others. It is for the
// provider:
//
//	sdktrace.NewTracerProvider(sdktrace.WithIDGenerator(otelspans.IDs{}), …)
type IDs struct{}

// NewIDs returns the identifiers of a trace and of its first span.
func (IDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	c := idOf(ctx)
	return c.Trace, c.Span
}

// NewSpanID returns the identifier of a span in the trace with that identifier.
func (IDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID { return idOf(ctx).Span }

// idKey is the key of the identifiers of the span that is begun with a context.
type idKey struct{}

// withID has [IDs] give those of c, if it is not zero, to the span that is begun with the
// context.
func withID(ctx context.Context, c tracecontext.Context) context.Context {
	if c == (tracecontext.Context{}) {
		return ctx
	}
	return context.WithValue(ctx, idKey{}, c)
}

func idOf(ctx context.Context) tracecontext.Context {
	if c, ok := ctx.Value(idKey{}).(tracecontext.Context); ok {
		return c
	}
	return tracecontext.New()
}

// within returns a context in the trace of a run, and which span of that the run is to be;
// zero if that cannot be told or does not matter.
func within(ctx context.Context, run *record.Run, exact bool) (context.Context, tracecontext.Context) {
	own, err := tracecontext.Parse(run.Trace)
	if err != nil || trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, tracecontext.Context{}
	}
	above, err := tracecontext.Parse(run.TraceParent)
	known := err == nil && above.Trace == own.Trace
	if exact && !known {
		return ctx, own // the first span of its trace
	}
	if !known {
		above = own
	}
	ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: above.Trace, SpanID: above.Span,
		// Whoever exports a run wants to see it, whatever those who began the trace wanted.
		TraceFlags: trace.FlagsSampled,
	}))
	if !exact {
		own = tracecontext.Context{}
	}
	return ctx, own
}
