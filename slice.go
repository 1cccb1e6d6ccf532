package braid

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
)

// MapSlice runs t on ex for every element of in, and returns the results, each at the
// index of its input. It returns when all that it has started is over.
//
// It is made for many small items: a million of them cost about what a loop on each
// processor costs. The engine is handed one call for each of its slots, and each of
// these takes chunks off the input, as large as takes 0.1 to 1 ms by what it has measured,
// beginning with one item, and smaller towards the end. The items of a chunk run one
// after the other, under the context of the call: they should not wait for one another.
// If the options set a deadline or retries for each item, or the engine is none of this
// process, MapSlice makes a call for each item as [Map] does, with the same outcome.
//
// With [FailFast], the default, the first failure ends the whole: no further items are
// begun, and the context of those that run ends. With [Settle], all items run. Either
// way the error joins what was found wrong, in the order of the items, each failure an
// [*ItemError]; the results of the items that have succeeded stand. If ctx ends first,
// the error is that of ctx. A panic of an item is its failure and costs no other item.
// [FirstSuccess] makes no sense here and panics.
//
// [Limit] bounds the number of items that run at once.
func MapSlice[In, Out any](ctx context.Context, ex Executor, t *Task[In, Out], in []In, opts ...Option) ([]Out, error) {
	s := t.settings.with(opts)
	out := make([]Out, len(in))
	if perItem(ex, s) {
		return out, eachItem(ctx, ex, t, slices.Values(in), out, s)
	}
	fn := t.fn
	err := inChunks(ctx, ex, len(in), s, func(ctx context.Context, r *chunkRun) {
		for ; r.i < r.end && !r.stopped(); r.i++ {
			v, err := fn(ctx, in[r.i])
			if err != nil {
				r.fail(err)
				continue
			}
			out[r.i] = v
		}
	})
	return out, err
}

// ForEach calls fn on ex for every index from 0 to n-1: a loop whose rounds run at the
// same time, in chunks and with the errors that [MapSlice] describes.
func ForEach(ctx context.Context, ex Executor, n int, fn func(ctx context.Context, i int) error, opts ...Option) error {
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
		return eachItem(ctx, ex, t, indices, make([]struct{}, max(n, 0)), s)
	}
	return inChunks(ctx, ex, n, s, func(ctx context.Context, r *chunkRun) {
		for ; r.i < r.end && !r.stopped(); r.i++ {
			if err := fn(ctx, r.i); err != nil {
				r.fail(err)
			}
		}
	})
}

// An ItemError is the failure of one item of [MapSlice] or [ForEach].
type ItemError struct {
	Index int   // of the item, from 0
	Err   error // what the item's function returned, or a *PanicError
}

// Error says which item and what.
func (e *ItemError) Error() string { return fmt.Sprintf("item %d: %v", e.Index, e.Err) }

// Unwrap returns the failure itself.
func (e *ItemError) Unwrap() error { return e.Err }

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
func eachItem[In, Out any](ctx context.Context, ex Executor, t *Task[In, Out], in func(func(In) bool), out []Out, s settings) error {
	var failures []error
	i := 0
	settled := s.policy.Join == Settle
	calls, cancel := context.WithCancel(ctx)
	defer cancel()
	for v, err := range Map(calls, ex, t, in, func(o *settings) { *o = s; o.policy.Unordered = false }) {
		switch {
		case err == nil:
			out[i] = v
		case i >= len(out):
			return errors.Join(append(failures, err)...) // it is that of ctx
		default:
			failures = append(failures, &ItemError{Index: i, Err: err})
			if !settled {
				return failures[0]
			}
		}
		i++
	}
	return errors.Join(failures...)
}

// chunkTarget is how long a chunk should take: long against a look at the clock and at the
// shared index, short enough that the runs end about together.
const chunkTarget = 300 * time.Microsecond

// A chunking is one MapSlice or ForEach.
type chunking struct {
	n, runs int
	settle  bool
	next    atomic.Int64 // the first item that nobody has taken
	over    atomic.Bool  // no further items
	cancel  context.CancelCauseFunc
	body    func(context.Context, *chunkRun)

	mu       sync.Mutex
	failures []*ItemError
}

// A chunkRun is one of the calls that take chunks.
type chunkRun struct {
	of     *chunking
	i, end int // what is left of the chunk
}

