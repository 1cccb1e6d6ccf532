package otelspans

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/go-braid/braid/engine"
)

// Name is the name of the tracer that makes the spans.
const Name = "github.com/go-braid/braid/export/otelspans"

// A Config says what is told of attempts. The zero Config is a good one.
type Config struct {
	// Waits has each wait of a body become two events of its span. Providers keep a
	// bounded number of events, 128 by default. It concerns [Listener].
	Waits bool

	// Inputs has the texts of inputs become attributes, of at most 4 KiB. It concerns
	// [Export]. Inputs may be long, and may be nobody else's business.
	Inputs bool

	// IDs says that the provider makes identifiers with [IDs]. It concerns [Export].
	IDs bool
}

// Listener returns a listener that makes a span of each attempt while it runs, with a
// tracer of p. It can be given to several engines, and together with others by
// [engine.Tee].
//
// The parent of the span is the span of the context that the call was submitted with, if
// there is one. The body gets a context with the span, so that spans which it makes, and
// calls which it submits, are below it. That does not reach into other processes: there,
// the body finds no span.
//
// Its functions wait for nothing but, for moments, one another, and what the provider's
// processors do when a span begins and ends, which should be little.
func Listener(p trace.TracerProvider, cfg Config) *engine.Listener {
	return (&observer{tracer: p.Tracer(Name)}).listener(cfg)
}

func (o *observer) listener(cfg Config) *engine.Listener {
	l := &engine.Listener{
		Submitted: func(engine.Event) {}, // so that others tell how long an attempt waited
		Context:   o.began, Retrying: o.retrying, Finished: o.finished,
	}
	if cfg.Waits {
		l.Parked, l.Resumed = o.parked, o.resumed
	}
	return l
}

// An observer knows the calls that have begun and are not complete.
type observer struct {
	tracer trace.Tracer
	calls  sync.Map // by number, of *call
}

// A call is what is known of one. Only the events of the call touch it, which come one
// after the other but for Parked and Resumed.
type call struct {
	before trace.SpanContext // of the attempt before

	mu          sync.Mutex // for those below
	span        trace.Span // of the attempt; nil while none runs
	parkedSince time.Duration
	parked      time.Duration
}

func (o *observer) call(number uint64) *call {
	if c, ok := o.calls.Load(number); ok {
		return c.(*call)
	}
	return nil
}

func (o *observer) began(ctx context.Context, e engine.Event) context.Context {
	x, _ := o.calls.LoadOrStore(e.Call, new(call))
	c := x.(*call)
	attrs := make([]attribute.KeyValue, 0, 8)
	if e.Task != "" {
		attrs = append(attrs, attribute.String("braid.task", e.Task))
	}
	attrs = append(attrs, attribute.String("braid.engine", e.Engine))
	if e.Worker > 0 {
		attrs = append(attrs, attribute.Int("braid.worker", e.Worker))
	}
	attrs = append(attrs,
		attribute.Int64("braid.call", int64(e.Call)),
		attribute.Int("braid.index", e.Index),
		attribute.Int("braid.attempt", e.Attempt),
		attribute.Float64("braid.wait", e.Waited.Seconds()))
	opts := []trace.SpanStartOption{trace.WithTimestamp(e.Time()), trace.WithAttributes(attrs...)}
	if c.before.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: c.before}))
	}
	ctx, span := o.tracer.Start(ctx, cmp.Or(e.Task, e.Engine), opts...)
	c.mu.Lock()
	c.span, c.parked, c.parkedSince = span, 0, 0
	c.mu.Unlock()
	return ctx
}

func (o *observer) parked(e engine.Event) {
	if c := o.call(e.Call); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.span != nil {
			c.parkedSince = e.At
			c.span.AddEvent("braid.parked", trace.WithTimestamp(e.Time()),
				trace.WithAttributes(attribute.String("braid.operation", e.Op.Kind.String())))
		}
	}
}

func (o *observer) resumed(e engine.Event) {
	if c := o.call(e.Call); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.span != nil && c.parkedSince != 0 {
			c.parked += e.At - c.parkedSince
			c.parkedSince = 0
			c.span.AddEvent("braid.resumed", trace.WithTimestamp(e.Time()))
		}
	}
}

func (o *observer) retrying(e engine.Event) {
	c := o.call(e.Call)
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.span == nil {
		return // it has not run in this attempt
	}
	c.before = c.span.SpanContext()
	c.span.AddEvent("braid.retry", trace.WithTimestamp(e.Time()), trace.WithAttributes(attribute.Float64("braid.delay", e.Delay.Seconds())))
	c.end(e)
}

func (o *observer) finished(e engine.Event) {
	x, ok := o.calls.LoadAndDelete(e.Call)
	if !ok {
		return
	}
	c := x.(*call)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.span != nil {
		c.end(e)
	}
}

// end ends the span of the attempt. The caller has the lock.
func (c *call) end(e engine.Event) {
	state := stateOf(e.Err)
	c.span.SetAttributes(attribute.String("braid.state", state))
	if c.parked > 0 {
		c.span.SetAttributes(attribute.Float64("braid.parked", c.parked.Seconds()))
	}
	if e.Err != nil {
		err := e.Err
		if t, ok := errors.AsType[*engine.TaskError](err); ok {
			err = t.Err // what t adds is in the attributes
		}
		stack, text := "", err.Error()
		if p, ok := errors.AsType[*engine.PanicError](err); ok {
			stack, text = string(p.Stack), fmt.Sprintf("panic: %v", p.Value)
		}
		if crash, ok := errors.AsType[*engine.CrashError](err); ok {
			c.span.SetAttributes(attribute.Int("process.pid", crash.PID))
		}
		fail(c.span, e.Time(), typeOf(err), text, stack)
	}
	c.span.End(trace.WithTimestamp(e.Time()))
	c.span = nil
}

// fail says that an attempt failed.
func fail(span trace.Span, at time.Time, kind, text, stack string) {
	span.SetStatus(codes.Error, text)
	attrs := []attribute.KeyValue{attribute.String("exception.type", kind), attribute.String("exception.message", text)}
	if stack != "" {
		attrs = append(attrs, attribute.String("exception.stacktrace", stack))
	}
	span.AddEvent("exception", trace.WithTimestamp(at), trace.WithAttributes(attrs...))
}

// typeOf returns the type of the error that err is about, without those around it that
// tell where it came from.
func typeOf(err error) string {
	for {
		switch e := err.(type) {
		case *engine.TaskError:
			err = e.Err
		case *engine.InterruptedError:
			err = e.Cause
		default:
			return fmt.Sprintf("%T", err)
		}
	}
}

// stateOf returns what became of an attempt, as package record calls it.
func stateOf(err error) string {
	if t, ok := err.(*engine.TaskError); ok && t.Err != nil {
		err = t.Err
	}
	switch err.(type) {
	case nil:
		return "ok"
	case *engine.NotStartedError:
		return "refused"
	case *engine.PanicError:
		return "panic"
	case *engine.CrashError:
		return "crash"
	}
	switch {
	case engine.Interrupted(err) && errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case engine.Interrupted(err):
		return "cancelled"
	case errors.Is(err, engine.ErrPoison):
		return "crash"
	}
	return "error"
}
