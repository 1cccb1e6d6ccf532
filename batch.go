package braid

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// batchTarget is how long the items of a batch should take together: long against
// what a batch costs, short enough that workers end about together.
const batchTarget = 2 * time.Millisecond

// A batch is several calls of a task in one call of the engine; see
// [engine.Portable].
type batch[In, Out any] struct {
	job[struct{}]
	task  *Task[In, Out]
	items []item[In, Out]
	sizer *sizer
}

// An item is one call in a batch.
type item[In, Out any] struct {
	in   In
	out  Out
	err  error
	done bool
}

// Run implements [engine.Body], for executors that run in this process after all.
func (b *batch[In, Out]) Run(ctx context.Context) error {
	for i := range b.items {
		b.runItem(ctx, i)
	}
	return nil
}

func (b *batch[In, Out]) runItem(ctx context.Context, i int) {
	it := &b.items[i]
	defer func() {
		it.done = true
		if v := recover(); v != nil {
			it.err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	it.out, it.err = b.task.fn(ctx, it.in)
}

// Done implements [engine.Body].
func (b *batch[In, Out]) Done(err error) {
	for i := range b.items {
		if it := &b.items[i]; !it.done {
			it.err, it.done = err, true
			if err == nil {
				it.err = errors.New("braid: the engine left a call of a batch without an outcome")
			}
		}
	}
	b.task = nil
	b.job.done(nil)
}

// Batch says that the body is a batch, even if it has one item only.
func (b *batch[In, Out]) Batch() {}

// Len implements [engine.Portable].
func (b *batch[In, Out]) Len() int { return len(b.items) }

// Append implements [engine.Portable].
func (b *batch[In, Out]) Append(m *engine.Message, i int) error {
	return appendValue(b.task.travels().in, m, &b.items[i].in)
}

// SetResult implements [engine.Portable].
func (b *batch[In, Out]) SetResult(i int, m engine.Message) error {
	it := &b.items[i]
	it.done = true
	it.err = readValue(b.task.travels().out, m, &it.out)
	return it.err
}

// SetError implements [engine.Portable].
func (b *batch[In, Out]) SetError(i int, err error) {
	b.items[i].err, b.items[i].done = err, true
}

// Took implements [engine.Portable].
func (b *batch[In, Out]) Took(items int, d time.Duration) { b.sizer.took(items, d) }

// A sizer decides how many items the next batch has.
type sizer struct {
	limit int
	next  atomic.Int64
	cost  atomic.Int64 // of one item in nanoseconds, smoothed
}

// took adjusts the size to a measurement. The rule is joblib's auto-batching: an
// average in which the new measurement counts a fifth, growth at most twofold, and
// at once down when items turn out slow.
func (s *sizer) took(items int, d time.Duration) {
	cost := max(1, int64(d)/int64(items))
	if old := s.cost.Load(); old > 0 && cost < old {
		cost = (4*old + cost) / 5
	}
	s.cost.Store(cost)
	want := max(1, int64(batchTarget)/cost)
	s.next.Store(min(want, 2*int64(items), int64(s.limit)))
}

// slow halves the size: the input takes longer than the work.
func (s *sizer) slow() { s.next.Store(max(1, s.next.Load()/2)) }

// A batchMapping is one iteration over the results of a Map in batches.
type batchMapping[In, Out any] struct {
	ex       Executor
	task     *Task[In, Out]
	settings settings
	window   int // batches in flight
	yield    func(Out, error) bool
	sizer    sizer

	filling  *batch[In, Out]
	begun    time.Time // of filling
	inFlight []*batch[In, Out]
	left     bool
}

// batching returns a mapping in batches, if that is possible without losing
// anything.
func batching[In, Out any](ex Executor, t *Task[In, Out], s settings) (*batchMapping[In, Out], bool) {
	b, ok := engine.As[engine.Batcher](ex)
	if !ok || t.settings.name == "" {
		return nil, false
	}
	if t.holdsFiles() {
		return nil, false // which travel beside the bytes, one call at a time
	}
	if p := s.policy; p.Timeout > 0 || p.QueueTimeout > 0 || p.Retry.Max > 0 {
		return nil, false
	}
	m := &batchMapping[In, Out]{ex: ex, task: t, settings: s, window: 2 * engine.Size(ex)}
	m.sizer.limit = b.MaxBatch()
	if limit := s.policy.Limit; limit > 0 {
		m.window = min(m.window, limit)
		m.sizer.limit = min(m.sizer.limit, limit/m.window)
	}
	m.sizer.next.Store(1)
	m.settings.index = 0
	return m, m.sizer.limit > 1
}

func (m *batchMapping[In, Out]) run(ctx context.Context, in iter.Seq[In]) {
	calls, cancel := context.WithCancelCause(ctx)
	// This happens on every way out, the consumer's panic included.
	defer func() {
		cancel(errMapLeft)
		for _, b := range m.inFlight {
			_, _ = b.future.Await(context.WithoutCancel(ctx))
		}
	}()
	err := m.feed(ctx, calls, in)
	if m.filling != nil && !m.left {
		m.send(calls)
	}
	for !m.left && len(m.inFlight) > 0 {
		m.yieldNext(ctx)
	}
	if err != nil && !m.left {
		var none Out
		m.yield(none, err)
	}
}

// feed takes the inputs and sends them in batches, and yields results whenever the
// window is full or some are ready. It returns what ended the input early.
func (m *batchMapping[In, Out]) feed(ctx, calls context.Context, in iter.Seq[In]) (err error) {
	if ctx.Err() != nil {
		return strand.Err(ctx)
	}
	pulled := pull(in, func(v In) bool {
		if !m.add(v) {
			return true
		}
		m.send(calls)
		for !m.left && (len(m.inFlight) >= m.window || m.isReady()) {
			m.yieldNext(ctx)
		}
		if !m.left && ctx.Err() != nil {
			err = strand.Err(ctx)
		}
		return !m.left && err == nil
	})
	return cmp.Or(err, pulled)
}

// add puts an input into the batch that is being filled, and reports whether that is
// to be sent.
func (m *batchMapping[In, Out]) add(v In) bool {
	n := int(m.sizer.next.Load())
	if m.filling == nil {
		m.filling = &batch[In, Out]{task: m.task, sizer: &m.sizer, items: make([]item[In, Out], 0, n)}
		if n > 1 {
			m.begun = time.Now()
		}
	}
	m.filling.items = append(m.filling.items, item[In, Out]{in: v})
	have := len(m.filling.items)
	if have >= n {
		return true
	}
	// A look at the clock costs as much as a small item.
	if (have < 16 || have%16 == 0) && time.Since(m.begun) > batchTarget/2 {
		m.sizer.slow()
		return true
	}
	return false
}

func (m *batchMapping[In, Out]) send(ctx context.Context) {
	b := m.filling
	m.filling = nil
	launch(ctx, m.ex, &m.settings, &b.job, b)
	m.settings.index += len(b.items)
	m.inFlight = append(m.inFlight, b)
}

func (m *batchMapping[In, Out]) isReady() bool {
	if m.settings.policy.Unordered {
		for _, b := range m.inFlight {
			if b.future.isDone() {
				return true
			}
		}
		return false
	}
	return len(m.inFlight) > 0 && m.inFlight[0].future.isDone()
}

// yieldNext waits for the next batch and yields its results. If ctx is done the calls
// are cancelled, and so the wait for them is not cut short.
func (m *batchMapping[In, Out]) yieldNext(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	next := 0
	if m.settings.policy.Unordered {
		next = m.firstDone(ctx)
	}
	b := m.inFlight[next]
	m.inFlight = append(m.inFlight[:next], m.inFlight[next+1:]...)
	_, _ = b.future.Await(ctx)
	for i := range b.items {
		it := &b.items[i]
		if it.err != nil {
			var none Out
			m.left = !m.yield(none, it.err)
		} else {
			m.left = !m.yield(it.out, nil)
		}
		if m.left {
			return
		}
	}
}

// firstDone waits until one of the batches in flight is done, and returns its place.
func (m *batchMapping[In, Out]) firstDone(ctx context.Context) int {
	var done strand.Event
	for i, b := range m.inFlight {
		if b.future.isDone() {
			return i
		}
		defer b.future.OnDone(done.Set)()
	}
	_ = done.Wait(ctx)
	for i, b := range m.inFlight {
		if b.future.isDone() {
			return i
		}
	}
	return 0
}
