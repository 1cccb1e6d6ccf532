package threading

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/cancel"
	"github.com/go-braid/braid/internal/clock"
	"github.com/go-braid/braid/internal/quiet"
	"github.com/go-braid/braid/internal/spin"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// ErrBroken is the error of calls that a pool refuses because Config.Init failed.
var ErrBroken = errors.New("the pool is broken: a worker could not be initialised")

// A Pool is an engine that runs calls on a bounded number of goroutines, which steal
// work from one another. Make one with [NewPool]. Its methods may be called from any
// goroutine.
//
// # Slots
//
// A pool has as many slots as Config.Workers. A task that runs holds one, and
// calls wait in a queue, first in, first out, until one is free. A task that
// parks to wait for another strand (a future, a mutex, a queue) lends its slot to
// the next call meanwhile, since that may be the very one it waits for: so tasks
// that submit to their own pool and wait do not deadlock, even on a pool of one.
// When it is woken it takes a slot again, before any queued call, so that never
// more tasks run than there are slots. A task that sleeps keeps its slot: time
// passes without anybody's help.
//
// The pool cannot see a task that blocks outside package strand, on a channel or
// a sync.Mutex. Such a task keeps its slot. In particular, a task must not hold
// a sync.Mutex while it parks: when it is woken, the slots may all be held by
// tasks that wait for that mutex.
//
// # Tasks that start tasks
//
// A call that a task submits to its own pool waits on the worker of that task, which
// takes the newest one first, while others steal the oldest. When the task awaits a
// call that nobody has begun, with the context that it was submitted with and if
// that has no deadline, or comes to the end of its scope, it runs the call itself
// rather than park: it has lent its slot to it, so to speak. A call that ends its
// goroutine (runtime.Goexit) then takes along the task that waits for it.
type Pool struct {
	host  engine.Host
	cfg   Config
	life  cancel.Context // contexts of calls end with it
	exact bool           // the bounds of the queue are tight: see README.md
	share int            // how many entries may wait on a worker

	flags     atomic.Uint32             // what workers must see to between two tasks; changes under mu
	searching atomic.Int32              // workers that look for work, or have been woken to
	free      atomic.Int32              // slots that nobody holds or waits for; changes under mu
	ghosts    atomic.Int64              // entries on workers whose calls others have claimed
	victims   atomic.Pointer[[]*worker] // that may have something to steal; changes under mu

	mu        sync.Mutex
	injector  injector
	workers   int // slots
	running   int // slots held
	lent      int // tasks that are parked and hold no slot
	settling  int // calls that hold no slot any more, and whose outcome is being delivered
	finishing int // the workers among them: those will look for the next call
	paused    bool
	closing   bool
	broken    error
	putters   waitq.List[*putter]  // submitters that wait for room in the queue
	resumers  waitq.List[*resumer] // woken tasks that wait for a slot
	idle      []*worker
	all       waitq.List[*worker]
	ids       []bool     // worker numbers in use, from 1 at index 0
	lowestID  int        // no index below it is free
	quiet     quiet.Line // strands that wait for the end of work
	after     []func()   // to be done when mu is released
	submitted uint64     // but for those on workers
	refused   uint64
}

// NewPool returns a pool. Its goroutines start as they are needed. It panics if
// cfg makes no sense.
//
// A pool that is dropped without [Pool.Close] leaks its idle goroutines.
func NewPool(cfg Config) *Pool {
	p := &Pool{cfg: cfg.check()}
	p.workers = p.cfg.Workers
	p.exact = p.cfg.Full == Refuse || p.cfg.Queue < maxBatch*p.workers || p.workers > maxStealers
	p.share = p.cfg.Queue / p.workers
	p.life.Init(context.Background(), nil)
	p.host = engine.Host{
		Name: p.cfg.Name, Listener: p.cfg.Listener, Executor: p,
		Life: &p.life, Cancelled: p.cancelled, Crash: p.cfg.Crash,
	}
	if clock.Agrees() {
		p.host.Clock = clock.Now
	}
	p.injector.pool = p
	p.quiet = quiet.Line{Mu: &p.mu, Unlock: p.unlock, Is: p.isQuiet}
	p.victims.Store(new([]*worker))
	p.update()
	return p
}

// maxStealers is the most workers that have queues of their own: it is for tasks that
// mostly wait that a pool has more, and there taking them one by one costs nothing.
const maxStealers = 256

// The flags.
const (
	flagResumers uint32 = 1 << iota // woken tasks wait for a slot
	flagPutters                     // submitters wait for room
	flagShrink                      // there are fewer slots than are held
	flagUrgent                      // there are calls more urgent than those on workers
	flagPaused
	flagShut // no further calls
)

