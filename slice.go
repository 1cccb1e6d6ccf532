package braid

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/cancel"
	"github.com/go-braid/braid/strand"
)

// MapSlice runs t on ex for every element of in, and returns the results, each at the
// index of its input. It returns when all that it has started is over.
//
// It is made for many small items: a million of them cost about what a loop on each
// processor costs. The engine is handed one call for each of its slots, and each of
// these takes chunks off the input, as large as takes 0.1 to 1 ms by what it has measured,
// beginning with one item, and smaller towards the end. The items of a chunk run one
// after the other, under the context of the call: they must not wait for one another.
// A listener hears of these calls, not of the items. If the options set a deadline or
// retries for each item, or the engine is none of this process, MapSlice makes a call for
// each item as [Map] does, with the same outcome.
//
// With [FailFast], the default, the first failure ends the whole: no further items are
// begun, and the context of those that run ends, with the failure as its cause. With
// [Settle], all items run. Either way the error joins the failures in the order of the
// items, each an [*ItemError]; [ItemErrors] lists them. The results of the items that have
// succeeded stand, those of the others are the zero value. That an item was cut short, as
// one that only passes on the error of its context, is no failure of its own. If ctx ends
// while there are items to run, strand.Err(ctx) is a part of the error, or all of it.
// A panic of an item is its failure and costs no other item, unless the engine lets panics
// crash the program; so is an item's runtime.Goexit. [FirstSuccess] makes no sense here
// and panics.
//
// [Limit] bounds the number of items that run at once. The default is the size of the
// engine; on goroutines, which have no bound, it is GOMAXPROCS, and for items that mostly
// wait a higher Limit is right.
func MapSlice[In, Out any](ctx context.Context, ex Executor, t *Task[In, Out], in []In, opts ...Option) ([]Out, error) {
	s := t.settings.with(opts)
	out := make([]Out, len(in))
	if perItem(ex, s) {
		return out, eachItem(ctx, ex, t, slices.Values(in), out, s)
	}
	fn := t.fn
	err := inChunks(ctx, ex, len(in), s, func(ctx context.Context, r *chunkRun) {
		for ; r.i < r.end && !r.of.over.Load(); r.i++ {
			v, err := fn(ctx, in[r.i])
			if err != nil {
				r.fail(ctx, err)
				continue
			}
			out[r.i] = v
		}
	})
	return out, err
}

// ForEach calls fn on ex for every index from 0 to n-1: a loop whose rounds run at the
// same time, in chunks and with the errors that [MapSlice] describes. It panics if fn is
// nil or n is negative.
func ForEach(ctx context.Context, ex Executor, n int, fn func(ctx context.Context, i int) error, opts ...Option) error {
	if fn == nil {
		panic("braid: ForEach: the function is nil")
	}
	if n < 0 {
		panic(fmt.Sprintf("braid: ForEach of %d rounds: the number must not be negative", n))
	}
	s := settings{}.with(opts)
	if perItem(ex, s) {
		t := Func(func(ctx context.Context, i int) (struct{}, error) { return struct{}{}, fn(ctx, i) })
		indices := func(yield func(int) bool) {
			for i := range n {
				if !yield(i) {
					return
				}
			}
		}
		return eachItem(ctx, ex, t, indices, make([]struct{}, n), s)
	}
	return inChunks(ctx, ex, n, s, func(ctx context.Context, r *chunkRun) {
		for ; r.i < r.end && !r.of.over.Load(); r.i++ {
			if err := fn(ctx, r.i); err != nil {
				r.fail(ctx, err)
			}
		}
	})
}

// An ItemError is the failure of one item of [MapSlice] or [ForEach].
type ItemError struct {
	Index int   // of the item, from 0
	Err   error // as the error of a call of its own would be: a [*TaskError]
}

// Error returns the text of Err, with the index before it.
func (e *ItemError) Error() string { return fmt.Sprintf("item %d: %v", e.Index, e.Err) }

// Unwrap returns Err.
func (e *ItemError) Unwrap() error { return e.Err }

// ItemErrors yields the index and the failure of each item that has failed, in the order
// of the items; err is the error of [MapSlice] or [ForEach], or wraps one. Of other
// errors, and of nil, it yields nothing.
func ItemErrors(err error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) { itemErrors(err, yield) }
}

