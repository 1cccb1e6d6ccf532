package asyncio

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/coro"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A Loop runs coroutines one at a time, each until it parks, and lets the others
// run meanwhile. It is an engine: hand it to braid.Submit, braid.Go or braid.Map.
// Make one with [NewLoop], or have [Run] make one for the time that a function
// takes.
type Loop struct {
	cfg    Config
	host   engine.Host
	driver Driver
	poll   poller // the driver, if it knows about descriptors
	epoch  time.Time

	// From any goroutine.
	inbox    inbox
	asleep   atomic.Bool // the loop waits, or is about to
	closing  atomic.Bool // no further calls
	holds    atomic.Int64
	gone     strand.Event
	watchdog watchdog
	guard    guard
	threads  *strand.Semaphore // of ToThread, without Config.Threads

	// From here on, the loop's own: for the coroutine that runs.
	coros    coro.Set
	root     *worker
	running  *worker   // nil: none
	ready    ring[job] // what can run, in order
	fresh    job       // a new one that has no worker yet
	over     bool      // the loop has ended
	turn     int       // how many of them belong to this turn
	steps    uint      // since the loop last looked at the poller
	timers   timers
	now      int64                  // the clock when it was last read
	alive    waitq.List[*Coroutine] // in the order of their start
	lastID   uint64
	idle     []*worker // without a job
	workers  int       // all of them
	watches  map[<-chan struct{}]*watch
	drains   waitq.List[*drain]
	end      ending
	main     *call
	deadlock *DeadlockError
}

// NewLoop starts a loop, which runs until it is closed. It panics if cfg makes no
// sense. A loop that is dropped without [Loop.Close] leaks a goroutine.
func NewLoop(cfg Config) *Loop {
	l := newLoop(cfg)
	l.holds.Add(1) // anybody may submit calls
	go l.serve()
	return l
}

func newLoop(cfg Config) *Loop {
	l := &Loop{cfg: cfg.check(), watches: make(map[<-chan struct{}]*watch)}
	l.host = engine.Host{Name: l.cfg.Name, Listener: l.cfg.Listener, Executor: l}
	l.driver = l.cfg.Driver
	if l.driver == nil {
		l.driver = newPoller()
	}
	l.poll, _ = l.driver.(poller)
	l.epoch = l.driver.Now()
	l.watchdog.loop = l
	l.threads = strand.NewSemaphore(maxThreads)
	return l
}

// serve runs the loop on the calling goroutine until it has ended.
func (l *Loop) serve() {
	l.root = &worker{loop: l}
	l.root.owner.claim()
	l.coros.Root(&l.root.coro)
	l.watchdog.start()
	if l.cfg.DumpOnSignal {
		defer l.dumpOnSignal()()
	}
	for next := l.choose(l.root); ; next = l.chosen() {
		if next == l.root {
			if l.fresh == nil {
				break // the loop has ended
			}
			l.hire()
			next = l.assign(l.takeWorker())
			l.enter(next)
		}
		l.root.coro.Switch(&next.coro)
	}
	for len(l.idle) > 0 {
		l.endWorker(l.root, l.takeWorker())
	}
	l.coros.Wait()
	l.watchdog.stop()
	if c, ok := l.driver.(interface{ Close() error }); ok {
		_ = c.Close()
	}
	l.gone.Set()
}

// Size implements [engine.Sizer]: it returns Config.Concurrency.
func (l *Loop) Size() int { return l.cfg.Concurrency }

// Host implements [engine.Hoster].
func (l *Loop) Host() *engine.Host { return &l.host }

// Start implements [engine.Executor]. It never waits: a loop admits every call,
// and starts it in its next turn.
func (l *Loop) Start(ctx context.Context, c *engine.Call) {
	ctx = c.Submit(ctx, &l.host)
	if l.closing.Load() {
		c.Refuse(engine.ErrClosed)
		return
	}
	in := l.newCall(ctx, c.Spec().Task)
	in.call = c
	in.parent = current(ctx, l)
	if !l.send(&in.letter) {
		in.cancel(nil)
		c.Refuse(engine.ErrClosed)
	}
}

// newCall returns a coroutine from outside the loop, whose context ends with ctx or
// by its own cancel.
func (l *Loop) newCall(ctx context.Context, name string) *call {
	c := &call{}
	ctx, c.cancel = context.WithCancelCause(flat(ctx, l))
	c.loop, c.name, c.Coroutine.call = l, name, c
	c.ctx = strandContext{ctx, &c.Coroutine}
	c.letter.from = c
	return c
}

// send puts m into the loop's inbox, and wakes the loop if it sleeps. It reports
// false if the loop is gone.
func (l *Loop) send(m *letter) bool {
	if !l.inbox.put(m) {
		return false
	}
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) {
		l.driver.Wake()
	}
	return true
}