// update sets what depends on the accounts. Whoever has changed those calls it before
// he releases p.mu.
func (p *Pool) update() {
	var f uint32
	if p.resumers.Len() > 0 {
		f |= flagResumers
	}
	if p.putters.Len() > 0 {
		f |= flagPutters
	}
	if p.running > p.workers {
		f |= flagShrink
	}
	if p.injector.urgent > 0 {
		f |= flagUrgent
	}
	if p.paused {
		f |= flagPaused
	}
	if p.closing || p.broken != nil {
		f |= flagShut
	}
	if p.flags.Load() != f {
		p.flags.Store(f)
	}
	free := int32(p.workers - p.running - p.resumers.Len())
	if p.paused {
		free = 0
	}
	if p.free.Load() != free {
		p.free.Store(free)
	}
}

// Host implements [engine.Hoster].
func (p *Pool) Host() *engine.Host { return &p.host }

// Size implements [engine.Sizer]: it returns the number of slots.
func (p *Pool) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.workers
}

// Start implements [engine.Executor]. While the pool is full it parks the
// calling strand or refuses the call, as Config.Full says.
func (p *Pool) Start(ctx context.Context, c *engine.Call) {
	if c.Note.Load() != 0 {
		c.Note.Store(0)
	}
	if w := p.workerOf(ctx); w != nil && w.canSpawn(c) {
		c.Submit(ctx, &p.host)
		w.spawn(c)
		return
	}
	e := entryOf(c)
	ctx = c.Submit(ctx, &p.host)
	if p.isBusy() && p.pushCall(ctx, e) {
		return
	}
	t := submission{pool: p, entry: e, ctx: ctx, priority: c.Priority()}
	err := t.arrive()
	switch {
	case err == nil:
	case c.ClaimAttempt(e.attempt):
		c.Refuse(err)
	default:
		// Who has cancelled it has counted it, and an entry that there is none of.
		p.mu.Lock()
		p.refused--
		p.mu.Unlock()
		p.ghosts.Add(-1)
	}
}

// isBusy reports whether nothing else is to be done about a submission than to put it
// into the queue, if there is room: what is the rule when there is much to do. It is a
// hint unless the caller has p.mu.
func (p *Pool) isBusy() bool {
	return !p.exact && p.flags.Load() == 0 && (p.free.Load() <= 0 || p.searching.Load() > 0)
}

// push puts an entry into the queue of a busy pool, or reports that more is to be done.
func (p *Pool) push(e entry) bool {
	p.lockSoon()
	if !p.isBusy() || !p.hasRoom() {
		p.mu.Unlock()
		return false
	}
	p.submitted++
	p.injector.live++
	p.injector.normal.push(e)
	p.mu.Unlock()
	return true
}

// lockSoon locks p.mu, which is held for some ten nanoseconds at a time by those who use
// this method: to try again costs less than to sleep. sync.Mutex does so too, but not if
// other goroutines could run meanwhile, as they can when there are many submitters.
func (p *Pool) lockSoon() {
	for range 20 {
		if p.mu.TryLock() {
			return
		}
		spin.Pause()
	}
	p.mu.Lock()
}

// pushCall is push for a call whose context can end only by Call.Cancel.
func (p *Pool) pushCall(ctx context.Context, e entry) bool {
	c := e.call
	own, ok := ctx.(*cancel.Context)
	if !ok || own.CanEnd() || !c.IsPlain() || own.Ended() || !p.push(e) {
		return false
	}
	if own.Ended() { // perhaps before the call could be found to wait
		p.cancelled(c)
	}
	return true
}

// workerOf returns the worker of p that the caller is, if that has queues of its own, or
// nil.
func (p *Pool) workerOf(ctx context.Context) *worker {
	if p.exact {
		return nil
	}
	place := engine.PlaceOf(ctx)
	if place == nil {
		return nil
	}
	w, ok := place.(*worker)
	if !ok || w.pool != p || !w.isCaller() {
		return nil
	}
	return w
}

// arrive is submit for an entry whose context may be done.
func (t *submission) arrive() error {
	// When the pool has ended, so have the contexts of all its calls; that it is
	// closed, or broken, says more.
	if t.ctx.Err() != nil && !t.pool.life.Ended() {
		t.pool.turnAway()
		return strand.Err(t.ctx)
	}
	return t.submit()
}

// turnAway counts a call that is refused on its arrival.
func (p *Pool) turnAway() {
	p.mu.Lock()
	p.submitted++
	p.refused++
	p.mu.Unlock()
}

// errFull is what admit says when there is no room in the queue.
var errFull = errors.New("threading: full")

// A submission is an entry on its way into the queue.
type submission struct {
	pool     *Pool
	entry    entry
	ctx      context.Context
	priority int
}

