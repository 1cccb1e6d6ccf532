package lane

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/quiet"
	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// A Lane is an executor in front of another one that lets calls through by the rule
// of its [Config]. Make one with [New]. Its methods may be called from any goroutine.
//
// # Places
//
// A call that is let through has a place in the lane, from then until its body has
// returned. Calls without one wait in the lane's queue, first in, first out; when
// that is full too, their submitters wait, or they are refused. A call that waits is
// refused as soon as its context ends or its QueueTimeout is over, which counts from
// the submission to the lane. Attempts to make a call again come to the lane anew.
//
// A task that parks to wait for another strand lends its place to the next call, as
// it lends its slot of the pool, since that may be the very call that it waits for:
// so tasks may submit to their own lane and wait, even in a lane with one place. When
// it is woken it takes a place again, before any queued call, and then a slot. A task
// that sleeps, or waits for something outside of the program, such as bytes, keeps its
// place. So does one on an engine that lends nothing.
//
// # What a lane adds
//
// To those who watch, its calls are calls of the engine behind it: the engine's
// listener hears of them from their arrival in the lane, and Workers is what it was.
// A lane has no goroutine of its own. While calls in its queue can go on, one passes
// them to the engine, in order; if the engine makes it wait for room, all wait.
//
// The time of rates is that of package time.
type Lane struct {
	inner engine.Executor
	host  engine.Host
	cfg   Config
	birth time.Time

	mu       sync.Mutex
	limit    int // of Config and Resize; 0: none
	bucket   bucket
	adaptive *gradient // nil: none
	paused   bool
	closing  bool
	running  int                  // places taken
	lent     int                  // by calls that are parked
	settling int                  // calls without a place whose outcome is being delivered
	waiting  waitq.List[*job]     // admitted, in the queue
	putters  waitq.List[*putter]  // submitters that wait for room in it
	resumers waitq.List[*resumer] // woken tasks that wait for a place
	passed   waitq.List[*job]     // running and lent
	quiet    quiet.Line           // strands that wait for the end of work
	usher    *usher               // passes calls on; nil: none can go on
	ushers   int                  // goroutines, those whose calls are under way included
	alarm    *time.Timer          // for the rate
	alarmed  bool                 // it is set
	after    []func()             // to be done when mu is released
	counters struct {
		submitted, refused, completed, rateWaits uint64
	}
}

// New returns a lane in front of inner, which nil makes a goroutine for every call. It
// panics if cfg makes no sense, or if inner is a [braid.Group]: a group goes in front
// of a lane, as in braid.Scope(ctx, lane, …).
//
// A lane has nothing to be freed: one that nobody uses any more need not be closed.
// Closing it does not close inner.
func New(inner engine.Executor, cfg Config) *Lane {
	if inner == nil {
		inner = engine.NewGoroutines(nil)
	}
	if _, ok := engine.As[*braid.Group](inner); ok {
		panic("lane: New in front of a braid.Group: make the lane first, and give it to braid.Scope as its executor")
	}
	l := &Lane{inner: inner, cfg: cfg.check(), birth: time.Now()}
	l.quiet = quiet.Line{Mu: &l.mu, Unlock: l.unlock, Is: l.isQuiet}
	l.limit = l.cfg.Limit
	l.bucket = newBucket(l.cfg.Rate, l.cfg.Burst)
	if g := l.cfg.Adaptive; g != nil {
		l.adaptive = newGradient(*g)
	}
	l.host = engine.Host{Name: "lane"}
	if h, ok := engine.As[engine.Hoster](inner); ok {
		l.host = *h.Host()
		// What it does with contexts it does when the calls come to it.
		l.host.Cancelled, l.host.Life = nil, nil
	}
	if l.cfg.Name != "" {
		l.host.Name += "/" + l.cfg.Name
	}
	l.host.Executor = l
	return l
}

// Unwrap returns the executor behind the lane.
func (l *Lane) Unwrap() engine.Executor { return l.inner }

