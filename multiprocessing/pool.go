package multiprocessing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/quiet"
	"github.com/go-braid/braid/internal/spawn"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/internal/wire"
	"github.com/go-braid/braid/strand"
)

// ErrBroken is the error of calls that a pool refuses because its workers cannot be
// started, or die too often.
var ErrBroken = errors.New("the pool is broken")

// ErrNotPortable is the error of calls of closures, and of tasks without a name: a
// worker process could not know them.
var ErrNotPortable = errors.New("a closure cannot run in another process: make the task with braid.Define, as the value of a package variable, and use Submit or Map")

// A Pool is an engine that runs calls in worker processes. Make one with [NewPool].
// Its methods may be called from any goroutine.
//
// Each worker runs one call at a time, and nothing is shared between workers: whatever
// happens to one, the calls of the others go on. The program keeps the account of all
// calls. A worker says that it begins before any code of the task runs, so that it is
// known whose doing a death was:
//
//   - a call that the worker had not begun is given to another, and nothing is lost;
//   - the call that it was running fails with a [*engine.CrashError], which says how
//     the process died and what its last words were; or it is run again, if its task
//     is idempotent, until it has cost Config.MaxKills workers.
//
// A call whose context is done, or that reaches its Timeout, is really stopped: see
// Config.Grace.
type Pool struct {
	host    engine.Host
	cfg     Config
	env     []string
	seq     atomic.Uint64
	strays  atomic.Uint64
	aborted atomic.Bool // Close has cancelled the calls that it found with workers

	mu            sync.Mutex
	arrived       sync.Cond // files have
	idle          []*worker // the one that was busy last at the end
	taken         *worker   // the one that was given a call last
	workers       map[*worker]struct{}
	numbers       []bool // in use, from 1 at index 0
	starting      int    // workers on their way
	live          int    // workers that can take calls, or will
	running       int    // calls with a worker
	size          int    // workers that there can be; see Resize
	settling      int    // calls whose outcome is being delivered
	closing       bool
	broken        error
	waiting       waitq.List[*job]    // admitted, in the queue
	putters       waitq.List[*putter] // submitters that wait for room in it
	quiet         quiet.Line          // strands that wait for the end of work
	after         []func()            // to be done when mu is released
	files         map[fileKey][]*os.File
	startFailures int         // in succession
	startKills    int         // in succession: workers killed from outside before they were ready
	retryAt       *time.Timer // the pause after a failed start
	deaths        []time.Time // recent ones, oldest first
	monitoring    bool
	ending        chan struct{} // closed when the pool is over
	vacant        chan struct{} // tells the monitor that a worker is gone
	oneShot       bool          // the worker ends after one call
	sent          func()        // called when a worker has been sent its call; nil: nobody wants to know
	last          bool          // there will be no other worker: the pool breaks when it dies
	counters      struct{ submitted, refused, completed, deaths uint64 }
	help          helping
}

type fileKey struct {
	worker *worker
	seq    uint64
}

// NewPool returns a pool. Its processes start as they are needed. It fails with
// [ErrNoMain] if the program does not begin with [Main], with [ErrNested] in a worker
// process, and if cfg makes no sense or asks for a limit that the system does not have.
//
// A pool that is dropped without [Pool.Close] leaves its processes until the program
// ends.
func NewPool(cfg Config) (*Pool, error) {
	cfg, err := cfg.check()
	if err != nil {
		return nil, err
	}
	if err := mayStart(cfg.Nested); err != nil {
		return nil, err
	}
	p := &Pool{cfg: cfg, size: cfg.Workers, workers: make(map[*worker]struct{}), files: make(map[fileKey][]*os.File), ending: make(chan struct{}), vacant: make(chan struct{}, 1)}
	p.quiet = quiet.Line{Mu: &p.mu, Unlock: p.unlock, Is: p.isQuiet}
	p.arrived.L = &p.mu
	p.host = engine.Host{Name: cfg.Name, Listener: cfg.Listener, Executor: p}
	p.env = environ(cfg, os.Environ())
	return p, nil
}

