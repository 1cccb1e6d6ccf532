package braid

import (
	"cmp"
	"context"
	"reflect"
	"runtime"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/codec"
)

// An invocation is a call of a task with its argument. It can travel: see
// [engine.Portable].
type invocation[In, Out any] struct {
	job[Out]
	task *Task[In, Out]
	in   In
}

// Run implements [engine.Body].
func (v *invocation[In, Out]) Run(ctx context.Context) (err error) {
	var zero Out
	v.future.value = zero
	v.future.value, err = v.task.fn(ctx, v.in)
	return err
}

// Done implements [engine.Body].
func (v *invocation[In, Out]) Done(err error) {
	var zero In
	v.in, v.task = zero, nil
	v.job.done(err)
}

// Len implements [engine.Portable].
func (v *invocation[In, Out]) Len() int { return 1 }

// Append implements [engine.Portable].
func (v *invocation[In, Out]) Append(m *engine.Message, _ int) error {
	return appendValue(v.task.travels().in, m, &v.in)
}

// SetResult implements [engine.Portable].
func (v *invocation[In, Out]) SetResult(_ int, m engine.Message) error {
	return readValue(v.task.travels().out, m, &v.future.value)
}

// SetError implements [engine.Portable].
func (v *invocation[In, Out]) SetError(int, error) {}

// Took implements [engine.Portable].
func (v *invocation[In, Out]) Took(int, time.Duration) {}

// An anyInvocation is an invocation whose caller does not know the types.
type anyInvocation[In, Out any] struct {
	job[any]
	task *Task[In, Out]
	in   In
}

// Run implements [engine.Body].
func (v *anyInvocation[In, Out]) Run(ctx context.Context) error {
	v.future.value = nil
	out, err := v.task.fn(ctx, v.in)
	v.future.value = out
	return err
}

// Done implements [engine.Body].
func (v *anyInvocation[In, Out]) Done(err error) {
	var zero In
	v.in, v.task = zero, nil
	v.job.done(err)
}

// Len implements [engine.Portable].
func (v *anyInvocation[In, Out]) Len() int { return 1 }

// Append implements [engine.Portable].
func (v *anyInvocation[In, Out]) Append(m *engine.Message, _ int) error {
	return appendValue(v.task.travels().in, m, &v.in)
}

// SetResult implements [engine.Portable].
func (v *anyInvocation[In, Out]) SetResult(_ int, m engine.Message) error {
	var out Out
	if err := readValue(v.task.travels().out, m, &out); err != nil {
		return err
	}
	v.future.value = out
	return nil
}

// SetError implements [engine.Portable].
func (v *anyInvocation[In, Out]) SetError(int, error) {}

// Took implements [engine.Portable].
func (v *anyInvocation[In, Out]) Took(int, time.Duration) {}

// Serve implements [engine.Function].
func (t *Task[In, Out]) Serve(ctx context.Context, arg engine.Message, res *engine.Message, enter func(engine.Phase)) error {
	travel := t.travels()
	// Whether the result can travel is known before the task runs.
	if err := travel.out.err; err != nil {
		return &engine.CodecError{Phase: engine.PhaseDecode, Err: err}
	}
	var in In
	if err := readValue(travel.in, arg, &in); err != nil {
		return &engine.CodecError{Phase: engine.PhaseDecode, Err: err}
	}
	// What the argument holds that is not Go's memory, such as memory that processes
	// share, stays until the result is written, which may be part of it.
	defer runtime.KeepAlive(&in)
	enter(engine.PhaseRun)
	out, err := t.fn(ctx, in)
	if err != nil {
		return err
	}
	enter(engine.PhaseEncode)
	if err := appendValue(travel.out, res, &out); err != nil {
		return &engine.CodecError{Phase: engine.PhaseEncode, Err: err}
	}
	return nil
}

// A travel says how the argument and the result of a task travel.
type travel struct{ in, out means }

// A means is how the values of a type travel, or why they cannot.
type means struct {
	codec *codec.Codec
	err   error
}

// travels looks up how values of t travel; it does so once.
func (t *Task[In, Out]) travels() *travel {
	if tr := t.travel.Load(); tr != nil {
		return tr
	}
	tr := new(travel)
	tr.in.codec, tr.in.err = codec.For(reflect.TypeFor[In]())
	tr.out.codec, tr.out.err = codec.For(reflect.TypeFor[Out]())
	t.travel.Store(tr)
	return tr
}

// appendValue writes a value.
func appendValue[T any](by means, m *engine.Message, v *T) error {
	if by.err != nil {
		return by.err
	}
	small, bulk, files, err := codec.Append(by.codec, m.Small, v)
	if err != nil {
		return err
	}
	m.Small, m.Bulk = small, bulk
	if files != nil {
		m.Files = append(m.Files, files...)
	}
	return nil
}

// readValue reads what appendValue has written.
func readValue[T any](by means, m engine.Message, v *T) error {
	if by.err != nil {
		return by.err
	}
	return codec.Decode(by.codec, m.Small, m.Owned, m.Files, v)
}

// Travels reports, with the path of the field, why a call of t cannot be run in
// another process: its argument or its result has a part that cannot travel, such
// as a channel or a function. It returns nil if it can.
func (t *Task[In, Out]) Travels() error {
	tr := t.travels()
	return cmp.Or(tr.in.err, tr.out.err)
}

// holdsFiles reports whether an argument or a result has a place for open files.
func (t *Task[In, Out]) holdsFiles() bool {
	for _, typ := range []reflect.Type{reflect.TypeFor[In](), reflect.TypeFor[Out]()} {
		if c, err := codec.For(typ); err == nil && c.Files() {
			return true
		}
	}
	return false
}

// AppendArgument writes in as an argument of t, for engines that start tasks
// themselves. The error says why it cannot travel.
func (t *Task[In, Out]) AppendArgument(m *engine.Message, in In) error {
	return appendValue(t.travels().in, m, &in)
}
