package strand_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid/strand"
)

// Every object of the package has a row here. A few strands use it, and one of
// them, or two, are cancelled at every possible moment: before they wait, while
// they do, when they are woken but have not gone on yet, and in the middle of a
// wake-up of several. Whatever happens, nothing is lost and nothing is there
// twice, and whoever can go on does.

type failure = func(format string, args ...any)

var cancelScripts = []struct {
	name string
	open func(fail failure) script
}{
	{"Mutex", mutexScript},
	{"RLock", rlockScript},
	{"RWMutex", rwmutexScript},
	{"RWMutex, kept", rwmutexKeptScript},
	{"Semaphore", semaphoreScript},
	{"Semaphore, kept", semaphoreKeptScript},
	{"Event", eventScript},
	{"Condition", conditionScript},
	{"Barrier", barrierScript},
	{"Queue", queueScript(func() anyQueue { return strand.NewQueue[int](1) })},
	{"LifoQueue", queueScript(func() anyQueue { return strand.NewLifoQueue[int](1) })},
	{"PriorityQueue", queueScript(func() anyQueue { return strand.NewPriorityQueue(1, cmp.Compare[int]) })},
	{"Queue.Resize", resizeScript},
	{"Queue.Shutdown", shutdownScript},
	{"Queue.ShutdownNow", shutdownNowScript},
	{"Queue.Join", joinScript},
	{"Limiter", limiterScript},
	{"Limiter.SetRate", setRateScript},
	{"Once", onceScript},
	{"OnceValue", onceValueScript},
}

func TestCancelAnywhere(t *testing.T) {
	for _, s := range cancelScripts {
		t.Run(s.name, func(t *testing.T) {
			bounds := []bound{{cancels: 1, switches: 2}, {cancels: 2, switches: 0}}
			if testing.Short() || len(s.open(t.Errorf).bodies) > 3 {
				bounds = []bound{{cancels: 1, switches: 1}} // four have enough to choose from
			}
			total := 0
			for _, b := range bounds {
				runs, wrong := explore(b, s.open)
				if wrong != nil {
					t.Fatalf("run %d within %+v: %s", runs, b, wrong.report())
				}
				total += runs
			}
			if total < 50 {
				t.Errorf("there were only %d runs: the strands hardly meet", total)
			}
			t.Logf("%d runs", total)
		})
	}
}

// A section is what a lock protects.
type section struct {
	fail             failure
	readers, writers int
	visits           int
}

func (s *section) write(ctx context.Context) {
	s.visits++
	s.writers++
	if s.writers != 1 || s.readers != 0 {
		s.fail("%d writers and %d readers at once", s.writers, s.readers)
	}
	strand.ParkerOf(ctx).Yield(ctx)
	s.writers--
}

func (s *section) read(ctx context.Context) {
	s.visits++
	s.readers++
	if s.writers != 0 {
		s.fail("%d writers and %d readers at once", s.writers, s.readers)
	}
	strand.ParkerOf(ctx).Yield(ctx)
	s.readers--
}

// granted reports whether err is nil, and fails unless it is or says that ctx is
// done.
func granted(ctx context.Context, fail failure, err error) bool {
	if err != nil && !strand.IsErr(ctx, err) {
		fail("the error is %v; want none, or that of the context", err)
	}
	return err == nil
}

// times returns n copies of a body.
func times(n int, body func(ctx context.Context)) (bodies []func(ctx context.Context)) {
	for range n {
		bodies = append(bodies, body)
	}
	return bodies
}

// want returns an error if got is not what it should be.
func want[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: %v, want %v", what, got, want)
	}
	return nil
}

func mutexScript(fail failure) script {
	var mu strand.Mutex
	s := section{fail: fail}
	return script{
		bodies: times(3, func(ctx context.Context) {
			if granted(ctx, fail, mu.Lock(ctx)) {
				s.write(ctx)
				mu.Unlock()
			}
		}),
		books: func() error {
			return errors.Join(
				want("statistics", mu.Statistics(), strand.MutexStatistics{}),
				want("TryLock", mu.TryLock(), true))
		},
	}
}

