package otelspans

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-braid/braid/internal/tracecontext"
	"github.com/go-braid/braid/record"
)

// flushEvery is after how many spans Export has a provider send them.
const flushEvery = 500

// Export makes spans of the record that r reads, with a tracer of p and the times of the
// record: one for the run, named after it, below the span of ctx if there is one; and
// below that, one for each attempt. Attempts of which the record does not tell the end
// last to the end of the record, and have the state "unfinished".
//
// A run of braid is part of a trace, which each of its commands is told by TRACEPARENT, and
// the spans are of that trace, unless there is a span in ctx. With [IDs] they are the spans
// that the commands were told, so that what commands have traced themselves is below them,
// and the span of the run is below the one that the run was told. Without, they have other
// identifiers, and stand beside what the commands traced.
//
// Every 500 spans Export has the provider send what it has, if it has a method
// ForceFlush(context.Context) error, as that of the SDK has: otherwise a processor that
// sends batches would throw away what comes faster than it can send. Export waits for that,
// and ends with its error, or with that of ctx, when ctx is done.
//
// Lines of the record that are broken are left out, and the error is the first of them, a
// *[record.SyntaxError], when all else is told. Other errors are of the reader or of
// ForceFlush. Whatever happens, the spans that were begun are ended.
func Export(ctx context.Context, r *record.Reader, p trace.TracerProvider, cfg Config) error {
	first, err := r.Next()
	if err != nil {
		if err == io.EOF {
			err = record.ErrNoLog // not even begun
		}
		return err
	}
	run := first.(*record.Run)
	x := &exporter{
		tracer: p.Tracer(Name), cfg: cfg, run: run,
		engines: make(map[int]*record.Engine), inputs: make(map[int]string), errors: make(map[int]*record.Error),
		calls: make(map[uint64][]*record.Span), starts: make(map[start]*record.Start),
	}
	x.flusher, _ = p.(interface{ ForceFlush(context.Context) error })
	ctx, x.trace = within(ctx, run, cfg.IDs)
	x.ctx, x.root = x.tracer.Start(withID(ctx, x.trace), cmp.Or(run.Name, run.Task, "braid"), trace.WithTimestamp(run.Wall),
		trace.WithAttributes(texts("braid.run.id", run.ID, "braid.run.parent", run.Parent, "host.name", run.Host)...),
		trace.WithAttributes(attribute.Int("process.pid", run.PID)))
	err = x.read(r)
	x.close()
	if err == nil {
		err = x.flush()
	}
	if err == nil && x.broken != nil {
		return x.broken
	}
	return err
}

// An exporter is what has to be known of the lines that were read, to understand further
// ones.
type exporter struct {
	ctx     context.Context // with the span of the run
	root    trace.Span
	tracer  trace.Tracer
	cfg     Config
	run     *record.Run
	trace   tracecontext.Context // the span of the run, if the provider makes spans as it is told
	engines map[int]*record.Engine
	inputs  map[int]string
	errors  map[int]*record.Error
	calls   map[uint64][]*record.Span // attempts at calls of which not all have been told
	starts  map[start]*record.Start   // attempts that run
	last    time.Duration
	end     *record.End
	broken  *record.SyntaxError

	flusher interface{ ForceFlush(context.Context) error }
	spans   int // since the last flush
}

// A start is an attempt that runs.
type start struct {
	call    uint64
	attempt int
}

func (x *exporter) read(r *record.Reader) error {
	for {
		line, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if broken, ok := errors.AsType[*record.SyntaxError](err); ok {
			if x.broken == nil {
				x.broken = broken
			}
			continue
		}
		if err != nil {
			return err
		}
		switch l := line.(type) {
		case *record.Engine:
			x.engines[l.Number] = l
		case *record.Input:
			if x.cfg.Inputs {
				x.inputs[l.Number] = l.Text
			}
		case *record.Error:
			x.errors[l.Number] = l
		case *record.Start:
			x.starts[start{l.Call, l.Attempt}] = l
			x.last = max(x.last, l.Start)
		case *record.Span:
			x.span(l)
			if x.spans >= flushEvery {
				if err := x.flush(); err != nil {
					return err
				}
			}
		case *record.Sample:
			x.last = max(x.last, l.Time)
		case *record.Mark:
			x.last = max(x.last, l.Time)
			x.root.AddEvent("braid."+cmp.Or(l.Kind, "mark"), trace.WithTimestamp(x.at(l.Time)), trace.WithAttributes(texts("braid.text", l.Text)...))
		case *record.End:
			x.end, x.last = l, max(x.last, l.Time)
		}
	}
}

func (x *exporter) at(t time.Duration) time.Time { return x.run.Wall.Add(t) }

// flush waits until the provider has sent what it has.
func (x *exporter) flush() error {
	x.spans = 0
	if err := x.ctx.Err(); err != nil {
		return context.Cause(x.ctx)
	}
	if x.flusher == nil {
		return nil
	}
	return x.flusher.ForceFlush(x.ctx)
}

