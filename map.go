package braid

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// Map runs t on ex for every input and yields the results, each as a value and an
// error: the failure of one call ends neither the others nor the iteration. The
// results are in the order of the inputs, or with [Ordered](false) in the order
// in which they are ready.
//
// Map is lazy. It begins when the result is ranged over, takes inputs as it can
// use them, and is never more than its [Limit] ahead: so many inputs at most have
// been taken and their results not yet yielded. The default is twice the size of
// the engine. An input without end is no problem. Map takes the inputs on the
// strand of its caller, between results; while the input blocks, results wait.
//
// When the loop over the results is left early, the calls in flight are
// cancelled, and the loop ends when they have returned. When ctx is done, no
// further input is taken, and after the results in flight Map yields
// strand.Err(ctx). When the input panics, Map yields the results of the inputs
// before, and then the [*PanicError].
//
// On an engine for which a call is dear, such as worker processes, many small calls
// travel together if nothing is lost by it: the task has a name, and the options set
// no deadline and no retry. How many is measured: so many that they take about 2 ms,
// at most twice as many as the time before, fewer when the input is slow. Each call has
// its own outcome all the same. The default window is then twice the size of the
// engine in such batches; a Limit bounds the calls as ever.
//
// On the engines of this process each input has a call of its own, since tasks there, and
// the input, may wait for one another. For many small inputs see [MapSlice].
//
// Of the options, Limit and Ordered are read once for the whole; the others hold
// for each call.
func Map[In, Out any](ctx context.Context, ex Executor, t *Task[In, Out], in iter.Seq[In], opts ...Option) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		if ex == nil {
			ex = goroutines
		}
		if b, ok := batching[In, Out](ex, t, t.settings.with(opts)); ok {
			b.yield = yield
			b.run(ctx, in)
			return
		}
		m := &mapping[In, Out]{ex: ex, task: t, settings: t.settings.with(opts), yield: yield}
		m.settings.index = 0
		m.window = m.settings.policy.Limit
		if m.window <= 0 {
			m.window = 2 * engine.Size(ex)
		}
		m.run(ctx, in)
	}
}

var errMapLeft = errors.New("braid: the loop over the results of Map was left")

// A mapping is one iteration over the results of a Map.
type mapping[In, Out any] struct {
	ex       Executor
	task     *Task[In, Out]
	settings settings
	window   int
	yield    func(Out, error) bool

	order    []*Future[Out] // calls in flight, oldest first, if ordered
	arrivals arrivals[Out]  // calls in flight, if not
	left     bool           // the consumer has left the loop
}

func (m *mapping[In, Out]) run(ctx context.Context, in iter.Seq[In]) {
	calls, cancel := context.WithCancelCause(ctx)
	// This happens on every way out, the consumer's panic included.
	defer func() {
		cancel(errMapLeft)
		m.wait(ctx)
	}()
	err := m.feed(ctx, calls, in)
	for !m.left && m.inFlight() > 0 {
		m.yieldNext(ctx)
	}
	if err != nil && !m.left {
		var none Out
		m.yield(none, err)
	}
}

// feed takes the inputs and starts their calls, and yields results whenever the
// window is full or some are ready. It returns what ended the input early.
func (m *mapping[In, Out]) feed(ctx, calls context.Context, in iter.Seq[In]) (err error) {
	if ctx.Err() != nil {
		return strand.Err(ctx)
	}
	pulled := pull(in, func(v In) bool {
		m.start(calls, v)
		for !m.left && (m.inFlight() >= m.window || m.isReady()) {
			m.yieldNext(ctx)
		}
		if !m.left && ctx.Err() != nil {
			err = strand.Err(ctx)
		}
		return !m.left && err == nil
	})
	return cmp.Or(err, pulled)
}

// pull gives take the inputs until it returns false. It returns a panic of the input as
// an error; one of take, in which the consumer of the results may run, passes through.
func pull[In any](in iter.Seq[In], take func(In) bool) (err error) {
	pulling := true // control is with the input
	defer func() {
		if !pulling {
			return
		}
		if v := recover(); v != nil {
			err = fmt.Errorf("braid: the input of Map failed: %w", &PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	for v := range in {
		pulling = false
		if !take(v) {
			return nil
		}
		pulling = true
	}
	pulling = false
	return nil
}

func (m *mapping[In, Out]) start(ctx context.Context, in In) {
	f := submit(ctx, m.ex, m.task, in, &m.settings)
	m.settings.index++
	if m.settings.policy.Unordered {
		m.arrivals.add(f)
	} else {
		m.order = append(m.order, f)
	}
}

func (m *mapping[In, Out]) inFlight() int { return len(m.order) + m.arrivals.pending() }

// isReady reports whether yieldNext would not wait.
func (m *mapping[In, Out]) isReady() bool {
	if m.settings.policy.Unordered {
		return m.arrivals.isReady()
	}
	return len(m.order) > 0 && m.order[0].isDone()
}

// yieldNext waits for the next result and yields it. If ctx is done the calls
// are cancelled, and so the wait for them is not cut short.
func (m *mapping[In, Out]) yieldNext(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	var f *Future[Out]
	if m.settings.policy.Unordered {
		f, _ = m.arrivals.next(ctx)
	} else {
		f = m.order[0]
		m.order[0] = nil
		m.order = m.order[1:]
	}
	m.left = !m.yield(f.Await(ctx))
}

// wait waits until no call is in flight.
func (m *mapping[In, Out]) wait(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for _, f := range m.order {
		_ = strand.Park(ctx, strand.Op{Object: f, Kind: strand.OpAwait}, &futureWaiter{c: &f.completion})
	}
	for m.arrivals.pending() > 0 {
		_, _ = m.arrivals.next(ctx)
	}
}
