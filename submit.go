package braid

import (
	"context"
	"errors"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// An Executor runs calls; each engine has one. Where an Executor is asked for,
// nil means a goroutine for every call.
type Executor = engine.Executor

var goroutines = engine.NewGoroutines(nil)

// Submit hands a call of t with the argument in to ex, and returns the call's
// future. It returns when the call is admitted or refused: while the engine is
// full it waits, or the future fails with [ErrSaturated], as the engine is
// configured.
//
// The call runs under a context that ends with ctx, by the future's Cancel, or
// when the task has returned: a call that is to outlive the task that starts it
// needs another context, such as its scope's. The options win over those that t
// was defined with.
func Submit[In, Out any](ctx context.Context, ex Executor, t *Task[In, Out], in In, opts ...Option) *Future[Out] {
	if len(opts) == 0 {
		return submit(ctx, ex, t, in, &t.settings)
	}
	s := t.settings.changed(opts)
	return submit(ctx, ex, t, in, &s)
}

func submit[In, Out any](ctx context.Context, ex Executor, t *Task[In, Out], in In, s *settings) *Future[Out] {
	v := &invocation[In, Out]{task: t, in: in}
	return launch(ctx, ex, s, &v.job, v)
}

// Go hands a call of fn to ex, like [Submit]. Fn may be a closure, and so runs in
// this process only.
func Go[T any](ctx context.Context, ex Executor, fn func(context.Context) (T, error), opts ...Option) *Future[T] {
	return start(ctx, ex, settings{}.with(opts), fn)
}

// A job is a call and its future in one object: the inside that the engine sees
// and the outside that the caller holds. What it runs is up to the object that it
// is a part of.
type job[T any] struct {
	future Future[T] // its value is what the body has set last
	group  *Group    // that answers for its failure, or nil
}

// enters implements [member].
func (j *job[T]) enters(g *Group) { j.group, j.future.child = g, true }

// in reports whether j is a child of g.
func (j *job[T]) in(g *Group) bool { return j.future.child && j.group == g }

// launch hands the call of j, which is a part of body, to ex.
func launch[T any](ctx context.Context, ex Executor, s *settings, j *job[T], body engine.Body) *Future[T] {
	if ex == nil {
		ex = goroutines
	}
	call := &j.future.call
	call.InitKind(s.makeKind(), s.index, body)
	if g, ok := ex.(*Group); ok {
		j.group = g
	} else if _, wraps := ex.(interface{ Unwrap() Executor }); wraps {
		j.group, _ = engine.As[*Group](ex)
	}
	if p, ok := strand.ParkerOf(ctx).(starter); ok {
		p.Starting(call, ex)
	}
	ex.Start(call.Derive(ctx), call)
	return &j.future
}

// start hands a call of fn to ex.
func start[T any](ctx context.Context, ex Executor, s settings, fn func(context.Context) (T, error)) *Future[T] {
	c := &closure[T]{fn: fn}
	return launch(ctx, ex, &s, &c.job, c)
}

// A closure is a job that runs a function in this process.
type closure[T any] struct {
	job[T]
	fn func(context.Context) (T, error)
}

// Run implements [engine.Body].
func (c *closure[T]) Run(ctx context.Context) (err error) {
	var zero T
	c.future.value = zero
	c.future.value, err = c.fn(ctx)
	return err
}

// Done implements [engine.Body].
func (c *closure[T]) Done(err error) {
	c.fn = nil
	c.job.done(err)
}

// A starter is the parker of a strand whose engine wants to know which calls its
// strands have in flight on other engines: a loop would otherwise take itself for
// deadlocked when all its coroutines await such calls. For the strands of the other
// engines this is one look into the context.
type starter interface {
	// Starting is called before c is handed to ex. It may use c.OnDone to learn
	// when c is complete.
	Starting(c *engine.Call, ex Executor)
}

// refused returns the future of a call that failed before any engine saw it.
func refused[T any](ctx context.Context, s settings, why error) *Future[T] {
	s.policy.Retry = engine.Retry{} // it would be refused again
	return start(ctx, refuser{why}, s, func(context.Context) (v T, err error) { return v, nil })
}

type refuser struct{ why error }

func (r refuser) Start(ctx context.Context, c *engine.Call) {
	c.Submit(ctx, &engine.Host{Name: "submission", Executor: r})
	c.Refuse(r.why)
}

// errReturned is the cause of a task's context once the task has returned.
var errReturned = errors.New("braid: the task that the context belongs to has returned")

// Object returns what those wait for who await the call; see engine.Call.Object.
func (j *job[T]) Object() any { return &j.future }

// done completes the future.
func (j *job[T]) done(err error) {
	j.future.call.Retire(&errReturned)
	j.future.complete(j.failed(err))
	if j.future.child {
		j.group.leave(err)
	}
}