func itemErrors(err error, yield func(int, error) bool) bool {
	switch e := err.(type) {
	case *ItemError:
		return yield(e.Index, e.Err)
	case interface{ Unwrap() error }:
		return itemErrors(e.Unwrap(), yield)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			if !itemErrors(err, yield) {
				return false
			}
		}
	}
	return true
}

// perItem reports whether each item needs a call of its own.
func perItem(ex Executor, s settings) bool {
	if s.policy.Join == FirstSuccess {
		panic("braid: the items of MapSlice and ForEach cannot be joined by FirstSuccess: use Race, or a Scope")
	}
	if p := s.policy; p.Timeout > 0 || p.QueueTimeout > 0 || p.Retry.Max > 0 {
		return true
	}
	if ex == nil {
		return false
	}
	_, ok := engine.As[engine.Chunker](ex)
	return !ok
}

// eachItem makes a call for each item, by Map.
func eachItem[In, Out any](ctx context.Context, ex Executor, t *Task[In, Out], in iter.Seq[In], out []Out, s settings) error {
	var errs []error
	cut := false
	calls, end := context.WithCancelCause(ctx)
	defer end(nil)
	i := 0
	for v, err := range Map(calls, ex, t, in, func(o *settings) { *o = s; o.policy.Unordered = false }) {
		switch {
		case err == nil:
			out[i] = v
		case calls.Err() != nil && (engine.Interrupted(err) || strand.IsErr(calls, err)):
			cut = true // the last one may be that of the input, which was not taken further
		default:
			failure := &ItemError{Index: i, Err: err}
			errs = append(errs, failure)
			if s.policy.Join != Settle {
				end(failure) // and what is in flight comes to its end
			}
		}
		i++
	}
	if cut && ctx.Err() != nil {
		errs = append(errs, strand.Err(ctx))
	}
	return joined(errs)
}

// joined is errors.Join that leaves a single error as it is.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// chunkTarget is how long a chunk should take: long against a look at the clock and at the
// shared index, short enough that the runs end about together.
const chunkTarget = 300 * time.Microsecond

// A chunking is one MapSlice or ForEach.
type chunking struct {
	n, runs int
	settle  bool
	body    func(context.Context, *chunkRun) // runs items of a chunk from r.i on, counting it up
	ctx     cancel.Context                   // of the runs

	next   atomic.Int64 // the first item that nobody has taken
	active atomic.Int64 // runs that have begun and not ended
	over   atomic.Bool  // no further items

	mu       sync.Mutex
	failures []*ItemError
	cut      bool  // there is an item that was taken but not run, or cut short
	why      error // what has ended it, if that was neither a failure nor the caller's context
}

// A chunkRun is one of the calls that take chunks.
type chunkRun struct {
	job[struct{}]
	of     *chunking
	watch  cancel.Watch // of the context of the call
	i, end int          // what is left of the chunk
}

var (
	errItemsDone = errors.New("braid: there are no further items")
	errNoOutcome = errors.New("braid: the engine left items without an outcome")
)

// inChunks runs body over n items on ex.
func inChunks(ctx context.Context, ex Executor, n int, s settings, body func(context.Context, *chunkRun)) error {
	if n == 0 || ctx.Err() != nil {
		return strand.Err(ctx)
	}
	if ex == nil {
		ex = goroutines
	}
	c := &chunking{n: n, runs: engine.Size(ex), settle: s.policy.Join == Settle, body: body}
	if l := s.policy.Limit; l > 0 {
		if _, bounded := engine.As[engine.Sizer](ex); bounded {
			l = min(l, c.runs)
		}
		c.runs = l
	}
	c.runs = min(c.runs, n)
	c.ctx.Init(ctx, nil)
	s.policy.Limit, s.policy.Join = 0, FailFast
	runs := make([]*chunkRun, 0, c.runs)
	for len(runs) < c.runs && !c.isOver() {
		r := &chunkRun{of: c}
		launch(&c.ctx, ex, &s, &r.job, r)
		runs = append(runs, r)
	}
	for _, r := range runs {
		// The runs stop by themselves when ctx ends.
		_, _ = r.future.Await(context.WithoutCancel(ctx))
	}
	c.ctx.Retire(&errItemsDone)
	return c.outcome(ctx)
}

// isOver reports whether there is nothing left to be taken.
func (c *chunking) isOver() bool { return int(c.next.Load()) >= c.n || c.over.Load() }

