package cli

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/input"
)

// A timeLimit is the value of --timeout: a time, or a percentage of the median.
// Its zero value is without limit.
type timeLimit struct {
	fixed   time.Duration
	percent float64
}

func (l *timeLimit) Set(s string) error {
	p, ok := strings.CutSuffix(s, "%")
	if !ok {
		d, err := parseDuration(s)
		*l = timeLimit{fixed: d}
		return err
	}
	f, err := strconv.ParseFloat(p, 64)
	if err != nil || !(f > 100) || math.IsInf(f, 0) {
		return errors.New("a percentage of the median time is above 100%, such as 300%")
	}
	*l = timeLimit{percent: f}
	return nil
}

func (l *timeLimit) String() string {
	if l.percent > 0 {
		return strconv.FormatFloat(l.percent, 'g', -1, 64) + "%"
	}
	return l.fixed.String()
}

func (l *timeLimit) Type() string { return "limit" }

// Of a limit that is a part of the median.
const (
	medianOf   = 1001        // the median is that of so many attempts that succeeded, the last ones
	enough     = 5           // so many make a median
	leastLimit = time.Second // what is quick now and then takes longer for reasons of its own
)

// A medianLimit stops attempts that take too long beside the median of those that
// have succeeded. Once there are enough of them it holds for all, also those that
// run already. Its methods may be called from any goroutine.
type medianLimit struct {
	factor float64

	mu      sync.Mutex
	times   []time.Duration // the last successes, in their order; a ring
	oldest  int             // the next to be overwritten
	sorted  []time.Duration // the same
	limit   time.Duration   // 0 while there are too few
	running map[int]*timed  // by the number of the input
	first   *timed          // the one that runs longest; a list in the order of the starts
	last    *timed
	timer   *time.Timer // at the limit of first
}

// A timed is an attempt that runs.
type timed struct {
	seq        int
	began      time.Time
	stop       func(error)
	prev, next *timed
}

func newMedianLimit(percent float64) *medianLimit {
	return &medianLimit{factor: percent / 100, running: make(map[int]*timed)}
}

// begin notes that an attempt at an input runs. Stop is called, once at most, with
// the reason, when it is over the limit.
func (m *medianLimit) begin(seq int, stop func(error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &timed{seq: seq, began: time.Now(), stop: stop, prev: m.last}
	if m.last != nil {
		m.last.next = t
	} else {
		m.first = t
	}
	m.last = t
	m.running[seq] = t
	if m.first == t {
		m.arm()
	}
}

// end notes that it has ended.
func (m *medianLimit) end(seq int, succeeded bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.running[seq]
	if t == nil {
		return // it was stopped
	}
	m.drop(t)
	if succeeded {
		m.add(time.Since(t.began))
	}
	m.arm()
}

// current returns the limit, or 0 while there is none.
func (m *medianLimit) current() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.limit
}

func (m *medianLimit) drop(t *timed) {
	delete(m.running, t.seq)
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		m.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		m.last = t.prev
	}
}

// add counts the time of a success.
func (m *medianLimit) add(d time.Duration) {
	if len(m.times) < medianOf {
		m.times = append(m.times, d)
	} else {
		i, _ := slices.BinarySearch(m.sorted, m.times[m.oldest])
		m.sorted = slices.Delete(m.sorted, i, i+1)
		m.times[m.oldest] = d
		m.oldest = (m.oldest + 1) % medianOf
	}
	i, _ := slices.BinarySearch(m.sorted, d)
	m.sorted = slices.Insert(m.sorted, i, d)
	if len(m.times) < enough {
		return
	}
	half := m.sorted[(len(m.sorted)-1)/2]
	m.limit = leastLimit
	if l := float64(half) * m.factor; l > float64(leastLimit) {
		m.limit = time.Duration(min(l, math.MaxInt64/2))
	}
}

// arm sets the timer to the limit of the attempt that runs longest.
func (m *medianLimit) arm() {
	if m.timer != nil {
		m.timer.Stop()
		m.timer = nil
	}
	if m.first == nil || m.limit == 0 {
		return
	}
	m.timer = time.AfterFunc(time.Until(m.first.began.Add(m.limit)), m.expire)
}

// expire stops what is over the limit.
func (m *medianLimit) expire() {
	m.mu.Lock()
	var over []*timed
	for m.first != nil && m.limit > 0 && time.Since(m.first.began) >= m.limit {
		over = append(over, m.first)
		m.drop(m.first)
	}
	why := &engine.TimeoutError{Limit: m.limit.Round(time.Millisecond), Phase: engine.PhaseRun}
	m.arm()
	m.mu.Unlock()
	for _, t := range over {
		t.stop(why)
	}
}

// bound returns a context for an attempt at an input, which ends at the limit, and a
// function to call with what the attempt came to. A nil limit is none.
func (m *medianLimit) bound(ctx context.Context, seq int) (context.Context, func(error)) {
	if m == nil {
		return ctx, func(error) {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	m.begin(seq, cancel)
	return ctx, func(err error) {
		m.end(seq, err == nil)
		cancel(nil)
	}
}

// A timedTask is work whose calls, of a task, end at a part of the median. What is
// submitted before there is a median can only be cancelled as a whole; after that each
// attempt has its limit.
type timedTask struct {
	work
	limit *medianLimit

	mu      sync.Mutex
	futures map[int]*braid.Future[any] // of the calls without a limit of their own
}

func newTimedTask(w work, limit *medianLimit) *timedTask {
	return &timedTask{work: w, limit: limit, futures: make(map[int]*braid.Future[any])}
}

func (w *timedTask) submit(ctx context.Context, ex braid.Executor, it input.Item, seq int, opts []braid.Option) (*braid.Future[any], error) {
	if d := w.limit.current(); d > 0 {
		return w.work.submit(ctx, ex, it, seq, append(opts, braid.Timeout(d)))
	}
	future, err := w.work.submit(ctx, ex, it, seq, opts)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.futures[seq] = future
	w.mu.Unlock()
	future.OnDone(func() {
		w.mu.Lock()
		delete(w.futures, seq)
		w.mu.Unlock()
	})
	return future, nil
}

// cancel ends a call that has no limit of its own.
func (w *timedTask) cancel(seq int, why error) {
	w.mu.Lock()
	future := w.futures[seq]
	w.mu.Unlock()
	if future != nil {
		future.Cancel(why)
	}
}

func (w *timedTask) listener() *engine.Listener {
	end := func(e engine.Event) { w.limit.end(e.Index, e.Err == nil) }
	return &engine.Listener{
		Started: func(e engine.Event) {
			w.limit.begin(e.Index, func(why error) { w.cancel(e.Index, why) })
		},
		Retrying: end,
		Finished: end,
	}
}