// submit brings the entry into the queue, waiting for room if need be. The error says why
// that was not possible; the entry is accounted for.
func (t *submission) submit() error {
	p := t.pool
	for yields := 0; ; yields++ {
		p.mu.Lock()
		err := p.admit(t)
		if err == errFull && p.cfg.Full == Refuse {
			err = engine.ErrSaturated
			p.submitted++
			p.refused++
		}
		p.unlock()
		switch {
		case err != errFull:
			return err
		case p.exact || yields == maxYields:
			return t.wait()
		}
		runtime.Gosched()
	}
}

// maxYields is how often a submitter who finds the queue full lets the workers run before
// it parks. Where tasks are short there is room by then, and nobody has to be woken.
const maxYields = 4

// admit runs an entry or puts it into the queue. It needs p.mu.
func (p *Pool) admit(t *submission) error {
	switch {
	case p.broken != nil:
		p.submitted++
		p.refused++
		return p.broken
	case p.closing:
		p.submitted++
		p.refused++
		return engine.ErrClosed
	case p.putters.Len() > 0 || !p.hasRoom():
		return errFull
	}
	p.submitted++
	p.accept(t)
	return nil
}

// hasRoom reports whether another entry may wait. A call for which a slot is free does
// not wait, even if the worker that will take it has still to deliver the outcome of
// its last one, and gives the slot back before. It needs p.mu.
func (p *Pool) hasRoom() bool {
	room := p.cfg.Queue
	if p.exact {
		room += max(0, p.workers-p.running-p.resumers.Len())
	} else if p.injector.live < p.cfg.Queue-maxBatch*p.workers {
		// What workers have taken out and not begun is counted when there is need to.
		return true
	}
	n := p.injector.live
	if !p.exact {
		for _, w := range *p.victims.Load() {
			n += w.local.batch.len()
		}
	}
	return n-max(0, int(p.ghosts.Load())) < room
}

// accept hands an entry that is admitted to a worker, or puts it into the queue. It
// needs p.mu.
func (p *Pool) accept(t *submission) {
	c := t.entry.call
	if p.injector.live == 0 && p.mayWake() {
		if p.claim(&t.entry) {
			p.wake(t.entry)
		}
		return
	}
	p.injector.push(t.entry, t.priority)
	if t.priority > 0 {
		p.update()
	}
	if c != nil {
		p.watch(t.ctx, &t.entry)
	}
}

// watch has a call in the injector refused when ctx ends. That Call.Cancel has ended it we
// are told anyway. Somebody may have claimed the call by now. It needs p.mu.
func (p *Pool) watch(ctx context.Context, e *entry) {
	c := e.call
	switch own, ok := ctx.(*cancel.Context); {
	case !ok || own.CanEnd():
		w := &watch{pool: p, call: c, attempt: e.attempt}
		// It is never taken back: it goes with the context, which does not
		// outlive the call.
		w.Start(ctx, w)
	case own.Ended():
		// Perhaps that was before the call could be found to wait.
		p.after = append(p.after, func() { p.cancelled(c) })
	}
}

// A watch is on the context of a call that waits.
type watch struct {
	cancel.Watch
	pool    *Pool
	call    *engine.Call
	attempt int // it may hear of the end when the call is in its next attempt, and elsewhere
}

// Ended implements [cancel.Watcher].
func (w *watch) Ended() {
	if w.call.ClaimAttempt(w.attempt) {
		w.pool.withdraw(w.call)
	}
}

// cancelled refuses a call, if it waits, because its context has ended.
func (p *Pool) cancelled(c *engine.Call) {
	if c.Claim() {
		p.withdraw(c)
	}
}

// withdraw refuses a call that was claimed because its context has ended.
func (p *Pool) withdraw(c *engine.Call) {
	p.mu.Lock()
	p.settling++
	p.refused++
	// At most half of the entries are ghosts, and so it costs little for each.
	if n := p.ghosts.Add(1); 2*n > int64(p.injector.live) {
		p.injector.compact()
	}
	p.refill()
	p.update()
	p.unlock()
	p.expel(c, strand.Err(c.Context()))
}

// expel refuses a call that is counted as settling, so that nobody takes the pool for quiet before.
func (p *Pool) expel(c *engine.Call, why error) {
	c.Refuse(why)
	p.mu.Lock()
	p.settling--
	p.wakeQuiet()
	p.unlock()
}

// mayWake reports whether there is a slot for another call, and nobody is about to look
// for one anyway. It needs p.mu.
func (p *Pool) mayWake() bool {
	if p.running >= p.workers || p.resumers.Len() > 0 || p.paused {
		return false
	}
	if !p.exact {
		return p.searching.Load() == 0
	}
	// If workers that finish will look for a call in a moment, a new one would be
	// one too many.
	return len(p.idle) > 0 || p.running+p.finishing < p.workers
}

