package threading

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/goroutine"
	"github.com/go-braid/braid/internal/waitq"
)

// A worker is a goroutine of a pool, its queues, and its state. But for what is atomic
// or said to be otherwise, its fields are for its own goroutine alone.
type worker struct {
	pool      *Pool
	id        int
	goroutine goroutine.ID
	gone      atomic.Bool // the goroutine has left the pool: another one may be the same by its ID
	state     any
	ready     bool // Init has succeeded
	station   engine.Station

	awake chan bool // to an idle worker: there is something to do, or not any more
	given entry     // set before awake
	local *local    // nil: nothing has ever been put there; set under Pool.mu
	node  waitq.Node[*worker]

	searching bool // it is counted in Pool.searching
	looking   atomic.Bool
	ticks     uint32
	strayed   bool          // next has looked further than into the worker's own queues
	depth     int           // of calls that run inside one another
	nested    atomic.Int32  // the same, for others to see
	spawns    atomic.Uint64 // calls put into local
	loose     *loose
	labels    context.Context // the profiler labels that it runs with, or nil

	events sync.Mutex // held while the listener hears of a park; taken before Pool.mu

	// Under Pool.mu, since a careless task may park from several goroutines.
	lender   *atomic.Uint32 // the note of the task that has lent the slot
	resume   *resumer       // by which it wants it back
	slotless bool           // it has no slot; for its own goroutine alone
	waited   bool           // fetch has waited for more; likewise
	finishes bool           // it is counted in Pool.finishing; likewise
	spent    bool           // it holds a slot whose function has ended; likewise
}

// start starts a worker that has been given something. It needs Pool.mu.
func (w *worker) start() {
	w.station.Place = w
	w.node.Value = w
	w.searching = true
	w.looking.Store(w.given.isZero())
	w.pool.all.Push(&w.node)
	go w.loop()
}

// loop runs what there is to run until the pool has no use for the worker.
func (w *worker) loop() {
	ended := true // by a task, or by Init
	defer func() { w.exit(ended) }()
	w.goroutine = goroutine.Current()
	for {
		if err := w.init(); err != nil {
			w.found()
			w.refuse(w.given, err)
			w.given = entry{}
		} else {
			w.work()
		}
		if !w.rest() {
			break
		}
	}
	ended = false
}

// work runs what it was given, or finds, until it finds nothing.
func (w *worker) work() {
	e, ok := w.given, true
	w.given = entry{}
	if e.isZero() {
		e, ok = w.next()
	}
	var turned time.Duration // when the worker turned to the next call, if it knows
	for {
		if !ok {
			if e, ok = w.linger(); !ok {
				return
			}
		}
		w.found()
		if e.call == nil {
			turned = 0
			e, ok = w.runFunctions(e)
			continue
		}
		turned = w.runCall(e.call, turned)
		w.strayed = false
		if e, ok = w.next(); w.strayed {
			turned = 0
		}
	}
}

// linger looks for work a little longer, and lets others run meanwhile: to be woken again
// for the next entry costs them and the worker more.
func (w *worker) linger() (entry, bool) {
	if w.pool.exact {
		return entry{}, false // each look would cost the lock that all the others need
	}
	for range lingers {
		runtime.Gosched()
		if e, ok := w.next(); ok {
			return e, true
		}
	}
	return entry{}, false
}

// lingers is how often a worker looks again before it rests: some microseconds in all.
const lingers = 4

// runCall runs a call that the worker has claimed. It takes and returns times as
// [engine.Call.RunAt] does.
func (w *worker) runCall(c *engine.Call, turned time.Duration) (ended time.Duration) {
	if p := w.pool; p.cfg.observes() {
		return w.observe(c, turned)
	}
	return c.RunAt(&w.station, w.id, turned)
}

// isCaller reports whether the caller is the worker's own goroutine.
func (w *worker) isCaller() bool {
	return w.goroutine != 0 && w.goroutine == goroutine.Current() && !w.gone.Load()
}