// Host implements [engine.Hoster].
func (l *Lane) Host() *engine.Host { return &l.host }

// Size implements [engine.Sizer]: it returns the number of places, as the limits are
// now, but not more than the engine behind the lane says of itself.
func (l *Lane) Size() int {
	l.mu.Lock()
	n := l.places()
	l.mu.Unlock()
	if _, ok := engine.As[engine.Sizer](l.inner); ok || n == math.MaxInt {
		return min(n, engine.Size(l.inner))
	}
	return n
}

// MaxBatch implements [engine.Batcher]: it returns what the engine behind the lane says,
// or 1 if the lane has a rate or an adaptive limit, which count and measure calls one by
// one. To a limit alone a batch is one call: one worker runs it.
func (l *Lane) MaxBatch() int {
	l.mu.Lock()
	single := l.bucket.interval > 0 || l.adaptive != nil
	l.mu.Unlock()
	if b, ok := engine.As[engine.Batcher](l.inner); ok && !single {
		return b.MaxBatch()
	}
	return 1
}

// Start implements [engine.Executor]. While the lane is full it parks the calling
// strand or refuses the call, as Config.Full says. So may the engine behind it, for a
// call that goes straight through.
func (l *Lane) Start(ctx context.Context, c *engine.Call) {
	ctx = c.Submit(ctx, &l.host)
	j := newJob(l, ctx, c)
	over := ctx.Err() != nil
	l.mu.Lock()
	if over {
		l.turnAway()
		l.unlock()
		c.Refuse(strand.Err(ctx))
		return
	}
	err := l.admit(j)
	if err == errFull {
		if l.cfg.Full == Wait {
			l.unlock()
			l.await(ctx, j)
			return
		}
		l.turnAway()
		err = engine.ErrSaturated
	}
	l.unlock()
	l.begin(ctx, j, err)
}

// What admit says of calls that are neither refused nor in the queue.
var (
	errFull = errors.New("lane: full")
	errPass = errors.New("lane: the call has a place")
)

// begin goes on with j after admit: it passes it on or refuses it, if it has to.
func (l *Lane) begin(ctx context.Context, j *job, err error) {
	switch err {
	case nil:
	case errPass:
		j.call.Forward(&j.ctx, l.inner, j)
	default:
		j.call.Refuse(err)
	}
}

// admit gives j a place, or puts it into the queue. It needs l.mu.
func (l *Lane) admit(j *job) error {
	if l.closing {
		l.turnAway()
		return engine.ErrClosed
	}
	if l.usher == nil && l.waiting.Len()+l.putters.Len() == 0 {
		if ok, _ := l.open(); ok {
			l.counters.submitted++
			l.place(j)
			return errPass
		}
	}
	if l.putters.Len() == 0 && l.waiting.Len() < l.cfg.Queue+l.unclaimed() {
		l.counters.submitted++
		l.enqueue(j)
		l.schedule()
		return nil
	}
	return errFull
}

// places returns the number of places that there are now. It needs l.mu.
func (l *Lane) places() int {
	n := math.MaxInt
	if l.limit > 0 {
		n = l.limit
	}
	if l.adaptive != nil {
		n = min(n, l.adaptive.limit())
	}
	return n
}

// unclaimed returns the number of free places that calls in the queue are about to
// take. If there is no limit they count as none, or the queue would have no bound
// while the engine is full. It needs l.mu.
func (l *Lane) unclaimed() int {
	n := l.places()
	if n == math.MaxInt || l.paused || l.bucket.wait(l.now()) > 0 {
		return 0
	}
	return max(0, n-l.running)
}

// open reports whether the first call that waits can go on now. If only the rate is
// against it, wait is for how long. It needs l.mu.
func (l *Lane) open() (ok bool, wait time.Duration) {
	if l.paused || l.running >= l.places() {
		return false, 0
	}
	wait = l.bucket.wait(l.now())
	return wait == 0, wait
}