// push makes j ready, behind all that was made ready before, by whomever. It is
// for the loop only.
func (l *Loop) push(j job) {
	if !l.inbox.empty() {
		l.inbox.open()
	}
	l.ready.push(j)
}

// clock reads the loop's clock.
func (l *Loop) clock() int64 {
	l.now = int64(l.driver.Now().Sub(l.epoch))
	return l.now
}

// choose takes the next job that can run and returns the worker for it, which is
// w, on which it is called, if w has no job. When the loop has ended it is the root.
// Choose waits if nothing can run.
func (l *Loop) choose(w *worker) *worker {
	if l.turn == 0 && !l.nextTurn(w) {
		l.over = true
		return l.root
	}
	var j job
	if f := l.cfg.Choose; f == nil || l.turn == 1 {
		j = l.ready.pop()
	} else {
		j = l.ready.take(f(l.turn))
	}
	l.turn--
	l.steps++
	to, ok := j.(*worker)
	if !ok {
		to = l.workerFor(j, w)
	}
	l.enter(to)
	return to
}

// enter says that w runs next.
func (l *Loop) enter(w *worker) {
	l.running = w
	l.watchdog.begin()
	l.guard.enter(w)
}

// workerFor returns a worker for a job that is new: w if it has none. If there is no
// other either, it is the root's turn to make some.
func (l *Loop) workerFor(j job, w *worker) *worker {
	l.fresh = j
	if w.job != nil || w == l.root {
		if len(l.idle) == 0 {
			return l.root
		}
		w = l.takeWorker()
	}
	return l.assign(w)
}

// assign gives the fresh job to w.
func (l *Loop) assign(w *worker) *worker {
	w.job, l.fresh = l.fresh, nil
	if c, ok := w.job.(*Coroutine); ok {
		w.co, c.worker = c, w
	}
	return w
}

// chosen returns what the root is to let run when it has been switched to: itself, if
// it was chosen for its own sake, or else what it chooses.
func (l *Loop) chosen() *worker {
	if l.fresh != nil || l.over {
		return l.root
	}
	return l.choose(l.root)
}

// How many steps are taken at most without a look at the descriptors and the
// clock, if the turns are shorter than that.
const stepsPerPoll = 64

// nextTurn collects what can run now, and waits until there is something. It
// reports false when the loop has ended. W is the worker that it is called on.
func (l *Loop) nextTurn(w *worker) bool {
	l.running = nil
	for {
		l.inbox.open()
		if l.ready.len() == 0 || l.steps >= stepsPerPoll {
			l.look()
		} else if l.timers.len() > 0 {
			l.fireTimers()
		}
		if n := l.ready.len(); n > 0 {
			l.turn = n
			return true
		}
		if l.ended() {
			return false
		}
		l.wait(w)
	}
}

// look takes note of what has happened outside, without waiting.
func (l *Loop) look() {
	l.steps = 0
	if l.poll != nil && l.poll.watching() {
		l.poll.Wait(0)
	}
	l.fireTimers()
	l.inbox.open()
	if l.end.cancelled && !l.end.forced && l.clock() >= l.end.deadline {
		l.unwindAll()
	}
}

func (l *Loop) fireTimers() {
	if l.timers.len() == 0 {
		return
	}
	now := l.clock()
	for t := l.timers.due(now); t != nil; t = l.timers.due(now) {
		t.fire.fire()
	}
}

// wait waits until something may have happened.
func (l *Loop) wait(w *worker) {
	l.trim(w)
	d := time.Duration(-1)
	if l.timers.len() > 0 {
		d = max(0, time.Duration(l.timers.next()-l.clock()))
	}
	d = l.end.limit(l, d)
	stuck := false
	if d < 0 && l.stuck() {
		stuck = true
		d = l.cfg.DeadlockAfter
	}
	l.asleep.Store(true)
	if !l.inbox.empty() {
		l.asleep.Store(false)
		return
	}
	l.watchdog.wait()
	l.driver.Wait(d)
	l.watchdog.resume()
	woken := !l.asleep.Swap(false)
	l.clock()
	if !stuck {
		return
	}
	if woken || !l.inbox.empty() {
		// Somebody outside, of whom we did not know, does wake our coroutines.
		l.holds.Add(1)
		return
	}
	l.deadlocked(w)
}

// admit takes on a coroutine that has just been made.
func (l *Loop) admit(c *Coroutine) {
	l.lastID++
	c.id = l.lastID
	c.node.Value = c
	l.alive.Push(&c.node)
	l.ready.push(c)
}

// String returns the loop's name.
func (l *Loop) String() string { return "loop " + l.cfg.Name }