// canSpawn reports whether c may wait on the worker rather than in the injector.
func (w *worker) canSpawn(c *engine.Call) bool {
	return c.Attempt() == 1 && c.IsPlain() && !c.IsForwarded() && w.pool.flags.Load()&flagShut == 0 &&
		(w.local == nil || w.local.len() < w.pool.share)
}

// spawn puts a call, which its task has submitted, into the worker's own queue.
func (w *worker) spawn(c *engine.Call) {
	if w.local == nil {
		w.makeLocal()
	}
	w.spawns.Store(w.spawns.Load() + 1)
	w.local.spawned.Push(c)
	w.pool.offer()
}

// makeLocal gives the worker queues of its own.
func (w *worker) makeLocal() {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	w.local = new(local)
	vs := append([]*worker{w}, *p.victims.Load()...)
	p.victims.Store(&vs)
}

// offer has somebody look for work that was put where others can steal it, if there is a
// slot for it and nobody is looking.
func (p *Pool) offer() {
	if p.free.Load() > 0 && p.searching.Load() == 0 {
		p.mu.Lock()
		p.schedule()
		p.unlock()
	}
}

// found says that the worker has got work. If nobody else looks for some, and there may
// be more, another one begins to.
func (w *worker) found() {
	if !w.searching {
		return
	}
	w.searching = false
	if w.looking.Load() {
		w.looking.Store(false)
	}
	if p := w.pool; p.searching.Add(-1) == 0 && p.free.Load() > 0 {
		p.mu.Lock()
		p.schedule()
		p.unlock()
	}
}

// fairness is how many entries a worker takes from its own queues before it looks into
// the injector. It is a prime, as in Go's scheduler, so that no pattern of tasks is in
// step with it.
const fairness = 61

// next returns the next entry for the worker, claimed, if there is one and a slot for it.
// If not, it may hold a slot or not; rest sees to that.
func (w *worker) next() (entry, bool) {
	p := w.pool
	if p.exact || w.slotless {
		w.strayed = true
		return w.finish()
	}
	w.ticks++
	if p.flags.Load()&^flagShut != 0 || w.ticks >= fairness {
		w.ticks, w.strayed = 0, true
		if e, ok, over := w.attend(); ok || over {
			return e, ok
		}
	}
	if l := w.local; l != nil {
		for !l.spawned.Empty() {
			c := l.spawned.Pop()
			if c == nil {
				break
			}
			if e := spawnedEntry(c); p.claim(&e) {
				return e, true
			}
		}
	}
	if e, ok := w.nextOfBatch(); ok {
		return e, true
	}
	w.strayed = true
	if e, ok := w.fetch(); ok {
		return e, true
	}
	return w.steal()
}

// nextOfBatch takes the first live entry of the worker's batch.
func (w *worker) nextOfBatch() (entry, bool) {
	if w.local == nil {
		return entry{}, false
	}
	for {
		e, ok := w.local.batch.next()
		if !ok {
			return entry{}, false
		}
		if w.pool.claim(&e) {
			return e, true
		}
	}
}

// claim claims what an entry is for, or reports that it is a ghost, and no more.
func (p *Pool) claim(e *entry) bool {
	if e.call == nil || e.call.ClaimAttempt(e.attempt) {
		return true
	}
	p.ghosts.Add(-1)
	return false
}

// spawnedEntry is the entry of a call in a deque: there are only first attempts.
func spawnedEntry(c *engine.Call) entry { return entry{call: c, attempt: 1} }

// attend sees to what others want of a worker between two tasks. Over says that it has no
// slot any more.
func (w *worker) attend() (e entry, ok, over bool) {
	p := w.pool
	p.mu.Lock()
	defer p.unlock()
	if p.resumers.Len() > 0 || p.running > p.workers || p.paused {
		p.running--
		w.slotless = true
		p.schedule()
		return entry{}, false, true
	}
	p.refill()
	e, ok = p.injector.take()
	p.refill()
	p.update()
	return e, ok, false
}

// fewEntries is less than what is worth a batch.
const fewEntries = 8