// environ returns the environment of workers.
func environ(cfg Config, all []string) []string {
	var env []string
	allowed := func(name string) bool {
		for _, e := range cfg.Env {
			prefix, ok := strings.CutSuffix(e, "*")
			if e == name || ok && strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return false
	}
	for _, v := range all {
		if name, _, _ := strings.Cut(v, "="); name != workerEnv && name != "" && allowed(name) {
			env = append(env, v)
		}
	}
	for _, e := range cfg.Env {
		if strings.Contains(e, "=") {
			env = append(env, e)
		}
	}
	// What comes last counts.
	env = append(env, fmt.Sprintf("GOMAXPROCS=%d", cfg.Processors))
	return append(env, cfg.limits().Environ()...)
}

// Host implements [engine.Hoster].
func (p *Pool) Host() *engine.Host { return &p.host }

// Size implements [engine.Sizer]: it returns the number of workers that there can be.
func (p *Pool) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size
}

// MaxBatch implements [engine.Batcher].
func (p *Pool) MaxBatch() int {
	if p.cfg.Listener != nil || p.cfg.MaxTasksPerWorker > 0 {
		return 1
	}
	return maxBatch
}

// Start implements [engine.Executor]. While the pool is full it parks the calling
// strand or refuses the call, as Config.Full says. The argument of a call that finds a
// free worker is written on the calling strand.
func (p *Pool) Start(ctx context.Context, c *engine.Call) {
	ctx = c.Submit(ctx, &p.host)
	body, ok := c.Portable()
	if !ok || ctx.Err() != nil {
		p.mu.Lock()
		p.turnAway()
		p.mu.Unlock()
		if !ok {
			c.Refuse(ErrNotPortable)
		} else {
			c.Refuse(strand.Err(ctx))
		}
		return
	}
	j := p.newJob(ctx, c, body)
	p.mu.Lock()
	w, err := p.admit(j)
	if err == errFull {
		if p.cfg.Full == Refuse {
			err = engine.ErrSaturated
			p.turnAway()
		} else {
			p.unlock()
			p.await(ctx, j)
			p.dispatch()
			return
		}
	}
	p.unlock()
	switch {
	case err != nil:
		j.refuse(err)
	case w != nil:
		p.give(w, j)
	default:
		p.dispatch()
	}
}

// errFull is what admit says when there is no room in the queue.
var errFull = errors.New("multiprocessing: full")

// admit finds an idle worker for j, or puts it into the queue. It needs p.mu.
func (p *Pool) admit(j *job) (*worker, error) {
	switch {
	case p.broken != nil:
		p.turnAway()
		return nil, p.broken
	case p.closing:
		p.turnAway()
		return nil, engine.ErrClosed
	case p.waiting.Len()+p.putters.Len() == 0 && len(p.idle) > 0:
		p.counters.submitted++
		return p.take(), nil
	case p.putters.Len() == 0 && p.waiting.Len() < p.cfg.Queue+p.size-p.running:
		p.counters.submitted++
		p.enqueue(j)
		return nil, nil
	}
	return nil, errFull
}

// take takes an idle worker. It needs p.mu.
func (p *Pool) take() *worker {
	n := len(p.idle) - 1
	w := p.idle[n]
	p.idle[n] = nil
	p.idle = p.idle[:n]
	w.state = busy
	p.running++
	p.taken = w
	return w
}

// turnAway counts a call that is refused on its arrival. It needs p.mu.
func (p *Pool) turnAway() {
	p.counters.submitted++
	p.counters.refused++
}

// enqueue puts j at the end of the queue, from which the end of its context takes it
// out again. It needs p.mu.
func (p *Pool) enqueue(j *job) {
	j.node.Value = j
	p.waiting.Push(&j.node)
	j.queued.Start(j.ctx, (*queuedJob)(j))
}

