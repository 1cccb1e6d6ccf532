package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"runtime/trace"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/internal/cancel"
	"github.com/go-braid/braid/strand"
)

// A Body is the inside of a call: what to run, and who wants to know.
type Body interface {
	// Run runs the task on the calling strand. It may panic, and it may end
	// its goroutine. It is called once for each attempt.
	Run(ctx context.Context) error

	// Done receives the outcome, exactly once, after the last attempt: nil, or
	// an error that a [TaskError] wraps. It must not block.
	Done(err error)
}

// A Spec describes a call. It is set by who makes the call and read by engines.
type Spec struct {
	Task   string // the task's name; empty for a closure without one
	Index  int    // which of a number of calls of the same task this is, from 0
	Policy Policy // how the call is to be treated
}

// The states of a call, in their order. A retry goes back from callRunning or
// callWaiting to callNew.
const (
	callNew       uint32 = iota // made, or between two attempts
	callForwarded               // on its way to the next executor; see Forward
	callWaiting                 // submitted to an engine
	callClaimed                 // about to be run or refused by who has claimed it
	callRunning                 // its body runs
	callDone                    // complete

	// The state is in the lowest bits. While a call waits, those above are the number
	// of the attempt, so that a claim can be to one attempt and no other.
	stateBits = 3
	stateMask = 1<<stateBits - 1
)

// status returns the state without the attempt.
func (c *Call) status() uint32 { return c.state.Load() & stateMask }

// wait makes the call one that waits.
func (c *Call) wait() { c.state.Store(callWaiting | uint32(c.attempt)<<stateBits) }

// A Call is one request to run a task. Make one with [NewCall] or, inside a
// larger object, with [Call.Init]. It must not be copied.
type Call struct {
	// Note is for the executor that the call was submitted to, which may keep
	// there whatever it likes.
	Note atomic.Uint32

	state   atomic.Uint32
	attempt int32
	worker  int32 // that runs it
	index   int
	kind    *Kind
	body    Body

	own   cancel.Context // see Derive
	host  atomic.Pointer[Host]
	place atomic.Pointer[Station]       // where the attempt runs, if that is a Place
	self  atomic.Pointer[strand.Strand] // the identity of its strand there; made when asked for
	why   atomic.Pointer[error]         // of Withdraw, or errBegun, for a call that is forwarded
	rare  *rare

	id     uint64        // of a call that somebody hears of
	queued time.Duration // since epoch: when the attempt was submitted, if somebody has heard of that
}

// rare is what few calls have.
type rare struct {
	base    context.Context // of the first Start, if it is not own
	run     context.Context // of the attempt, from its submission on, if it is not own
	derived *cancel.Context // that endWith has made for the attempt
	relay   *relay          // see Forward
	after   func()          // see AfterBody
	hooks   []func(error)
	expiry  *queueDeadline
	stopRun context.CancelFunc // of an attempt that Begin began
	task    *trace.Task        // of an attempt that Begin began, if a trace is taken
	lastErr error              // of the last attempt that ran
}

// seldom returns what few calls have, to be changed.
func (c *Call) seldom() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// expiry returns the deadline for waiting, or nil.
func (c *Call) expiry() *queueDeadline {
	if c.rare == nil {
		return nil
	}
	return c.rare.expiry
}

// A Host is what an engine tells a call about itself.
type Host struct {
	Name     string    // such as "threads": it appears in errors and events
	Listener *Listener // nil: nobody listens
	Executor Executor  // the engine itself, which further attempts go to; nil: there are none

	// Life, if it is not nil, is a context with which those of all calls end: it
	// lasts as long as the engine, and is one of package braid's own.
	Life context.Context

	// Clock, if it is not nil, tells the time of events, since [Epoch], in place of
	// time.Since: one that is read more cheaply, and tells the same but for microseconds, by
	// which it may also go back. It may be called from any goroutine.
	Clock func() time.Duration

	// Crash says that a panic of a task is not its error: it goes on, and so ends the
	// program, as that of a goroutine does.
	Crash bool

	// Cancelled, if it is not nil, is called when [Call.Cancel] has ended the
	// context of a call that may be waiting, on the strand of who cancels it.
	// An executor that is told in this way need not watch contexts that end in
	// no other. It must not block.
	Cancelled func(c *Call)
}

// NewCall returns a call of body.
func NewCall(spec Spec, body Body) *Call {
	c := new(Call)
	c.Init(spec, body)
	return c
}