func rlockScript(fail failure) script {
	var mu strand.RLock
	s := section{fail: fail}
	return script{
		bodies: times(3, func(ctx context.Context) {
			if !granted(ctx, fail, mu.Lock(ctx)) {
				return
			}
			if err := mu.Lock(ctx); err != nil {
				fail("Lock by the owner returned %v", err)
			}
			s.write(ctx)
			mu.Unlock(ctx)
			s.write(ctx)
			mu.Unlock(ctx)
		}),
		books: func() error {
			ctx, self := strand.Enter(bg)
			defer self.End()
			err := want("statistics", mu.Statistics(), strand.RLockStatistics{})
			if !mu.TryLock(ctx) {
				return errors.Join(err, errors.New("the lock is not free at the end"))
			}
			mu.Unlock(ctx)
			return err
		},
	}
}

func rwmutexScript(fail failure) script {
	var mu strand.RWMutex
	s := section{fail: fail}
	read := func(ctx context.Context) {
		if granted(ctx, fail, mu.RLock(ctx)) {
			s.read(ctx)
			mu.RUnlock()
		}
	}
	write := func(ctx context.Context) {
		if granted(ctx, fail, mu.Lock(ctx)) {
			s.write(ctx)
			mu.Unlock()
		}
	}
	return script{
		bodies: []func(context.Context){read, write, read, write},
		books: func() error {
			return errors.Join(
				want("statistics", mu.Statistics(), strand.RWMutexStatistics{}),
				want("TryLock", mu.TryLock(), true))
		},
	}
}

func semaphoreScript(fail failure) script {
	const permits = 3
	sem := strand.NewBoundedSemaphore(permits)
	held := 0
	acquire := func(n int) func(context.Context) {
		return func(ctx context.Context) {
			if granted(ctx, fail, sem.Acquire(ctx, n)) {
				if held += n; held > permits {
					fail("%d permits are held", held)
				}
				strand.ParkerOf(ctx).Yield(ctx)
				held -= n
				sem.Release(n)
			}
		}
	}
	return script{
		// The second is in the way of the third, for which there is enough.
		bodies: []func(context.Context){acquire(2), acquire(3), acquire(1), acquire(2)},
		books: func() error {
			return want("statistics", sem.Statistics(), strand.SemaphoreStatistics{Free: permits, Waiting: 0})
		},
	}
}

// rwmutexKeptScript has readers who keep the lock: one who came after a writer must
// get in when the writer gives up.
func rwmutexKeptScript(fail failure) script {
	var mu strand.RWMutex
	readers, writers := 0, 0 // that hold it, that wait or hold it
	read := func(ctx context.Context) {
		if granted(ctx, fail, mu.RLock(ctx)) {
			readers++
		}
	}
	return script{
		bodies: []func(context.Context){read, func(ctx context.Context) {
			writers++
			if granted(ctx, fail, mu.Lock(ctx)) {
				mu.Unlock()
			}
			writers--
		}, read},
		settled: func(waiting int) error {
			if waiting > 0 && (writers == 0 || readers == 0) {
				return fmt.Errorf("%d strands wait, of them %d writers, while %d readers hold it", waiting, writers, readers)
			}
			return nil
		},
		books: func() error {
			for range readers {
				mu.RUnlock()
			}
			return want("statistics", mu.Statistics(), strand.RWMutexStatistics{})
		},
	}
}

// semaphoreKeptScript has strands that keep their permits: who waits behind one that
// wants too many must get his own when that one gives up.
func semaphoreKeptScript(fail failure) script {
	const permits = 3
	sem := strand.NewSemaphore(permits)
	held := 0
	var wanted []int
	acquire := func(n int) func(context.Context) {
		return func(ctx context.Context) {
			wanted = append(wanted, n)
			if granted(ctx, fail, sem.Acquire(ctx, n)) {
				held += n
			}
			i := slices.Index(wanted, n)
			wanted = slices.Delete(wanted, i, i+1)
		}
	}
	return script{
		bodies: []func(context.Context){acquire(2), acquire(3), acquire(1)},
		settled: func(waiting int) error {
			if waiting > 0 && slices.Max(wanted) <= permits-held {
				return fmt.Errorf("strands wait for %v permits, and %d are free", wanted, permits-held)
			}
			return nil
		},
		books: func() error {
			sem.Release(held)
			return want("statistics", sem.Statistics(), strand.SemaphoreStatistics{Free: permits})
		},
	}
}

func eventScript(fail failure) script {
	var e strand.Event
	wait := func(ctx context.Context) { granted(ctx, fail, e.Wait(ctx)) }
	return script{
		bodies: []func(context.Context){wait, wait, func(context.Context) {
			e.Set()
			if n := e.Statistics().Waiting; n != 0 {
				fail("%d strands wait after Set", n)
			}
			e.Clear()
		}},
		// Those who came after Clear wait.
		settled: func(waiting int) error { return want("waiting", e.Statistics().Waiting, waiting) },
		books:   func() error { return want("statistics", e.Statistics(), strand.EventStatistics{}) },
	}
}