// wake has a worker run e, or look for work if e is zero: an idle one or a new one. It
// needs p.mu.
func (p *Pool) wake(e entry) {
	p.running++
	p.searching.Add(1)
	p.update()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		w.given = e
		w.looking.Store(e.isZero())
		w.awake <- true
		return
	}
	w := &worker{pool: p, id: p.takeID(), given: e, awake: make(chan bool, 1)}
	w.start()
}

// schedule gives free slots to those who are due: woken tasks first, then the
// queue, which submitters that wait refill. It needs p.mu.
func (p *Pool) schedule() {
	for p.running < p.workers && !p.paused {
		n := p.resumers.Pop()
		if n == nil {
			break
		}
		p.running++
		p.lent--
		n.Value.grant()
	}
	p.refill()
	p.update()
	for p.mayWake() {
		if e, ok := p.injector.take(); ok {
			p.wake(e)
		} else if p.hasLocalWork() {
			p.wake(entry{})
		} else {
			break
		}
		p.refill()
	}
	p.wakeQuiet()
	p.update()
}

// hasLocalWork reports whether there is something to steal from a worker.
func (p *Pool) hasLocalWork() bool {
	for _, w := range *p.victims.Load() {
		if !w.local.isEmpty() {
			return true
		}
	}
	return false
}

// refill moves entries of waiting submitters into the queue while there is room.
// It needs p.mu.
func (p *Pool) refill() {
	for p.putters.Len() > 0 && p.hasRoom() {
		w := p.putters.Pop().Value
		p.accept(&w.submission)
		p.after = append(p.after, w.wake)
	}
}

// unlock releases p.mu and then does what had to wait for that: calling back
// into code that is not ours.
func (p *Pool) unlock() {
	if len(p.after) == 0 {
		p.mu.Unlock()
		return
	}
	after := p.after
	p.after = nil
	p.mu.Unlock()
	for _, f := range after {
		f()
	}
}

func (p *Pool) takeID() int {
	i := p.lowestID
	for i < len(p.ids) && p.ids[i] {
		i++
	}
	if i == len(p.ids) {
		p.ids = append(p.ids, true)
	}
	p.ids[i] = true
	p.lowestID = i + 1
	return i + 1
}

func (p *Pool) releaseID(id int) {
	p.ids[id-1] = false
	p.lowestID = min(p.lowestID, id-1)
}

// Resize sets the number of slots. If it grows, calls that wait begin to run at
// once; if it shrinks, the tasks that run go on, and no further one begins until
// there are fewer than n. It returns an error if n is less than 1.
func (p *Pool) Resize(n int) error {
	if n < 1 {
		return fmt.Errorf("threading: cannot resize the pool to %d workers: it needs at least 1", n)
	}
	p.mu.Lock()
	p.workers = n
	p.schedule()
	for len(p.idle) > 0 && p.running+len(p.idle) > n {
		p.dismiss()
	}
	p.unlock()
	return nil
}

// Pause keeps calls from being begun until [Pool.Resume]. The tasks that run go on, but
// one that parks meanwhile goes on only then when it has been woken. Calls are
// admitted as ever. Pausing a pool that is paused does nothing; closing it resumes it.
func (p *Pool) Pause() {
	p.mu.Lock()
	p.paused = !p.closing
	p.update()
	p.mu.Unlock()
}

// Resume ends a [Pool.Pause].
func (p *Pool) Resume() {
	p.mu.Lock()
	p.paused = false
	p.schedule()
	p.unlock()
}

// dismiss ends an idle worker. It needs p.mu.
func (p *Pool) dismiss() {
	n := len(p.idle)
	p.idle[n-1].awake <- false
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
}

// wait parks the submitter until there is room.
func (t *submission) wait() error {
	w := &putter{submission: *t}
	p := t.pool
	op := strand.Op{Object: p, Kind: strand.OpPut, Access: strand.Write}
	err := strand.Park(t.ctx, op, w)
	switch {
	case err == nil:
		err = w.err
	case w.wake == nil: // its context was done before it stood in line
		p.turnAway()
	}
	return err
}

// A putter is a submitter that waits for room.
type putter struct {
	submission
	err  error // set before wake
	wake func()
	node waitq.Node[*putter]
}

func (w *putter) Arm(wake func()) bool {
	p := w.pool
	p.mu.Lock()
	defer p.unlock()
	if err := p.admit(&w.submission); err != errFull {
		w.err = err
		return false
	}
	p.submitted++
	w.wake, w.node.Value = wake, w
	p.putters.Push(&w.node)
	p.update()
	return true
}

func (w *putter) Disarm() bool {
	p := w.pool
	p.mu.Lock()
	defer p.unlock()
	removed := p.putters.Remove(&w.node)
	if removed {
		p.refused++
		p.update()
	}
	return removed
}