// Init makes the zero Call c a call of body.
func (c *Call) Init(spec Spec, body Body) {
	c.InitKind(NewKind(spec.Task, spec.Policy), spec.Index, body)
}

// InitKind is Init for calls that have their Kind in common, which is not copied, and
// must not change.
func (c *Call) InitKind(kind *Kind, index int, body Body) {
	c.kind, c.index, c.body, c.attempt = kind, index, body, 1
}

// Spec returns the call's description.
func (c *Call) Spec() Spec { return Spec{Task: c.kind.task, Index: c.index, Policy: c.kind.policy} }

// how returns the call's policy, not to be changed.
func (c *Call) how() *Policy {
	return &c.kind.policy
}

// Derive gives the call a context of its own and returns it, for its Start: it ends
// with parent or by [Call.Cancel], and on a [Place] it carries the parker of the
// call. It may be called once, before the call is submitted. A call without one
// cannot be cancelled by itself.
func (c *Call) Derive(parent context.Context) context.Context {
	c.own.Init(parent, (*seat)(c))
	return &c.own
}

// Cancel ends the context that Derive made with the given cause, for which nil means
// context.Canceled. It does not wait, and may be called at any time.
func (c *Call) Cancel(cause error) {
	c.own.Cancel(cause)
	if c.Waiting() {
		if h := c.Host(); h.Cancelled != nil {
			h.Cancelled(c)
		}
	}
}

// Retire ends the context that Derive made when the call is complete. The cause is a
// variable that does not change, so that the call need not keep more than its address.
func (c *Call) Retire(cause *error) { c.own.Retire(cause) }

// Claim takes a waiting call for the caller, who must run or refuse it: of several
// who try, one succeeds. An executor need not use it if only one of its strands
// can come upon a call.
func (c *Call) Claim() bool {
	s := c.state.Load()
	return s&stateMask == callWaiting && c.state.CompareAndSwap(s, callClaimed)
}

// ClaimAttempt is Claim for who knows the call from a certain attempt, and may come so
// late that there is another one.
func (c *Call) ClaimAttempt(n int) bool {
	return c.state.CompareAndSwap(callWaiting|uint32(n)<<stateBits, callClaimed)
}

// WaitingInAttempt is Waiting for who knows the call from a certain attempt.
func (c *Call) WaitingInAttempt(n int) bool {
	return c.state.Load() == callWaiting|uint32(n)<<stateBits
}

// Waiting reports whether the call waits to be run and nobody has claimed it.
func (c *Call) Waiting() bool { return c.status() == callWaiting }

// Body returns the inside of the call.
func (c *Call) Body() Body { return c.body }

// ID returns the number that events give to the call, or 0 if nobody listens.
func (c *Call) ID() uint64 { return c.id }

// Context returns the context of the attempt, from its submission on. It may be called
// by the executor that has the call, and not after the call is complete.
func (c *Call) Context() context.Context {
	if c.rare != nil && c.rare.run != nil {
		return c.rare.run
	}
	return &c.own
}

// based returns the context of the first Start.
func (c *Call) based() context.Context {
	if c.rare != nil && c.rare.base != nil {
		return c.rare.base
	}
	return &c.own
}

// IsPlain reports whether the policy asks nothing of the queue that the call waits in.
func (c *Call) IsPlain() bool {
	return c.kind == &noKind || c.kind.policy.Priority == 0 && c.kind.policy.QueueTimeout == 0
}

// Priority returns the priority of the call's policy.
func (c *Call) Priority() int { return c.how().Priority }

// Attempt returns which attempt at the task this is, from 1.
func (c *Call) Attempt() int { return int(c.attempt) }

// Host returns the engine that the call was submitted to, or nil.
func (c *Call) Host() *Host { return c.host.Load() }

// Object returns what strands that await the call wait for, such as its future, or
// nil if the body does not tell: it does so by a method Object() any. Reports of
// deadlocks find the call by it.
func (c *Call) Object() any {
	if o, ok := c.body.(interface{ Object() any }); ok {
		return o.Object()
	}
	return nil
}

// OnDone registers f to be called with the call's outcome, after the body's Done
// and in the order of registration. It may be called only before the call is
// submitted, as executors do that wrap others. F must not block.
func (c *Call) OnDone(f func(err error)) {
	r := c.seldom()
	r.hooks = append(r.hooks, f)
}

// AfterBody registers f to be called when the body of the next Run has returned,
// panicked or ended its goroutine, or Run has found that it need not begin, and
// before anybody hears of the outcome. An executor that gives back a worker's
// place in f can be sure that who awaits the call finds it free. F must not block.
// There is one f: a further one replaces it.
func (c *Call) AfterBody(f func()) { c.seldom().after = f }