// requeue puts a job that is to run again at the head of the queue.
func (p *Pool) requeue(j *job) {
	if j.stale {
		j = j.successor()
	}
	p.mu.Lock()
	p.running--
	err := p.broken
	if err == nil {
		j.node.Value = j
		p.waiting.PushFront(&j.node)
		j.queued.Start(j.ctx, (*queuedJob)(j))
	} else {
		p.counters.refused++
		p.settling++
	}
	p.unlock()
	if err != nil {
		j.refuse(err)
		p.settled()
		return
	}
	p.dispatch()
}

// withdraw takes j out of the queue, because its context is done.
func (j *job) withdraw() {
	p := j.pool
	p.mu.Lock()
	removed := p.waiting.Remove(&j.node)
	if removed {
		p.counters.refused++
		p.settling++
		p.refill()
	}
	p.unlock()
	if removed {
		j.refuse(strand.Err(j.ctx))
		p.settled()
	}
}

// await parks the submitter of j until there is room.
func (p *Pool) await(ctx context.Context, j *job) {
	w := &putter{pool: p, job: j}
	j.known = true
	op := strand.Op{Object: p, Kind: strand.OpPut, Access: strand.Write}
	err := strand.Park(ctx, op, w)
	switch {
	case err == nil:
		err = w.err
	case w.wake == nil: // its context was done before it stood in line
		p.mu.Lock()
		p.turnAway()
		p.mu.Unlock()
	}
	if err != nil {
		j.refuse(err)
	} else if w.worker != nil {
		p.give(w.worker, j)
	}
}

// give has w, which is busy from now on, run j.
func (p *Pool) give(w *worker, j *job) {
	if j.assign(w) {
		return
	}
	if p.oneShot { // it waits for a call that will not come
		_ = w.control.Send(wire.Header{Kind: kindStop}, nil, nil)
	}
	p.settled()
}

// dispatch gives queued calls to idle workers, and starts workers if there are too
// few.
func (p *Pool) dispatch() {
	p.mu.Lock()
	p.dispatchAndUnlock()
}

// dispatchAndUnlock needs p.mu and releases it.
func (p *Pool) dispatchAndUnlock() {
	for ; ; p.mu.Lock() {
		if len(p.idle) == 0 || p.waiting.Len() == 0 {
			p.recruit()
			p.refill()
			p.wakeQuiet()
			p.unlock()
			return
		}
		j := p.waiting.Pop().Value
		w := p.take()
		p.refill()
		p.unlock()
		// If its context is done already, Begin says so.
		j.known = !j.queued.Stop() || j.known
		p.give(w, j)
	}
}

// recruit starts workers for the calls that wait. It needs p.mu.
func (p *Pool) recruit() {
	if p.broken != nil || p.retryAt != nil {
		return
	}
	for p.live < p.size && p.starting < p.waiting.Len() {
		p.live++
		p.starting++
		number := p.takeNumber()
		p.after = append(p.after, func() { go p.start(number) })
	}
	if !p.monitoring && p.live > 0 {
		p.monitoring = true
		go p.monitor()
	}
}

// start starts a worker.
func (p *Pool) start(number int) {
	if _, err := p.launch(number); err != nil {
		p.startFailed(number, err)
	}
}

func (p *Pool) launch(number int) (*worker, error) {
	h := hello{Number: number, OneShot: p.oneShot}
	if i := p.cfg.Init; i != nil {
		var m engine.Message
		if err := i.append(&m); err != nil {
			return nil, &engine.CodecError{Phase: engine.PhaseSubmit, Err: err}
		}
		h.Init, h.Arg = i.task, append(m.Small, m.Bulk...)
	}
	w, err := p.spawn(number)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.workers[w] = struct{}{}
	if p.isOver() {
		p.abandon(w) // as Close has done with those that it knew of
	}
	p.unlock()
	w.serve(h)
	return w, nil
}