var errItemFailed = errors.New("braid: another item has failed")

// inChunks runs body over n items on ex.
func inChunks(ctx context.Context, ex Executor, n int, s settings, body func(context.Context, *chunkRun)) error {
	if ex == nil {
		ex = goroutines
	}
	if ctx.Err() != nil || n <= 0 {
		return ctxErr(ctx)
	}
	c := &chunking{n: n, runs: min(engine.Size(ex), n), settle: s.policy.Join == Settle, body: body}
	if l := s.policy.Limit; l > 0 {
		c.runs = min(c.runs, l)
	}
	runs, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.cancel = cancel
	defer context.AfterFunc(runs, func() { c.over.Store(true) })()
	s.policy.Limit, s.policy.Join = 0, FailFast
	futures := make([]*Future[struct{}], c.runs)
	for i := range futures {
		futures[i] = start(runs, ex, s, func(ctx context.Context) (struct{}, error) {
			r := &chunkRun{of: c}
			r.run(ctx)
			return struct{}{}, nil
		})
	}
	var refused []error
	for _, f := range futures {
		// The runs stop by themselves when ctx ends.
		if _, err := f.Await(context.WithoutCancel(ctx)); err != nil && !errors.Is(err, engine.ErrGoexit) {
			refused = append(refused, err)
		}
	}
	return c.outcome(ctx, refused)
}

func ctxErr(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

func (c *chunking) outcome(ctx context.Context, refused []error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	slices.SortFunc(c.failures, func(a, b *ItemError) int { return a.Index - b.Index })
	for _, f := range c.failures {
		errs = append(errs, f)
	}
	if int(c.next.Load()) < c.n || c.over.Load() {
		// Not all items were begun: because of ctx, or since the engine refused all
		// runs, or because of the failures.
		if err := ctxErr(ctx); err != nil {
			errs = append(errs, err)
		} else if len(errs) == 0 {
			errs = append(errs, refused...)
		}
	}
	return errors.Join(errs...)
}

// run takes chunks until there are none.
func (r *chunkRun) run(ctx context.Context) {
	c := r.of
	size := 1
	for r.take(size) {
		took := r.end - r.i
		began := time.Now()
		for r.i < r.end && !r.stopped() {
			r.items(ctx)
		}
		if c.over.Load() {
			return
		}
		// At most twice as many as before, and at once fewer when they are slow.
		cost := max(1, time.Since(began)/time.Duration(took))
		size = min(2*took, max(1, int(chunkTarget/cost)))
	}
}

// take takes a chunk of at most so many items.
func (r *chunkRun) take(size int) bool {
	c := r.of
	for {
		next := int(c.next.Load())
		if next >= c.n || c.over.Load() {
			return false
		}
		// Guided self-scheduling (Polychronopoulos and Kuck, 1987): the chunks get
		// smaller as there is less to share.
		size = min(size, (c.n-next)/(2*c.runs)+1)
		if c.next.CompareAndSwap(int64(next), int64(next+size)) {
			r.i, r.end = next, next+size
			return true
		}
	}
}

// items runs items of the chunk, until one of them panics. If one ends its goroutine, the
// rest of the run is done by another one, for which this one waits.
func (r *chunkRun) items(ctx context.Context) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			r.fail(&PanicError{Value: v, Stack: debug.Stack()})
			r.i++
			return
		}
		r.fail(engine.ErrGoexit)
		r.i++
		done := make(chan struct{})
		go func() {
			defer close(done)
			for r.i < r.end && !r.stopped() {
				r.items(ctx)
			}
			r.run(ctx)
		}()
		<-done
	}()
	r.of.body(ctx, r)
	returned = true
}

// stopped reports whether no further items are to be begun.
func (r *chunkRun) stopped() bool { return r.of.over.Load() }

// fail says that the current item has failed.
func (r *chunkRun) fail(err error) {
	c := r.of
	if c.over.Load() && (errors.Is(err, context.Canceled) || errors.Is(err, errItemFailed)) {
		return // it was cut short because all is over
	}
	c.mu.Lock()
	c.failures = append(c.failures, &ItemError{Index: r.i, Err: err})
	c.mu.Unlock()
	if !c.settle {
		c.over.Store(true)
		c.cancel(errItemFailed)
	}
}