// setAlarm has schedule called in a while. It needs l.mu.
func (l *Lane) setAlarm(d time.Duration) {
	switch {
	case l.alarmed:
		return
	case l.alarm == nil:
		l.alarm = time.AfterFunc(d, l.ring)
	default:
		l.alarm.Reset(d)
	}
	l.alarmed = true
}

// clearAlarm takes it back. It needs l.mu.
func (l *Lane) clearAlarm() {
	if l.alarmed {
		l.alarmed = !l.alarm.Stop() // else it rings in a moment
	}
}

// ring is called when the alarm goes off.
func (l *Lane) ring() {
	l.mu.Lock()
	l.alarmed = false
	l.schedule()
	l.unlock()
}

// place gives j a place. It needs l.mu.
func (l *Lane) place(j *job) {
	l.running++
	l.bucket.take(l.now())
	j.since, j.company = time.Now(), l.running
	l.passed.Push(&j.node)
}

// turnAway counts a call that is refused on its arrival. It needs l.mu.
func (l *Lane) turnAway() {
	l.counters.submitted++
	l.counters.refused++
}

// enqueue puts j at the end of the queue, from which the end of its context takes it
// out again. It needs l.mu.
func (l *Lane) enqueue(j *job) {
	l.waiting.Push(&j.node)
	j.watch.Start(j.from, (*queuedJob)(j))
}

// await parks the submitter of j until there is room.
func (l *Lane) await(ctx context.Context, j *job) {
	w := &putter{job: j}
	op := strand.Op{Object: l, Kind: strand.OpPut, Access: strand.Write}
	err := strand.Park(ctx, op, w)
	switch {
	case err == nil:
		err = w.err
	case w.wake == nil: // its context was done before it stood in line
		l.mu.Lock()
		l.turnAway()
		l.unlock()
	}
	l.begin(ctx, j, err)
}

// schedule gives free places to those who are due: woken tasks first, then the queue,
// which submitters that wait refill. It needs l.mu.
func (l *Lane) schedule() {
	for n := l.resumers.Front(); n != nil && l.running < l.places(); n = l.resumers.Front() {
		n.Value.resume()
	}
	l.letIn()
	l.refill()
	l.wakeQuiet()
}

// letIn has the calls that can go on passed to the engine. It needs l.mu.
func (l *Lane) letIn() {
	j := l.first()
	if j == nil {
		l.clearAlarm()
		return
	}
	if l.usher != nil {
		return // he sees to it
	}
	ok, wait := l.open()
	switch {
	case ok:
		l.ushers++
		l.usher = &usher{lane: l}
		go l.usher.run()
	case wait > 0:
		if !j.delayed {
			j.delayed = true
			l.counters.rateWaits++
		}
		l.setAlarm(wait)
	}
}

// first returns the call that is let through next: the head of the queue, or where
// there is no queue the first submitter's. It needs l.mu.
func (l *Lane) first() *job {
	if n := l.waiting.Front(); n != nil {
		return n.Value
	}
	if n := l.putters.Front(); n != nil {
		return n.Value.job
	}
	return nil
}

// take takes the first call out of its line. It needs l.mu.
func (l *Lane) take() *job {
	if n := l.waiting.Pop(); n != nil {
		n.Value.watch.Stop()
		return n.Value
	}
	n := l.putters.Pop()
	l.after = append(l.after, n.Value.wake)
	return n.Value.job
}

// refill moves calls of waiting submitters into the queue while there is room. It
// needs l.mu.
func (l *Lane) refill() {
	for l.waiting.Len() < l.cfg.Queue {
		n := l.putters.Pop()
		if n == nil {
			return
		}
		l.enqueue(n.Value.job)
		l.after = append(l.after, n.Value.wake)
	}
}