// conditionScript has two strands wait for a thing, and one bring it, with one
// notification. If who is notified gives up, the other must learn of it.
func conditionScript(fail failure) script {
	var c strand.Condition
	s := section{fail: fail}
	things, brought, taken := 0, 0, 0
	take := func(ctx context.Context) {
		if !granted(ctx, fail, c.Lock(ctx)) {
			return
		}
		defer c.Unlock(ctx)
		// WaitFor would look once more before it gives up.
		var err error
		for things == 0 && err == nil {
			err = c.Wait(ctx)
		}
		if granted(ctx, fail, err) {
			things--
			taken++
		}
		s.write(ctx) // the lock is held, whatever came of it
	}
	return script{
		bodies: []func(context.Context){take, take, func(ctx context.Context) {
			if granted(ctx, fail, c.Lock(ctx)) {
				things++
				brought++
				c.Notify(1)
				c.Unlock(ctx)
			}
		}},
		settled: func(waiting int) error {
			if waiting > 0 && things > 0 {
				return fmt.Errorf("%d strands wait while there are %d things", waiting, things)
			}
			return nil
		},
		books: func() error {
			return errors.Join(
				want("taken and left", taken+things, brought),
				want("strands that wait", c.Statistics().Waiting, 0))
		},
	}
}

// barrierScript has two strands meet three times. If one is cancelled, both fail:
// nobody waits.
func barrierScript(fail failure) script {
	actions := 0
	b := strand.NewBarrier(2, func(context.Context) error { actions++; return nil })
	passed := make([]int, 3)
	return script{
		bodies: times(2, func(ctx context.Context) {
			for round := range passed {
				if actions < round {
					fail("round %d begins after %d actions", round, actions)
				}
				if _, err := b.Wait(ctx); err != nil {
					if !strand.IsErr(ctx, err) && !errors.Is(err, strand.ErrBarrierBroken) {
						fail("the error is %v; want that of the context, or ErrBarrierBroken", err)
					}
					return
				}
				passed[round]++
			}
		}),
		books: func() error {
			for round, n := range passed {
				if n == 1 && round < actions-1 {
					return fmt.Errorf("one strand passed round %d, the other did not, of %d", round, actions)
				}
				if n > 0 && actions <= round {
					return fmt.Errorf("%d strands passed round %d, in which the action did not run", n, round)
				}
			}
			return want("strands in the barrier", b.Statistics().Waiting, 0)
		},
	}
}

// anyQueue is what the three kinds of queues have in common.
type anyQueue interface {
	Put(ctx context.Context, v int) error
	TryPut(v int) error
	Get(ctx context.Context) (int, error)
	TryGet() (int, error)
	TaskDone()
	Join(ctx context.Context) error
	Resize(capacity int)
	All(ctx context.Context) iter.Seq2[int, error]
	Shutdown()
	ShutdownNow() []int
	Statistics() strand.QueueStatistics
}

// A ledger keeps the books of a queue.
type ledger struct {
	anyQueue
	fail     failure
	put, got []int
}

// putter returns a strand that puts items.
func (l *ledger) putter(items ...int) func(context.Context) {
	return func(ctx context.Context) {
		for _, v := range items {
			err := l.Put(ctx, v)
			if err == strand.ErrShutdown {
				return
			}
			if granted(ctx, l.fail, err) {
				l.put = append(l.put, v)
			}
		}
	}
}

// getter returns a strand that gets n items.
func (l *ledger) getter(n int, then func()) func(context.Context) {
	return func(ctx context.Context) {
		for range n {
			v, err := l.Get(ctx)
			if err == strand.ErrShutdown {
				return
			}
			if granted(ctx, l.fail, err) {
				l.got = append(l.got, v)
				then()
			} else if v != 0 {
				l.fail("Get returned %d with the error %v", v, err)
			}
		}
	}
}

func nothing() {}

// settled says whether those who wait in the queue should.
func (l *ledger) settled(waiting int) error {
	st := l.Statistics()
	if st.Getters+st.Putters+st.Joiners != waiting {
		return fmt.Errorf("%d strands wait, but the queue knows of others: %+v", waiting, st)
	}
	if st.Getters > 0 && (st.Len > 0 || st.Putters > 0 || st.Shutdown) ||
		st.Putters > 0 && (st.Len < st.Cap || st.Shutdown) || st.Joiners > 0 && st.Unfinished == 0 {
		return fmt.Errorf("strands wait for what is there: %+v", st)
	}
	return nil
}

