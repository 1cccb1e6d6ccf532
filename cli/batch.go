package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/halt"
	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/multiprocessing"
)

// work is what is done with each input.
type work interface {
	// submit hands the call for an input to ex. Seq is the input's number, from
	// 1. An error means that there is no call, because the input makes no sense.
	submit(ctx context.Context, ex braid.Executor, it input.Item, seq int, opts []braid.Option) (*braid.Future[any], error)

	// describe says in a line what submit would run.
	describe(it input.Item, seq int) (string, error)
}

// A result is what became of one input.
type result struct {
	seq      int // the place of the input, from 1
	number   int // of the input: in a run its place
	item     input.Item
	key      string // see entry
	turn     turning
	future   *braid.Future[any]
	value    any
	text     []byte // the value as it will be printed; see batch.render
	json     []byte // and as JSON, where that is asked for
	slot     int    // of the engine that ran it, from 1; 0 if it never ran
	err      error
	noCall   bool          // nothing was handed to the engine: the input makes no sense
	skipped  bool          // not tried, because the run was stopped before
	stopped  bool          // tried, but stopped with the run
	attempts int           // 0 if it never ran
	wall     time.Duration // of the last attempt
}

// close releases what a result holds beside memory.
func (r *result) close() {
	if c, ok := r.value.(interface{ Close() }); ok {
		c.Close()
	}
}

// A tally counts results.
type tally struct {
	read    int // inputs taken, those that could not be read included
	ok      int
	failed  int
	stopped int // with the run, before they came to their own end
	skipped int // not tried
	before  int // done by an earlier run, which this one takes up
	others  int // not among those that this run was asked to do again
	again   int // times that an input was put back, because memory went short
}

// ended returns how many of the inputs that have their turn are through.
func (t tally) ended() int { return t.ok + t.failed + t.stopped + t.skipped }

// errHalted is the reason of calls that were withdrawn because the run stops.
var errHalted = errors.New("the run was stopped before its turn")

// A batch runs work on many inputs. It is made for one run. Its loop, which
// launches calls and takes their results, runs on one goroutine.
type batch struct {
	work     work
	engine   braid.Executor
	window   int // calls in flight at most
	ahead    int // results that may wait for an earlier one, if keep
	keep     bool
	halt     halt.Policy
	options  []braid.Option
	control  *control
	throttle *throttle // that starts have to pass; may be nil

	// total returns the number of inputs, or 0 while it is not known.
	total func() int
	// prompt says that nobody has to be waited for to know whether there are
	// more inputs.
	prompt bool
	// render, if there is one, puts a result into writing. If that fails, so has
	// the input.
	render func(*result) error
	// emit takes each result that is complete, in the order of completion or,
	// with keep, of the inputs. It is called on the loop's goroutine.
	emit func(*result)
	// begin, if there is one, is told of each input that has its turn, before it is
	// launched.
	begin func(*result)
	// idle, if there is one, is called when there is nothing to do but to wait. It returns
	// when it is to be called again even if nothing happens; 0 is never.
	idle func() time.Duration

	tally     tally
	exhausted bool // all inputs have been taken
	launched  int  // the number of the last input that was taken
	emitted   int  // the number of the last result emitted, if keep
	inFlight  map[int]*result
	held      map[int]*result // complete, but waiting for an earlier one
	waiting   []*result       // taken, but held back by the throttle or put back
	arrived   arrivals
	resized   atomic.Int64 // the window from now on; 0 if it stays
}