// freed says that w has done with its call. Who hears of the outcome afterwards finds
// it idle; settled is to be called when the outcome is delivered.
func (p *Pool) freed(w *worker) {
	p.mu.Lock()
	defer p.unlock()
	p.running--
	p.settling++
	p.counters.completed++
	w.tasks++
	if w.state != busy {
		return
	}
	switch {
	case p.oneShot:
		w.state, w.retired = stopping, true
		p.live--
	case w.doomed, // which is as it was when the call was taken from it
		p.cfg.MaxTasksPerWorker > 0 && w.tasks >= p.cfg.MaxTasksPerWorker,
		p.cfg.Lifetime > 0 && time.Since(w.born) >= p.cfg.Lifetime,
		p.live > p.size, // since Resize
		p.closing && p.isDrained():
		p.retire(w)
	default:
		w.state = idle
		if p.cfg.IdleTimeout > 0 {
			w.idleSince = time.Now()
		}
		p.idle = append(p.idle, w)
	}
}

// settled says that an outcome is delivered.
func (p *Pool) settled() {
	p.mu.Lock()
	p.settling--
	p.dispatchAndUnlock()
}

// retire tells w, which is not among the idle, to end. It needs p.mu.
func (p *Pool) retire(w *worker) {
	w.state, w.retired = stopping, true
	p.live--
	p.after = append(p.after, func() {
		go func() {
			if w.control.Send(wire.Header{Kind: kindStop}, nil, nil) != nil {
				w.kill()
			}
		}()
		grace := max(p.cfg.Grace, 100*time.Millisecond)
		t := time.AfterFunc(grace, w.kill)
		go func() {
			<-w.proc.Done()
			t.Stop()
		}()
	})
}

// forget takes a dead worker off the books. It needs p.mu.
func (p *Pool) forget(w *worker) {
	for i, v := range p.idle {
		if v == w {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			break
		}
	}
	if !w.retired {
		p.live--
	}
}

// buried says that nothing is left of a worker.
func (p *Pool) buried(w *worker, was int, err error) {
	p.mu.Lock()
	delete(p.workers, w)
	p.numbers[w.number-1] = false
	if was == starting {
		p.starting--
	}
	for k, fs := range p.files {
		if k.worker == w {
			closeAll(fs)
			delete(p.files, k)
		}
	}
	p.arrived.Broadcast()
	if p.last && !p.closing {
		if err == nil {
			err = errors.New("it has ended")
		}
		p.breakDown(fmt.Errorf("%w: %w", ErrActorDied, err))
	} else if p.oneShot {
		if err == nil {
			err = errors.New("it has ended")
		}
		p.breakDown(err)
	} else if was == starting && err != nil {
		p.startFailure(err, w.wasShot())
	} else if err != nil {
		p.death(err)
	}
	p.unlock()
	p.left()
	p.dispatch()
}

// left tells the monitor that there is a worker less.
func (p *Pool) left() {
	select {
	case p.vacant <- struct{}{}:
	default:
	}
}

// startFailed says that a worker could not even be spawned.
func (p *Pool) startFailed(number int, err error) {
	p.mu.Lock()
	p.starting--
	p.live--
	p.numbers[number-1] = false
	p.startFailure(err, false)
	p.unlock()
	p.left()
	p.dispatch()
}

// maxStartFailures is the number of workers that may fail to start, one after the
// other, before the pool is broken. Those that somebody else has killed are not to
// blame, and far more of them may be.
const (
	maxStartFailures = 5
	maxStartKills    = 200
)

// startFailure counts a failed start. The next attempt is made after a pause, from
// 10 ms on, that doubles. It needs p.mu.
func (p *Pool) startFailure(err error, shot bool) {
	switch {
	case shot:
		p.startKills++
	case spawn.Scarce(err) && p.live > p.starting:
		// The workers that there are serve the calls until there is room for more.
		p.pauseStarts(50 * time.Millisecond)
		return
	default:
		p.startFailures++
	}
	if p.startFailures >= maxStartFailures || p.startKills >= maxStartKills {
		p.breakDown(fmt.Errorf("%d workers in succession could not be started: %w", p.startFailures+p.startKills, err))
		return
	}
	p.pauseStarts(5 * time.Millisecond << p.startFailures)
}