// books says whether each item is in one place.
func (l *ledger) books() error {
	for v, err := l.TryGet(); err == nil; v, err = l.TryGet() {
		l.got = append(l.got, v)
	}
	slices.Sort(l.put)
	slices.Sort(l.got)
	st := l.Statistics()
	return errors.Join(
		want("items got, in the end", fmt.Sprint(l.got), fmt.Sprint(l.put)),
		want("puts", st.Puts, uint64(len(l.put))),
		want("strands that wait", st.Getters+st.Putters+st.Joiners, 0))
}

func queueScript(open func() anyQueue) func(failure) script {
	return func(fail failure) script {
		l := &ledger{anyQueue: open(), fail: fail}
		return script{
			bodies:  []func(context.Context){l.putter(1, 2, 3), l.getter(2, nothing), l.getter(1, nothing)},
			settled: l.settled,
			books:   l.books,
		}
	}
}

func resizeScript(fail failure) script {
	l := &ledger{anyQueue: strand.NewQueue[int](1), fail: fail}
	return script{
		bodies: []func(context.Context){l.putter(1, 2), l.putter(3), func(ctx context.Context) {
			for _, capacity := range []int{3, 1} {
				l.Resize(capacity)
				if st := l.Statistics(); st.Putters > 0 && st.Len < st.Cap {
					fail("strands wait for room after Resize: %+v", st)
				}
				_ = strand.Yield(ctx)
			}
		}, l.getter(1, nothing)},
		settled: l.settled,
		books:   l.books,
	}
}

func shutdownScript(fail failure) script {
	l := &ledger{anyQueue: strand.NewQueue[int](1), fail: fail}
	return script{
		bodies: []func(context.Context){l.putter(1, 2), l.getter(3, nothing), func(ctx context.Context) {
			_ = strand.Yield(ctx)
			l.Shutdown()
		}},
		books: l.books,
	}
}

func shutdownNowScript(fail failure) script {
	l := &ledger{anyQueue: strand.NewQueue[int](1), fail: fail}
	return script{
		// Whatever the joiner waits for is done or thrown out.
		bodies: []func(context.Context){l.putter(1, 2), l.getter(1, l.TaskDone), func(ctx context.Context) {
			granted(ctx, fail, l.Join(ctx))
		}, func(ctx context.Context) {
			_ = strand.Yield(ctx)
			l.got = append(l.got, l.ShutdownNow()...)
		}},
		books: func() error {
			return errors.Join(l.books(), want("unfinished items", l.Statistics().Unfinished, 0))
		},
	}
}

func joinScript(fail failure) script {
	l := &ledger{anyQueue: strand.NewQueue[int](1), fail: fail}
	return script{
		bodies: []func(context.Context){l.putter(1, 2), func(ctx context.Context) {
			if granted(ctx, fail, l.Join(ctx)) {
				return
			}
			if l.Statistics().Joiners > 1 {
				fail("a strand whose Join was cancelled is still among the joiners")
			}
		}, l.getter(2, l.TaskDone)},
		settled: l.settled,
		books:   l.books,
	}
}

// A tap keeps the books of a Limiter: tokens taken, and when.
type tap struct {
	*strand.Limiter
	fail  failure
	taken int
	most  func(elapsed time.Duration) int // that may be taken in a time
}

func (l *tap) taker(n int) func(context.Context) {
	return func(ctx context.Context) {
		if !granted(ctx, l.fail, l.Wait(ctx, n)) {
			return
		}
		l.taken += n
		elapsed := strand.Now(ctx).Sub(time.Unix(0, 0))
		if most := l.most(elapsed); l.taken > most {
			l.fail("%d tokens were taken in %v, want at most %d", l.taken, elapsed, most)
		}
		if elapsed > time.Minute {
			l.fail("it took %v", elapsed)
		}
	}
}

func (l *tap) books() error {
	st := l.Statistics(bg)
	return errors.Join(
		want("taken", st.Taken, uint64(l.taken)),
		want("strands that wait", st.Waiting, 0),
		want("tokens wanted", st.Wanted, 0))
}