// run takes the inputs from src and returns when all calls are complete, or when
// control says to abandon them.
func (b *batch) run(ctx context.Context, src *source) {
	b.inFlight = make(map[int]*result)
	b.held = make(map[int]*result)
	b.arrived.notify = make(chan struct{}, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer src.stop()

	// What waits in the engine's queue is withdrawn before anything is cancelled,
	// since that makes room for it. Neither may wait for this loop, which may wait
	// for a slow reader of the output.
	if w, ok := engine.As[engine.Withdrawer](b.engine); ok {
		defer b.control.on(stageDrain, func() { w.Withdraw(errHalted) })()
	}
	defer b.control.on(stageTerminate, func() { cancel(errTerminated) })()

	draining := false
	var due <-chan time.Time // for idle
	for {
		stage := b.control.stage()
		if stage >= stageAbandon {
			return
		}
		if stage >= stageDrain && !draining {
			draining = true
			b.exhausted = b.exhausted || !src.more(b.prompt)
			src.stop()
			// The loop may have launched a call while the others were withdrawn.
			if w, ok := engine.As[engine.Withdrawer](b.engine); ok {
				w.Withdraw(errHalted)
			}
			b.skipWaiting()
		}
		if n := b.resized.Swap(0); n > 0 {
			b.window = int(n)
		}
		launching := stage == stageRun && !(src.done() && len(b.waiting) == 0)
		if stage == stageRun && src.done() {
			b.exhausted = true
		}
		var held time.Duration
		if launching && b.hasRoom() {
			if r, ok := b.next(src); r != nil {
				if held = b.throttle.hold(len(b.inFlight)); held == 0 {
					b.start(ctx, r)
					b.collect()
					continue
				}
				b.waiting = slices.Insert(b.waiting, 0, r)
			} else if ok {
				b.collect()
				continue
			}
		}
		if (!launching || src.done() && len(b.waiting) == 0) && len(b.inFlight) == 0 {
			b.exhausted = b.exhausted || launching
			return
		}
		if b.idle != nil && len(b.arrived.notify) == 0 {
			if again := b.idle(); again > 0 && due == nil {
				due = time.After(again)
			}
		}
		var more <-chan struct{}
		if launching && b.hasRoom() && held == 0 {
			more = src.ready
		}
		var asked <-chan time.Time
		if held > 0 && held != untilOpened {
			asked = time.After(held)
		}
		select {
		case <-more:
		case <-asked:
		case <-due:
			due = nil
		case <-b.throttle.wake():
		case <-b.arrived.notify:
			b.collect()
		case <-b.control.changed:
		}
	}
}

// resize sets how many calls are in flight at most. It may be called on any goroutine.
func (b *batch) resize(window int) {
	b.resized.Store(int64(window))
	token(b.control.changed)
}

// skipWaiting gives up the inputs that are held back.
func (b *batch) skipWaiting() {
	for _, r := range b.waiting {
		r.err, r.skipped = &engine.NotStartedError{Err: errHalted}, true
		b.complete(r)
	}
	b.waiting = nil
}

func (b *batch) hasRoom() bool {
	if b.keep && b.launched-b.emitted >= b.ahead || b.control.paused.Load() {
		return false
	}
	return len(b.inFlight) < b.window
}

// next returns an input that is to be started, if there is one now. If ok alone is
// set, there was one that could not be read, or that does not have its turn.
func (b *batch) next(src *source) (r *result, ok bool) {
	if len(b.waiting) > 0 {
		r = b.waiting[0]
		b.waiting = b.waiting[1:]
		return r, true
	}
	e, ok := src.next()
	if !ok {
		return nil, false
	}
	b.launched++
	b.tally.read++
	r = &result{seq: b.launched, number: cmp.Or(e.number, b.launched), item: e.item, key: e.key, turn: e.turn}
	switch e.turn {
	case hadTurn:
		b.tally.before++
		b.release(r)
		return nil, true
	case notAsked:
		b.tally.others++
		b.release(r)
		return nil, true
	}
	if b.begin != nil {
		b.begin(r)
	}
	if e.err != nil {
		r.err, r.noCall = e.err, true
		b.complete(r)
		return nil, true
	}
	return r, true
}

// start starts the call for an input.
func (b *batch) start(ctx context.Context, r *result) {
	opts := append(b.options[:len(b.options):len(b.options)], braid.Index(r.number))
	b.inFlight[r.seq] = r
	var err error
	r.future, err = b.work.submit(ctx, b.engine, r.item, r.number, opts)
	if err == nil {
		r.future.OnDone(func() { b.arrived.add(r) })
		return
	}
	delete(b.inFlight, r.seq)
	r.err, r.noCall = err, true
	b.complete(r)
}

// collect takes the results that have arrived.
func (b *batch) collect() {
	for _, r := range b.arrived.take() {
		delete(b.inFlight, r.seq)
		r.value, r.err = r.future.Await(context.Background())
		r.future = nil
		if isPutBack(r.err) {
			b.tally.again++
			b.throttle.putBack()
			if b.control.stage() == stageRun {
				r.close()
				r.value, r.err = nil, nil
				b.waiting = append(b.waiting, r)
				continue
			}
			// There is no time for another try, nor was there one of its own.
			r.stopped = true
			b.complete(r)
			continue
		}
		if r.err == nil && b.render != nil {
			r.err = b.render(r)
		}
		// What was refused because the run stops was never tried; it stops, too,
		// when the engine is broken. A refusal for another reason is a failure.
		ours := errors.Is(r.err, errHalted) || errors.Is(r.err, errTerminated) || errors.Is(r.err, multiprocessing.ErrBroken)
		r.skipped = ours && errors.Is(r.err, braid.ErrNotStarted)
		r.stopped = ours && !r.skipped
		b.complete(r)
	}
}

// complete counts r, decides whether the run goes on, and emits what can be.
func (b *batch) complete(r *result) {
	switch {
	case r.skipped:
		b.tally.skipped++
	case r.stopped:
		b.tally.stopped++
	case r.err != nil:
		b.tally.failed++
	default:
		b.tally.ok++
	}
	b.throttle.ended(r)
	counts := halt.Counts{Failed: b.tally.failed, Succeeded: b.tally.ok, Total: b.knownTotal()}
	switch b.halt.Decide(counts) {
	case halt.Drain:
		b.control.halt(stageDrain)
	case halt.Kill:
		b.control.halt(stageTerminate)
	}
	b.release(r)
}

// release emits what can be emitted now that r is through.
func (b *batch) release(r *result) {
	if !b.keep {
		if r.turn == hasTurn {
			b.emit(r)
		}
		return
	}
	b.held[r.seq] = r
	for {
		next, ok := b.held[b.emitted+1]
		if !ok {
			return
		}
		delete(b.held, next.seq)
		b.emitted++
		if next.turn == hasTurn {
			b.emit(next)
		}
	}
}

// leftOut reports whether a run that was stopped has left something undone. What
// stops it may be its very last result.
func (b *batch) leftOut() bool {
	return b.tally.skipped+b.tally.stopped > 0 || !b.exhausted
}

// knownTotal returns the number of inputs that have their turn, as far as it is known
// which have not, or 0 while nothing is known.
func (b *batch) knownTotal() int {
	n := 0
	switch {
	case b.exhausted:
		n = b.launched
	case b.total != nil:
		n = b.total()
	}
	return max(0, n-b.tally.before-b.tally.others)
}

// arrivals passes results from the strands that complete them to the loop.
type arrivals struct {
	notify chan struct{} // holds a token when there may be results
	mu     sync.Mutex
	list   []*result
}

func (a *arrivals) add(r *result) {
	a.mu.Lock()
	a.list = append(a.list, r)
	a.mu.Unlock()
	token(a.notify)
}

func (a *arrivals) take() []*result {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}