// unlock releases l.mu and then does what had to wait for that: calling back into
// code that is not ours.
func (l *Lane) unlock() {
	after := l.after
	l.after = nil
	l.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// now is the time of the bucket.
func (l *Lane) now() time.Duration { return time.Since(l.birth) }

// Resize sets Config.Limit, also of a lane that was made without one. If it grows,
// calls that wait are let through at once; if it shrinks, those that were let through
// go on, and no further one is until there are fewer than n. An adaptive limit stays as
// it is: the lower one counts. Resize returns an error if n is less than 1.
func (l *Lane) Resize(n int) error {
	if n < 1 {
		return fmt.Errorf("lane: cannot resize to %d places: it needs at least 1; to let nothing through use Pause", n)
	}
	l.mu.Lock()
	l.limit = n
	l.schedule()
	l.unlock()
	return nil
}

// SetRate sets Config.Rate from now on, and 0 takes it back. The burst stays. It
// returns an error if rate is negative, infinite or not a number.
func (l *Lane) SetRate(rate float64) error {
	if err := checkRate(rate); err != nil {
		return fmt.Errorf("lane: the rate %w", err)
	}
	l.mu.Lock()
	l.bucket.setRate(l.now(), rate)
	l.clearAlarm()
	l.schedule()
	l.unlock()
	return nil
}

// Pause has the lane let no further call through until Resume. Calls are admitted to
// the queue as before. Tasks that run go on, and so do parked ones that are woken.
// Close ends the pause. To pause a paused lane changes nothing.
func (l *Lane) Pause() {
	l.mu.Lock()
	l.paused = !l.closing
	l.unlock()
}

// Resume ends the pause, if there is one.
func (l *Lane) Resume() {
	l.mu.Lock()
	l.paused = false
	l.schedule()
	l.unlock()
}

// Statistics is a snapshot of a [Lane]; it is out of date when it is read. Every call
// is in one place: Submitted is the sum of Running, Lent, Queued, Waiting, Refused and
// Completed.
type Statistics struct {
	Limit   int  // places, as the limits are now; 0 if there is no limit
	Running int  // calls that have one: they run, or wait for the engine behind the lane
	Lent    int  // tasks that are parked and have lent their place
	Queued  int  // calls that wait in the lane
	Waiting int  // submitters that wait for room in the queue
	Paused  bool // nothing is let through

	Submitted uint64 // calls handed to the lane so far; each attempt counts
	Refused   uint64 // those that came to their end without running, whoever refused them
	Completed uint64 // those that have run
	RateWaits uint64 // those that the rate held up

	// What an adaptive limit has measured, averaged: how long calls take now, and
	// how long they take when they do not slow each other down. 0 if there is none.
	ShortRTT, LongRTT time.Duration
}

// Statistics returns a snapshot of l.
func (l *Lane) Statistics() Statistics {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Statistics{
		Limit: l.places(), Running: l.running, Lent: l.lent,
		Queued: l.waiting.Len(), Waiting: l.putters.Len(), Paused: l.paused,
		Submitted: l.counters.submitted, Refused: l.counters.refused,
		Completed: l.counters.completed, RateWaits: l.counters.rateWaits,
	}
	if s.Limit == math.MaxInt {
		s.Limit = 0
	}
	if g := l.adaptive; g != nil {
		s.ShortRTT, s.LongRTT = time.Duration(g.short), time.Duration(g.long)
	}
	return s
}

// A putter is a submitter that waits for room.
type putter struct {
	job  *job
	err  error // set before wake; may be errPass
	wake func()
	node waitq.Node[*putter]
}

func (w *putter) Arm(wake func()) bool {
	l := w.job.lane
	l.mu.Lock()
	defer l.unlock()
	if err := l.admit(w.job); err != errFull {
		w.err = err
		return false
	}
	l.counters.submitted++
	w.wake, w.node.Value = wake, w
	l.putters.Push(&w.node)
	l.schedule() // the rate may be what it waits for
	return true
}

func (w *putter) Disarm() bool {
	l := w.job.lane
	l.mu.Lock()
	defer l.unlock()
	removed := l.putters.Remove(&w.node)
	if removed {
		l.counters.refused++
		l.schedule()
	}
	return removed
}