// bodyOver calls what AfterBody registered, once.
func (c *Call) bodyOver() {
	if p := c.place.Load(); p != nil {
		p.Over(c)
	}
	if c.rare != nil && c.rare.after != nil {
		f := c.rare.after
		c.rare.after = nil
		f()
	}
}

// Submit says that h has taken the call on. An executor calls it first in Start,
// and from then on uses the context that it returns, which ends early if the
// call waits longer than its policy allows. ctx is also the context of later
// attempts.
func (c *Call) Submit(ctx context.Context, h *Host) context.Context {
	if c.state.Load() != callNew {
		return c.arrive(ctx, h)
	}
	if c.attempt == 1 {
		if ctx != context.Context(&c.own) {
			c.seldom().base = ctx
		}
		if h.Listener != nil {
			c.id = ids.last.Add(1)
		}
	}
	if c.host.Load() != h {
		c.host.Store(h)
	}
	if h.Life != nil {
		ctx = c.endWith(ctx, h.Life.(*cancel.Context))
	}
	c.wait()
	c.tellSubmitted(ctx)
	if d := c.how().QueueTimeout; d > 0 {
		q := new(queueDeadline)
		c.seldom().expiry = q
		ctx = q.start(ctx, d)
	}
	c.runUnder(ctx)
	return ctx
}

// runUnder makes ctx the context of the attempt.
func (c *Call) runUnder(ctx context.Context) {
	if ctx != context.Context(&c.own) {
		c.seldom().run = ctx
	} else if c.rare != nil {
		c.rare.run = nil
	}
}

// endWith returns ctx, or one that comes from it, which ends with life as well and
// carries the parker of the call on a Place.
func (c *Call) endWith(ctx context.Context, life *cancel.Context) context.Context {
	own := &c.own
	if ctx != context.Context(own) {
		own = new(cancel.Context)
		own.Init(ctx, (*seat)(c))
		c.seldom().derived = own
	}
	own.EndWith(life)
	return own
}

// Run runs the call's body on the calling strand and completes the call, or
// starts a further attempt. If ctx, which is the one that Submit returned or
// comes from it, is done already, the body does not run and the call is refused.
// Worker is the engine's number for the strand or process that runs it.
//
// Run recovers panics. If the body ends its goroutine (runtime.Goexit), the call
// completes with [ErrGoexit] and the goroutine ends: Run does not return.
func (c *Call) Run(ctx context.Context, worker int) {
	run, ok := c.Begin(ctx, worker)
	if !ok {
		return
	}
	c.runBody(ctx, run)
}

// RunAt is like Run on a worker that has a [Place], of an engine whose Host has a Life,
// and with the context that Submit returned.
//
// It returns when the attempt ended, as events have it, or 0 if nobody has asked. A worker
// that goes straight on to another call gives it that as the time at which it turned to it,
// and need not look at the clock again; 0 has it look.
func (c *Call) RunAt(p *Station, worker int, turned time.Duration) (ended time.Duration) {
	c.place.Store(p)
	ctx := c.Context()
	run, ok := c.beginAt(ctx, worker, turned)
	if !ok {
		return 0
	}
	return c.runBody(ctx, run)
}

// runBody runs the body and ends the attempt. It returns when that was, or 0.
func (c *Call) runBody(ctx, run context.Context) (ended time.Duration) {
	returned := false
	var err error
	defer func() {
		if !returned {
			if v := recover(); v != nil {
				if c.Host().Crash {
					panic(v)
				}
				err = &PanicError{Value: v, Stack: debug.Stack()}
			} else {
				err = ErrGoexit
			}
		}
		c.endStrand(ctx)
		if returned {
			err = c.blame(c.Context(), err)
		}
		ended = c.fail(err)
	}()
	if l := c.Host().Listener; l != nil && l.Progress != nil {
		if run != context.Context(&c.own) && run.Value(ProgressKey{}) != any((*seat)(c)) {
			// It has not come by Derive.
			run = WithProgress(run, func(done, total int64) { c.Progress(ctx, done, total) })
		}
	}
	if trace.IsEnabled() {
		err = c.tracedRun(run)
	} else {
		err = c.body.Run(run)
	}
	returned = true
	return 0 // what fail returns takes its place
}