// outcome returns the error of it all, when all runs have ended.
func (c *chunking) outcome(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.SortFunc(c.failures, func(a, b *ItemError) int { return a.Index - b.Index })
	errs := make([]error, 0, len(c.failures)+1)
	for _, f := range c.failures {
		errs = append(errs, f)
	}
	if c.cut || int(c.next.Load()) < c.n {
		if ctx.Err() != nil {
			errs = append(errs, strand.Err(ctx))
		} else if len(errs) == 0 {
			errs = append(errs, cmp.Or(c.why, errNoOutcome))
		}
	}
	return joined(errs)
}

// stop says why there are to be no further items, and whether one was cut short or left.
func (c *chunking) stop(why error, cut bool) {
	c.over.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = c.cut || cut
	if c.why == nil {
		c.why = why
	}
}

// Run implements [engine.Body].
func (r *chunkRun) Run(ctx context.Context) error {
	c := r.of
	c.active.Add(1)
	r.watch.Start(ctx, r)
	defer func() {
		r.watch.Stop()
		if r.i < r.end || ctx.Err() != nil {
			c.stop(strand.Err(ctx), r.i < r.end)
		}
		// When the last one that has begun ends, those that still wait for a slot have
		// nothing to do, and nobody is to wait for them.
		if c.active.Add(-1) == 0 && c.isOver() {
			c.ctx.Cancel(errItemsDone)
		}
	}()
	r.chunks(ctx)
	return nil
}

// Ended implements [cancel.Watcher]: the context of the call has ended, with that of the
// caller, or because of a failure, or because the engine is being closed.
func (r *chunkRun) Ended() { r.of.over.Store(true) }

// Done implements [engine.Body].
func (r *chunkRun) Done(err error) {
	if err != nil && !errors.Is(err, engine.ErrGoexit) { // it was refused; others may do its work
		r.of.mu.Lock()
		if r.of.why == nil {
			r.of.why = err
		}
		r.of.mu.Unlock()
	}
	r.job.done(nil)
}

// chunks takes chunks until there are none, and runs them.
func (r *chunkRun) chunks(ctx context.Context) {
	c := r.of
	size := 1
	for r.take(ctx, size) {
		took := r.end - r.i
		began := time.Now()
		r.rest(ctx)
		// At most twice as many as before, and at once fewer when they are slow.
		cost := max(1, time.Since(began)/time.Duration(took))
		size = min(2*took, max(1, int(chunkTarget/cost)))
		if c.over.Load() {
			return
		}
	}
}

// take takes a chunk of at most so many items.
func (r *chunkRun) take(ctx context.Context, size int) bool {
	c := r.of
	if ctx.Err() != nil { // whoever watches it may not have heard yet
		c.stop(strand.Err(ctx), false)
		return false
	}
	for !c.isOver() {
		next := int(c.next.Load())
		// Guided self-scheduling (Polychronopoulos and Kuck, 1987): the chunks get
		// smaller as there is less to share.
		n := min(size, (c.n-next)/(2*c.runs)+1)
		if next < c.n && c.next.CompareAndSwap(int64(next), int64(next+n)) {
			r.i, r.end = next, next+n
			return true
		}
	}
	return false
}

// rest runs what is left of the chunk.
func (r *chunkRun) rest(ctx context.Context) {
	for r.i < r.end && !r.of.over.Load() {
		r.some(ctx)
	}
}

// some runs items of the chunk, until one of them panics. If one ends its goroutine, the
// rest of the run is done by another one, for which this one waits.
func (r *chunkRun) some(ctx context.Context) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			if r.future.call.Host().Crash {
				panic(v)
			}
			r.fail(ctx, &PanicError{Value: v, Stack: debug.Stack()})
			r.i++
			return
		}
		r.fail(ctx, engine.ErrGoexit)
		r.i++
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.rest(ctx)
			if !r.of.over.Load() {
				r.chunks(ctx)
			}
		}()
		<-done
	}()
	r.of.body(ctx, r)
	returned = true
}

// fail says that the current item has failed.
func (r *chunkRun) fail(ctx context.Context, err error) {
	c := r.of
	err = r.future.call.Blame(ctx, engine.Spec{Task: r.future.call.Spec().Task, Index: r.i}, err)
	if engine.Interrupted(err) {
		c.stop(strand.Err(ctx), true)
		return
	}
	failure := &ItemError{Index: r.i, Err: err}
	c.mu.Lock()
	c.failures = append(c.failures, failure)
	c.mu.Unlock()
	if !c.settle {
		c.over.Store(true)
		c.ctx.Cancel(failure)
	}
}