// fetch takes a batch out of the injector.
func (w *worker) fetch() (entry, bool) {
	p := w.pool
	if w.local == nil {
		w.makeLocal()
	}
	p.lockSoon()
	n := min(maxBatch, p.injector.live/p.workers+1)
	if p.injector.special == 0 {
		if p.injector.live < fewEntries && !w.waited {
			// Submitters are slower than the worker. It stays out of their way for
			// a moment, or both would spend their time on the lock.
			w.waited = true
			p.mu.Unlock()
			runtime.Gosched()
			return w.fetch()
		}
		w.waited = false
		if p.injector.live == 0 {
			p.mu.Unlock()
			return entry{}, false
		}
		p.injector.batch(&w.local.batch, n)
		p.refill()
		p.unlock()
		return w.nextOfBatch()
	}
	e, ok := p.injector.take()
	if ok {
		p.refill()
		p.update()
	}
	p.unlock()
	return e, ok
}

// steal takes work from another worker: the oldest call that one of its tasks has
// submitted, or half of its batch.
func (w *worker) steal() (entry, bool) {
	p := w.pool
	vs := *p.victims.Load()
	for i := range vs {
		v := vs[(int(w.ticks)+i)%len(vs)]
		if v == w {
			continue
		}
		for {
			c, retry := v.local.spawned.Steal()
			if c == nil && !retry {
				break
			}
			if c != nil {
				if e := spawnedEntry(c); p.claim(&e) {
					return e, true
				}
			}
		}
		if v.local.batch.len() > 0 && w.stealBatch(v) {
			if w.local.batch.len() > 1 {
				p.offer() // who looked meanwhile has seen them nowhere
			}
			if e, ok := w.nextOfBatch(); ok {
				return e, true
			}
		}
	}
	return entry{}, false
}

// stealBatch fills the worker's empty batch with half of another one's.
func (w *worker) stealBatch(v *worker) bool {
	var es [maxBatch]entry
	n := v.local.batch.steal(&es)
	if n > 0 {
		w.local.batch.fill(func(mine []entry) int { return copy(mine, es[:n]) })
	}
	return n > 0
}

// finish takes a complete task off the books, where there is an account of each, and
// returns the next entry, if there is one and a slot for it.
func (w *worker) finish() (entry, bool) {
	p := w.pool
	p.mu.Lock()
	defer p.unlock()
	w.settle()
	if w.spent && !w.slotless {
		p.running--
		w.slotless = true
		p.update()
	}
	w.spent = false
	if !w.slotless {
		return entry{}, false // Init has failed, or its context was done
	}
	if p.running < p.workers && p.resumers.Len() == 0 && !p.paused {
		e, ok := p.injector.take()
		if !ok && p.hasLocalWork() {
			p.running++
			w.slotless = false
			p.update()
			return entry{}, false
		}
		if ok {
			p.running++
			w.slotless = false
			p.refill()
			p.update()
			return e, true
		}
	}
	return entry{}, false
}

// settle needs Pool.mu.
func (w *worker) settle() {
	if w.finishes {
		w.finishes = false
		w.pool.settling--
		w.pool.finishing--
	}
}

// rest gives back the slot, if the worker has one, and waits until there is something to
// do. It reports false if the worker is to end.
func (w *worker) rest() bool {
	p := w.pool
	if l := w.loose; l != nil && l.parent.Done() != nil {
		w.dropLoose() // or it would keep its parent busy
	}
	p.mu.Lock()
	w.giveBack()
	p.idle = append(p.idle, w)
	// Now that the slot is known to be free: is there anything to do? Who puts work
	// on a worker after this sees the slot; what was there before we see.
	p.schedule()
	if n := len(p.idle); n > 0 && p.idle[n-1] == w && (p.closing || p.running+n > p.workers) {
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.unlock()
		return false
	}
	p.unlock()
	if !<-w.awake {
		return false
	}
	w.searching, w.slotless = true, false
	return true
}