// Begin says that the call begins to run somewhere else than on the calling
// strand, such as in another process, as the engine's worker of that number. It
// returns the context of the attempt, which ends with ctx and at the call's
// Timeout, and true: then the executor must call [Call.Return] or [Call.Fail]
// once. If ctx is done already, the call is refused, and Begin returns false.
func (c *Call) Begin(ctx context.Context, worker int) (context.Context, bool) {
	return c.beginAt(ctx, worker, 0)
}

// beginAt is Begin at a certain time, or now.
func (c *Call) beginAt(ctx context.Context, worker int, at time.Duration) (context.Context, bool) {
	c.expiry().stop()
	if ctx.Err() != nil {
		c.bodyOver()
		c.Refuse(strand.Err(ctx))
		return nil, false
	}
	if why := c.begin(); why != nil {
		c.bodyOver()
		c.settle(c.based(), 0, false, why)
		return nil, false
	}
	c.worker = int32(worker)
	l := c.Host().Listener
	if l != nil && l.Started != nil {
		c.tellStarted(ctx, l, at)
	}
	if d := c.how().Timeout; d > 0 {
		r := c.seldom()
		ctx, r.stopRun = context.WithTimeoutCause(ctx, d, &TimeoutError{Limit: d, Phase: PhaseRun})
	}
	if l != nil && l.Context != nil {
		var e Event
		c.event(&e, c.now(ctx), worker)
		e.Waited = c.waited(e.At)
		ctx = l.Context(ctx, e)
	}
	if trace.IsEnabled() {
		ctx = c.traced(ctx)
	}
	if ctx != context.Context(&c.own) {
		c.seldom().run = ctx
	}
	return ctx, true
}

// Return ends an attempt that Begin began: the task has returned err.
func (c *Call) Return(err error) { c.Fail(c.blame(c.Context(), err)) }

// Fail ends an attempt that Begin began: err, if it is not nil, is what kept the
// task from returning, such as a panic or the death of its process.
func (c *Call) Fail(err error) { c.fail(err) }

// fail is Fail. It returns when the attempt ended, if somebody has heard of that.
func (c *Call) fail(err error) (ended time.Duration) {
	ctx := c.Context()
	if stop := c.endRun(); stop != nil {
		defer stop()
	}
	c.bodyOver()
	return c.settle(ctx, int(c.worker), true, err)
}

// endRun forgets the context of an attempt, and returns what ends it, if it has one of its
// own: that is to be called when the outcome is known.
func (c *Call) endRun() (stop context.CancelFunc) {
	if c.rare != nil {
		stop, c.rare.stopRun = c.rare.stopRun, nil
		if c.rare.task != nil {
			c.rare.task.End()
			c.rare.task = nil
		}
	}
	return stop
}

// NotRun ends an attempt that Begin began, but in which the task did not come to
// run: the call is refused with an error that wraps [ErrNotStarted] and why, or a
// further attempt begins.
func (c *Call) NotRun(why error) {
	ctx := c.Context()
	if stop := c.endRun(); stop != nil {
		defer stop()
	}
	c.bodyOver()
	c.settle(ctx, int(c.worker), false, why)
}

// Restart ends an attempt that Begin began, for a reason that is not the task's
// doing, or of no harm, and begins the next one: the call waits again, with the
// context that Submit returned, and the executor must call Begin or Refuse. It
// depends on no [Retry]. Why is what ended the attempt.
func (c *Call) Restart(why error) {
	ctx := c.Context()
	if stop := c.endRun(); stop != nil {
		defer stop()
	}
	l := c.Host().Listener
	if l != nil && l.Retrying != nil {
		var e Event
		c.event(&e, c.now(ctx), int(c.worker))
		e.Err = why
		l.Retrying(e)
	}
	if !errors.Is(why, ErrNotStarted) {
		c.seldom().lastErr = why // so that a refusal does not say that the task has not run
	}
	c.attempt++
	c.place.Store(nil)
	if c.rare != nil && c.rare.relay != nil {
		c.why.Store(nil)
	}
	c.wait()
	c.tellSubmitted(ctx)
}

// Progress tells the listener how far the running call says that it is; see
// [Progress].
func (c *Call) Progress(ctx context.Context, done, total int64) {
	if l := c.Host().Listener; l != nil && l.Progress != nil {
		var e Event
		c.event(&e, c.now(ctx), int(c.worker))
		e.Done, e.Total = done, total
		l.Progress(e)
	}
}