func limiterScript(fail failure) script {
	l := &tap{Limiter: strand.NewLimiter(1, time.Second, 2), fail: fail,
		most: func(elapsed time.Duration) int { return 2 + int(elapsed/time.Second) }}
	return script{
		// The first finds tokens, the others stand in line.
		bodies: []func(context.Context){l.taker(1), l.taker(2), l.taker(1), l.taker(1)},
		books:  l.books,
	}
}

func setRateScript(fail failure) script {
	l := &tap{Limiter: strand.NewLimiter(1, time.Hour, 1), fail: fail,
		most: func(elapsed time.Duration) int { return 1 + int(elapsed/time.Second) }}
	return script{
		bodies: []func(context.Context){l.taker(1), l.taker(1), l.taker(1), func(ctx context.Context) {
			l.SetRate(ctx, 1, time.Second) // before any time passes
		}},
		books: l.books,
	}
}

var errOnce = errors.New("the first time goes wrong")

func onceScript(fail failure) script {
	var once strand.Once
	s := section{fail: fail}
	succeeded := 0
	return script{
		bodies: times(3, func(ctx context.Context) {
			err := once.Do(ctx, func(ctx context.Context) error {
				s.write(ctx)
				if s.visits == 1 {
					return errOnce
				}
				succeeded++
				return nil
			})
			if err == nil && succeeded != 1 {
				fail("Do returned nil after %d successes", succeeded)
			} else if err != errOnce {
				granted(ctx, fail, err)
			}
		}),
		books: func() error {
			return errors.Join(
				want("statistics", once.Statistics(), strand.OnceStatistics{Done: succeeded == 1}),
				want("successes", succeeded, min(1, max(0, s.visits-1))))
		},
	}
}

func onceValueScript(fail failure) script {
	s := section{fail: fail}
	get := strand.OnceValue(func(ctx context.Context) (int, error) {
		s.write(ctx)
		if err := ctx.Err(); err != nil {
			return 0, strand.Err(ctx)
		}
		return 42, nil
	})
	return script{
		bodies: times(3, func(ctx context.Context) {
			if v, err := get(ctx); granted(ctx, fail, err) && v != 42 {
				fail("the value is %d, want 42", v)
			}
		}),
		books: func() error {
			v, err := get(bg)
			return errors.Join(err, want("the value", v, 42))
		},
	}
}

// hasty is a semaphore with a mistake that many have made: a strand that is woken
// and finds that it is cancelled goes away, although the wake-up was the only one.
type hasty struct {
	free    int
	waiting []*hastyWaiter
}

type hastyWaiter struct {
	h    *hasty
	wake func()
}

func (w *hastyWaiter) Arm(wake func()) bool {
	if w.h.free > 0 {
		return false
	}
	w.wake = wake
	w.h.waiting = append(w.h.waiting, w)
	return true
}

func (w *hastyWaiter) Disarm() bool {
	i := slices.Index(w.h.waiting, w)
	if i < 0 {
		return false
	}
	w.h.waiting = slices.Delete(w.h.waiting, i, i+1)
	return true
}

func (h *hasty) acquire(ctx context.Context) error {
	for h.free == 0 {
		if err := strand.Park(ctx, strand.Op{Object: h, Kind: strand.OpAcquire}, &hastyWaiter{h: h}); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return strand.Err(ctx)
		}
	}
	h.free--
	return nil
}

func (h *hasty) release() {
	h.free++
	if len(h.waiting) > 0 {
		w := h.waiting[0]
		h.waiting = h.waiting[1:]
		w.wake()
	}
}

// TestCancelNotices makes sure that the stepper sees a mistake, and says how it
// comes about.
func TestCancelNotices(t *testing.T) {
	open := func(fail failure) script {
		h := &hasty{free: 1}
		return script{
			bodies: times(3, func(ctx context.Context) {
				if granted(ctx, fail, h.acquire(ctx)) {
					strand.ParkerOf(ctx).Yield(ctx)
					h.release()
				}
			}),
			books: func() error { return want("free permits", h.free, 1) },
		}
	}
	if _, wrong := explore(bound{cancels: 0, switches: 3}, open); wrong != nil {
		t.Errorf("without a cancel: %s", wrong.report())
	}
	_, wrong := explore(bound{cancels: 1, switches: 3}, open)
	if wrong == nil {
		t.Fatal("no run found the mistake")
	}
	if text := wrong.report(); !strings.Contains(text, "1 strands wait, and nobody will wake them") ||
		!strings.Contains(text, "\tcancel ") {
		t.Errorf("the report says:\n%s\nwant that a strand waits for ever, and the cancel that led to it", text)
	}
}