// giveBack needs Pool.mu.
func (w *worker) giveBack() {
	p := w.pool
	w.settle()
	if w.searching {
		w.searching = false
		w.looking.Store(false)
		p.searching.Add(-1)
	}
	if !w.slotless {
		p.running--
		w.slotless = true
	}
	if w.local != nil {
		w.local.batch.forget()
	}
}

// exit ends the worker. Ended says that a task, or Init, has ended the goroutine: then
// its slot goes to others.
func (w *worker) exit(ended bool) {
	defer w.leave() // even if Cleanup ends the goroutine
	switch {
	case w.ready:
		defer w.stopped(nil)
		if f := w.pool.cfg.Cleanup; f != nil {
			f(w.state)
		}
	case ended:
		err := w.fail(engine.ErrGoexit)
		w.refuse(w.given, err)
	}
}

// leave takes the worker off the books. What waits on it goes to the others.
func (w *worker) leave() {
	p := w.pool
	w.gone.Store(true)
	w.dropLoose()
	p.mu.Lock()
	defer p.unlock()
	w.giveBack()
	w.nested.Store(0)
	p.all.Remove(&w.node)
	p.submitted += w.spawns.Load()
	w.spawns.Store(0)
	if l := w.local; l != nil {
		var vs []*worker
		for _, v := range *p.victims.Load() {
			if v != w {
				vs = append(vs, v)
			}
		}
		p.victims.Store(&vs)
		for e, ok := l.batch.next(); ok; e, ok = l.batch.next() {
			p.requeue(e)
		}
		for c, retry := l.spawned.Steal(); c != nil || retry; c, retry = l.spawned.Steal() {
			if c != nil {
				p.requeue(spawnedEntry(c))
			}
		}
	}
	p.releaseID(w.id)
	p.schedule()
}

// requeue puts an entry that has waited on a worker into the injector. It needs p.mu.
func (p *Pool) requeue(e entry) {
	p.injector.push(e, 0)
}

// refuse refuses an entry that the worker has claimed and will not run.
func (w *worker) refuse(e entry, why error) {
	if e.isZero() {
		return
	}
	p := w.pool
	p.mu.Lock()
	p.settling++
	p.refused++
	p.mu.Unlock()
	if e.call != nil {
		e.call.Refuse(why)
	}
	p.mu.Lock()
	p.settling--
	p.mu.Unlock()
}

// init makes the worker ready for its first task. If it cannot, the pool is
// broken, and the error is ErrBroken.
func (w *worker) init() (err error) {
	if w.ready {
		return nil
	}
	if f := w.pool.cfg.Init; f != nil {
		defer func() {
			if v := recover(); v != nil {
				err = w.fail(&engine.PanicError{Value: v, Stack: debug.Stack()})
			}
		}()
		if w.state, err = f(&w.pool.life, w.id); err != nil {
			return w.fail(err)
		}
	}
	w.ready = true
	if l := w.pool.cfg.Listener; l != nil {
		if l.Track != nil {
			w.station.Track = l.Track(w.pool.cfg.Name, w.id)
		}
		if l.WorkerStarted != nil {
			l.WorkerStarted(w.event(nil))
		}
	}
	return nil
}

// fail breaks the pool because the worker cannot be made ready.
func (w *worker) fail(why error) error {
	w.stopped(why)
	p := w.pool
	p.mu.Lock()
	defer p.unlock()
	if p.broken == nil {
		p.broken = fmt.Errorf("%w: %w", ErrBroken, why)
	}
	p.refuseWaiting(p.broken)
	p.update()
	return p.broken
}

func (w *worker) stopped(err error) {
	if t := w.station.Track; t != nil {
		t.Close()
	}
	if l := w.pool.cfg.Listener; l != nil && l.WorkerStopped != nil {
		l.WorkerStopped(w.event(err))
	}
}

func (w *worker) event(err error) engine.Event {
	return engine.Event{At: time.Since(engine.Epoch()), Engine: w.pool.cfg.Name, Worker: w.id, Err: err}
}