// span deals with an attempt. Those of a call come in any order, and each has a link to the
// one before, so they are told of when all are there.
func (x *exporter) span(s *record.Span) {
	x.last = max(x.last, s.End)
	delete(x.starts, start{s.Call, s.Attempt})
	list := append(x.calls[s.Call], s)
	all := 0
	for _, a := range list {
		if a.Last {
			all = a.Attempt
		}
	}
	if all == 0 || len(list) < all {
		x.calls[s.Call] = list
		return
	}
	delete(x.calls, s.Call)
	x.call(list)
	if len(x.engines) < 2 { // several engines may do the same inputs
		delete(x.inputs, s.Input)
	}
}

// call tells of the attempts at a call.
func (x *exporter) call(list []*record.Span) {
	slices.SortStableFunc(list, func(a, b *record.Span) int { return cmp.Compare(a.Attempt, b.Attempt) })
	var before trace.SpanContext
	for i, s := range list {
		if s.State == record.StateRefused {
			continue
		}
		span := x.begin(s, before)
		if i+1 < len(list) {
			span.AddEvent("braid.retry", trace.WithTimestamp(x.at(s.End)),
				trace.WithAttributes(attribute.Float64("braid.delay", max(list[i+1].Queued-s.End, 0).Seconds())))
		}
		span.End(trace.WithTimestamp(x.at(s.End)))
		before = span.SpanContext()
	}
}

// begin makes the span of an attempt, and tells all that is known of it.
func (x *exporter) begin(s *record.Span, before trace.SpanContext) trace.Span {
	x.spans++
	name := s.Task
	attrs := make([]attribute.KeyValue, 0, 16)
	attrs = append(attrs, texts("braid.task", s.Task)...)
	if e := x.engines[s.Engine]; e != nil {
		name = cmp.Or(name, e.Name)
		attrs = append(attrs, texts("braid.engine", e.Name, "braid.engine.kind", e.Kind)...)
	}
	attrs = append(attrs, numbers("braid.worker", s.Worker, "braid.attempt", s.Attempt, "process.pid", s.PID)...)
	attrs = append(attrs, attribute.Int64("braid.call", int64(s.Call)), attribute.Int("braid.index", s.Input), attribute.String("braid.state", string(s.State)))
	if s.Queued > 0 {
		attrs = append(attrs, attribute.Float64("braid.wait", (s.Start-s.Queued).Seconds()))
	}
	if s.Parked > 0 {
		attrs = append(attrs, attribute.Float64("braid.parked", s.Parked.Seconds()))
	}
	if s.CPU > 0 {
		attrs = append(attrs, attribute.Float64("braid.cpu", s.CPU.Seconds()))
	}
	if s.RSS > 0 {
		attrs = append(attrs, attribute.Int64("braid.memory", s.RSS))
	}
	attrs = append(attrs, numbers("process.exit.code", s.Exit)...)
	attrs = append(attrs, texts("braid.signal", s.Signal, "braid.input", x.inputs[s.Input])...)
	var failure record.Error
	if e := x.errors[s.Err]; e != nil {
		failure = *e
		attrs = append(attrs, texts("braid.fingerprint", e.Print)...)
	}
	opts := []trace.SpanStartOption{trace.WithTimestamp(x.at(s.Start)), trace.WithAttributes(attrs...)}
	if before.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: before}))
	}
	ctx := x.ctx
	if x.trace != (tracecontext.Context{}) {
		ctx = withID(ctx, x.trace.Child(s.Input, s.Attempt))
	}
	_, span := x.tracer.Start(ctx, cmp.Or(name, "task"), opts...)
	if !s.OK() && s.State != unfinished {
		fail(span, x.at(s.End), string(s.State), cmp.Or(failure.Text, string(s.State)), failure.Stack)
	}
	return span
}

// unfinished is the state of an attempt of which the record does not tell the end.
const unfinished record.State = "unfinished"

// close tells of the attempts that run or wait for others, and ends the span of the run.
func (x *exporter) close() {
	for _, s := range x.starts {
		x.calls[s.Call] = append(x.calls[s.Call], &record.Span{
			Start: s.Start, End: max(x.last, s.Start), Queued: s.Queued, Call: s.Call, Engine: s.Engine, Worker: s.Worker,
			Input: s.Input, Attempt: s.Attempt, Task: s.Task, PID: s.PID, State: unfinished,
		})
	}
	for _, number := range slices.Sorted(maps.Keys(x.calls)) {
		x.call(x.calls[number])
	}
	verdict := "unfinished"
	if x.end != nil {
		verdict = x.end.Verdict
		x.root.SetAttributes(attribute.Int("braid.run.ok", x.end.OK), attribute.Int("braid.run.failed", x.end.Failed), attribute.Int("braid.run.total", x.end.Total))
		if verdict != "ok" {
			x.root.SetStatus(codes.Error, verdict)
		}
	}
	x.root.SetAttributes(attribute.String("braid.run.verdict", verdict))
	x.root.End(trace.WithTimestamp(x.at(x.last)))
}

// texts returns attributes of names and values that follow one another, without those
// that are empty.
func texts(pairs ...string) []attribute.KeyValue {
	var attrs []attribute.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			attrs = append(attrs, attribute.String(pairs[i], pairs[i+1]))
		}
	}
	return attrs
}

// numbers is like texts, without those that are 0.
func numbers(pairs ...any) []attribute.KeyValue {
	var attrs []attribute.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		if n := pairs[i+1].(int); n != 0 {
			attrs = append(attrs, attribute.Int(pairs[i].(string), n))
		}
	}
	return attrs
}