// Refuse completes a call that has not begun to run, with an error that wraps
// [ErrNotStarted] and why, or starts a further attempt. An executor calls either
// Run or Refuse, once, for each Start.
func (c *Call) Refuse(why error) {
	if w := c.begin(); w != nil {
		why = w
	}
	if q := c.expiry(); q != nil && errors.Is(why, q.over) {
		// The context says that it was cancelled; it was the limit.
		why = q.over
	}
	c.settle(c.based(), 0, false, why)
}

// begin takes the call out of the hands of the executor. If the call was withdrawn
// it must not run, and begin returns why.
func (c *Call) begin() error {
	if s := c.state.Load(); s == callClaimed {
		c.state.Store(callRunning)
	} else if s&stateMask != callWaiting || !c.state.CompareAndSwap(s, callRunning) {
		panic("engine: Run or Refuse of a call that is not submitted, or for the second time")
	}
	if c.rare != nil && c.rare.relay != nil && !c.why.CompareAndSwap(nil, &errBegun) {
		return *c.why.Load()
	}
	return nil
}

// Parked tells the listener that the running call waits for op.
func (c *Call) Parked(ctx context.Context, worker int, op strand.Op) {
	if l := c.Host().Listener; l != nil && l.Parked != nil {
		var e Event
		c.event(&e, c.now(ctx), worker)
		e.Op = op
		l.Parked(e)
	}
}

// Resumed tells the listener that the running call goes on after Parked.
func (c *Call) Resumed(ctx context.Context, worker int) {
	if l := c.Host().Listener; l != nil && l.Resumed != nil {
		var e Event
		c.event(&e, c.now(ctx), worker)
		l.Resumed(e)
	}
}

// settle ends an attempt: the call is retried or complete. It returns when that was, if
// somebody has heard of it.
func (c *Call) settle(ctx context.Context, worker int, started bool, err error) (at time.Duration) {
	c.expiry().release()
	if c.rare != nil && c.rare.derived != nil {
		c.rare.derived.Retire(&errAttemptOver)
		c.rare.derived = nil
	}
	var relays *relay
	if c.rare != nil && c.rare.relay != nil {
		relays, c.rare.relay = c.rare.relay, nil
		relays.over(started, err)
		c.why.Store(nil)
	}
	if err != nil && c.Host().Executor != nil && c.based().Err() == nil && c.how().wantsRetry(int(c.attempt), started, err) {
		if started {
			c.seldom().lastErr = err
		}
		delay := c.how().Retry.delay(int(c.attempt), rand.Float64())
		if l := c.Host().Listener; l != nil && l.Retrying != nil {
			var e Event
			c.event(&e, c.now(ctx), worker)
			e.Err, e.Delay = err, delay
			if !started {
				e.Waited = c.waited(e.At)
			}
			l.Retrying(e)
		}
		c.leaveTrack()
		c.attempt++
		c.place.Store(nil)
		c.state.Store(callNew)
		relays.settled()
		go c.again(delay)
		return 0
	}
	if err != nil {
		switch {
		case started:
		case c.rare == nil || c.rare.lastErr == nil:
			err = &NotStartedError{Err: err}
		default:
			// An earlier attempt did run, so the task as a whole has: the
			// error must not say otherwise.
			err = &retriesError{last: c.rare.lastErr, ended: err}
		}
		err = &TaskError{
			Task: c.kind.task, Engine: c.Host().Name,
			Worker: worker, Attempt: int(c.attempt), Err: err,
		}
	}
	if l := c.Host().Listener; l != nil && l.Finished != nil {
		at = c.tellFinished(ctx, l, worker, started, err)
	}
	var hooks []func(error)
	if c.rare != nil {
		hooks = c.rare.hooks
	}
	// A complete call keeps nothing alive that it needed to run, but the values of
	// its context.
	c.rare = nil
	c.state.Store(callDone)
	c.body.Done(err)
	for _, f := range hooks {
		f(err)
		at = 0 // which may have taken any time
	}
	relays.settled()
	return at
}

// again starts the next attempt after a pause, in which the call holds no slot
// of its engine.
func (c *Call) again(delay time.Duration) {
	ctx := strand.Detach(c.based())
	if delay > 0 {
		// If ctx is done the executor refuses the call.
		_ = strand.Sleep(ctx, delay)
	}
	c.Host().Executor.Start(ctx, c)
}

// ids counts the calls that somebody hears of. Each submission writes it: it must not share a
// line of the cache with what workers read all the time, such as variables of package time.
var ids struct {
	_    [64]byte
	last atomic.Uint64
	_    [64]byte
}

// errAttemptOver is the cause of a context that belongs to an attempt alone.
var errAttemptOver = errors.New("engine: the attempt that the context belongs to is over")