// pauseStarts keeps the pool from starting workers for a while. It needs p.mu.
func (p *Pool) pauseStarts(d time.Duration) {
	if p.retryAt != nil {
		return
	}
	p.retryAt = time.AfterFunc(d, func() {
		p.mu.Lock()
		p.retryAt = nil
		p.unlock()
		p.dispatch()
	})
}

// death counts a death and breaks the pool if there are too many. It needs p.mu.
func (p *Pool) death(err error) {
	if p.cfg.MaxRestarts == 0 {
		return
	}
	now := time.Now()
	p.deaths = append(p.deaths, now)
	for now.Sub(p.deaths[0]) > p.cfg.RestartPeriod {
		p.deaths = p.deaths[1:]
	}
	if len(p.deaths) > p.cfg.MaxRestarts {
		p.breakDown(fmt.Errorf("%d workers died within %v, the last so: %w", len(p.deaths), p.cfg.RestartPeriod, err))
	}
}

// breakDown breaks the pool: what waits and what comes is refused. It needs p.mu.
func (p *Pool) breakDown(why error) {
	if p.broken != nil {
		return
	}
	p.broken = fmt.Errorf("%w: %w", ErrBroken, why)
	p.refuseWaiting(p.broken)
	for len(p.idle) > 0 {
		p.dismiss()
	}
}

// dismiss ends an idle worker. It needs p.mu.
func (p *Pool) dismiss() {
	n := len(p.idle) - 1
	w := p.idle[n]
	p.idle[n] = nil
	p.idle = p.idle[:n]
	p.retire(w)
}

// refill moves calls of waiting submitters into the queue while there is room. It
// needs p.mu.
func (p *Pool) refill() {
	for p.waiting.Len() < p.cfg.Queue+p.size-p.running {
		n := p.putters.Pop()
		if n == nil {
			return
		}
		p.enqueue(n.Value.job)
		p.after = append(p.after, n.Value.wake)
	}
}

// unlock releases p.mu and then does what had to wait for that: calling back into
// code that is not ours.
func (p *Pool) unlock() {
	after := p.after
	p.after = nil
	p.mu.Unlock()
	for _, f := range after {
		f()
	}
}

func (p *Pool) takeNumber() int {
	for i, used := range p.numbers {
		if !used {
			p.numbers[i] = true
			return i + 1
		}
	}
	p.numbers = append(p.numbers, true)
	return len(p.numbers)
}

// putFiles keeps the files of a result until that comes.
func (p *Pool) putFiles(w *worker, f wire.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[fileKey{w, f.Seq}] = f.Files
	p.arrived.Broadcast()
}

// takeFiles waits for the files of a result, which come on the control link. If that
// ends before they have, there are none.
func (p *Pool) takeFiles(w *worker, seq uint64) []*os.File {
	k := fileKey{w, seq}
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.files[k] == nil && !w.deaf {
		p.arrived.Wait()
	}
	files := p.files[k]
	delete(p.files, k)
	return files
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// A putter is a submitter that waits for room.
type putter struct {
	pool   *Pool
	job    *job    // which may be over before the submitter wakes
	worker *worker // it can have at once
	err    error   // set before wake
	wake   func()
	node   waitq.Node[*putter]
}

func (w *putter) Arm(wake func()) bool {
	p := w.pool
	p.mu.Lock()
	defer p.unlock()
	var err error
	if w.worker, err = p.admit(w.job); err != errFull {
		w.err = err
		return false
	}
	p.counters.submitted++
	w.wake, w.node.Value = wake, w
	p.putters.Push(&w.node)
	return true
}

func (w *putter) Disarm() bool {
	p := w.pool
	p.mu.Lock()
	defer p.unlock()
	removed := p.putters.Remove(&w.node)
	if removed {
		p.counters.refused++
	}
	return removed
}
