package multiprocessing

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/go-braid/braid/internal/wire"
)

// A logRecord is a slog.Record on its way home.
type logRecord struct {
	Time    time.Time
	Level   int
	Message string
	Attrs   []logAttr
}

// A logAttr is an attribute, its value in the field that Kind says. Values of other
// types travel as their text.
type logAttr struct {
	Key   string
	Kind  int
	Text  string    `cbor:",omitempty"`
	Int   int64     `cbor:",omitempty"`
	Uint  uint64    `cbor:",omitempty"`
	Float float64   `cbor:",omitempty"`
	Time  time.Time `cbor:",omitzero"`
	Group []logAttr `cbor:",omitempty"`
}

func packAttr(a slog.Attr) logAttr {
	v := a.Value.Resolve()
	p := logAttr{Key: a.Key, Kind: int(v.Kind())}
	switch v.Kind() {
	case slog.KindBool:
		if v.Bool() {
			p.Int = 1
		}
	case slog.KindDuration:
		p.Int = int64(v.Duration())
	case slog.KindInt64:
		p.Int = v.Int64()
	case slog.KindUint64:
		p.Uint = v.Uint64()
	case slog.KindFloat64:
		p.Float = v.Float64()
	case slog.KindTime:
		p.Time = v.Time()
	case slog.KindGroup:
		p.Group = packAttrs(v.Group())
	default:
		p.Kind, p.Text = int(slog.KindString), textOf(v)
	}
	return p
}

func packAttrs(as []slog.Attr) []logAttr {
	ps := make([]logAttr, len(as))
	for i, a := range as {
		ps[i] = packAttr(a)
	}
	return ps
}

// textOf returns the text of a value, whose methods may panic.
func textOf(v slog.Value) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprintf("!PANIC: %v", r)
		}
	}()
	return v.String()
}

func unpackAttr(p logAttr) slog.Attr {
	switch slog.Kind(p.Kind) {
	case slog.KindBool:
		return slog.Bool(p.Key, p.Int != 0)
	case slog.KindDuration:
		return slog.Duration(p.Key, time.Duration(p.Int))
	case slog.KindInt64:
		return slog.Int64(p.Key, p.Int)
	case slog.KindUint64:
		return slog.Uint64(p.Key, p.Uint)
	case slog.KindFloat64:
		return slog.Float64(p.Key, p.Float)
	case slog.KindTime:
		return slog.Time(p.Key, p.Time)
	case slog.KindGroup:
		return slog.Attr{Key: p.Key, Value: slog.GroupValue(unpackAttrs(p.Group)...)}
	}
	return slog.String(p.Key, p.Text)
}

func unpackAttrs(ps []logAttr) []slog.Attr {
	as := make([]slog.Attr, len(ps))
	for i, p := range ps {
		as[i] = unpackAttr(p)
	}
	return as
}

// A logHandler sends the records of a worker home. What is enabled there is decided
// there.
type logHandler struct {
	server *server
	attrs  []slog.Attr // of WithAttrs, in the groups
	groups []string    // that are open, the innermost last
}

// Enabled implements [slog.Handler].
func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements [slog.Handler].
func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var own []slog.Attr
	r.Attrs(func(a slog.Attr) bool {
		own = append(own, a)
		return true
	})
	rec := logRecord{Time: r.Time, Level: int(r.Level), Message: r.Message, Attrs: packAttrs(h.nest(own))}
	var seq uint64
	h.server.mu.Lock()
	if c := h.server.current; c != nil {
		seq = c.seq
	}
	h.server.mu.Unlock()
	return h.server.data.Send(wire.Header{Kind: kindLog, Seq: seq}, marshal(rec), nil)
}

// nest puts attributes into the open groups, after those of WithAttrs.
func (h *logHandler) nest(own []slog.Attr) []slog.Attr {
	for _, g := range slices.Backward(h.groups) {
		if len(own) > 0 {
			own = []slog.Attr{{Key: g, Value: slog.GroupValue(own...)}}
		}
	}
	return slices.Concat(h.attrs, own)
}

// WithAttrs implements [slog.Handler].
func (h *logHandler) WithAttrs(as []slog.Attr) slog.Handler {
	return &logHandler{server: h.server, attrs: h.nest(as), groups: h.groups}
}

// WithGroup implements [slog.Handler].
func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &logHandler{server: h.server, attrs: h.attrs, groups: append(slices.Clip(h.groups), name)}
}

// log hands a record that came home to the logger of the pool.
func (w *worker) log(f wire.Frame) {
	rec, err := unmarshal[logRecord](f.Payload)
	if err != nil {
		return
	}
	logger := w.pool.cfg.Logger
	if logger == nil {
		logger = slog.Default()
	}
	ctx := context.Background()
	if !logger.Enabled(ctx, slog.Level(rec.Level)) {
		return
	}
	r := slog.NewRecord(rec.Time, slog.Level(rec.Level), rec.Message, 0)
	r.AddAttrs(unpackAttrs(rec.Attrs)...)
	r.AddAttrs(slog.Int("worker", w.number))
	if j := w.job.Load(); j != nil && j.seq == f.Seq {
		r.AddAttrs(slog.String("task", j.call.Spec().Task), slog.Int("attempt", j.call.Attempt()))
	}
	_ = logger.Handler().Handle(ctx, r)
}
