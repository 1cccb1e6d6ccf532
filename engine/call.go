package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"sync/atomic"
	"time"

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
	callWaiting                 // submitted to an engine
	callRunning                 // its body runs
	callDone                    // complete
	callForwarded               // on its way to the next executor; see Forward
)

// A Call is one request to run a task. Make one with [NewCall] or, inside a
// larger object, with [Call.Init]. It must not be copied.
type Call struct {
	spec    Spec
	body    Body
	hooks   []func(error)
	state   atomic.Uint32
	id      uint64
	attempt int

	base    context.Context // the context of the first Start
	host    *Host
	expiry  *queueDeadline
	after   func()                // see AfterBody
	relay   *relay                // see Forward
	why     atomic.Pointer[error] // of Withdraw, or errBegun, for a call that is forwarded
	run     context.Context       // of an attempt that Begin began
	stopRun context.CancelFunc
	worker  int   // that runs it
	lastErr error // of the last attempt that ran
}

// A Host is what an engine tells a call about itself.
type Host struct {
	Name     string    // such as "threads": it appears in errors and events
	Listener *Listener // nil: nobody listens
	Executor Executor  // the engine itself, which further attempts go to; nil: there are none
}

// NewCall returns a call of body.
func NewCall(spec Spec, body Body) *Call {
	c := new(Call)
	c.Init(spec, body)
	return c
}

// Init makes the zero Call c a call of body.
func (c *Call) Init(spec Spec, body Body) {
	c.spec, c.body, c.attempt = spec, body, 1
}

// Spec returns the call's description.
func (c *Call) Spec() Spec { return c.spec }

// ID returns the number that events give to the call, or 0 if nobody listens.
func (c *Call) ID() uint64 { return c.id }

// Attempt returns which attempt at the task this is, from 1.
func (c *Call) Attempt() int { return c.attempt }

// Host returns the engine that the call was submitted to, or nil.
func (c *Call) Host() *Host { return c.host }

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
	c.hooks = append(c.hooks, f)
}

// AfterBody registers f to be called when the body of the next Run has returned,
// panicked or ended its goroutine, or Run has found that it need not begin, and
// before anybody hears of the outcome. An executor that gives back a worker's
// place in f can be sure that who awaits the call finds it free. F must not block.
func (c *Call) AfterBody(f func()) { c.after = f }

// bodyOver calls what AfterBody registered, once.
func (c *Call) bodyOver() {
	if f := c.after; f != nil {
		c.after = nil
		f()
	}
}

// Submit says that h has taken the call on. An executor calls it first in Start,
// and from then on uses the context that it returns, which ends early if the
// call waits longer than its policy allows. ctx is also the context of later
// attempts.
func (c *Call) Submit(ctx context.Context, h *Host) context.Context {
	if !c.state.CompareAndSwap(callNew, callWaiting) {
		c.arrive()
		return ctx // the executor in front has said all this
	}
	if c.base == nil {
		c.base = ctx
		if h.Listener != nil {
			c.id = nextID.Add(1)
		}
	}
	c.host = h
	if l := h.Listener; l != nil && l.Submitted != nil {
		l.Submitted(c.event(ctx, 0))
	}
	if d := c.spec.Policy.QueueTimeout; d > 0 {
		c.expiry = &queueDeadline{}
		ctx = c.expiry.start(ctx, d)
	}
	return ctx
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
	returned := false
	var err error
	defer func() {
		if !returned {
			if v := recover(); v != nil {
				err = &PanicError{Value: v, Stack: debug.Stack()}
			} else {
				err = ErrGoexit
			}
		}
		if self := strand.Self(ctx); self != nil {
			self.End()
		}
		if returned {
			c.Return(err)
		} else {
			c.Fail(err)
		}
	}()
	if l := c.host.Listener; l != nil && l.Progress != nil {
		run = WithProgress(run, func(done, total int64) { c.Progress(ctx, done, total) })
	}
	err = c.body.Run(run)
	returned = true
}

// Begin says that the call begins to run somewhere else than on the calling
// strand, such as in another process, as the engine's worker of that number. It
// returns the context of the attempt, which ends with ctx and at the call's
// Timeout, and true: then the executor must call [Call.Return] or [Call.Fail]
// once. If ctx is done already, the call is refused, and Begin returns false.
func (c *Call) Begin(ctx context.Context, worker int) (context.Context, bool) {
	c.expiry.stop()
	if ctx.Err() != nil {
		c.bodyOver()
		c.Refuse(strand.Err(ctx))
		return nil, false
	}
	if why := c.begin(); why != nil {
		c.bodyOver()
		c.settle(c.base, 0, false, why)
		return nil, false
	}
	c.worker = worker
	if l := c.host.Listener; l != nil && l.Started != nil {
		l.Started(c.event(ctx, worker))
	}
	c.run = ctx
	if d := c.spec.Policy.Timeout; d > 0 {
		c.run, c.stopRun = context.WithTimeoutCause(c.run, d, &TimeoutError{Limit: d, Phase: PhaseRun})
	}
	return c.run, true
}

// Return ends an attempt that Begin began: the task has returned err.
func (c *Call) Return(err error) { c.Fail(c.blame(c.run, err)) }

// Fail ends an attempt that Begin began: err, if it is not nil, is what kept the
// task from returning, such as a panic or the death of its process.
func (c *Call) Fail(err error) {
	ctx := c.run
	if c.stopRun != nil {
		defer c.stopRun()
	}
	c.run, c.stopRun = nil, nil
	c.bodyOver()
	c.settle(ctx, c.worker, true, err)
}

// NotRun ends an attempt that Begin began, but in which the task did not come to
// run: the call is refused with an error that wraps [ErrNotStarted] and why, or a
// further attempt begins.
func (c *Call) NotRun(why error) {
	ctx := c.run
	if c.stopRun != nil {
		defer c.stopRun()
	}
	c.run, c.stopRun = nil, nil
	c.bodyOver()
	c.settle(ctx, c.worker, false, why)
}

// Restart ends an attempt that Begin began, for a reason that is not the task's
// doing, or of no harm, and begins the next one: the call waits again, with the
// context that Submit returned, and the executor must call Begin or Refuse. It
// depends on no [Retry]. Why is what ended the attempt.
func (c *Call) Restart(why error) {
	ctx := c.run
	if c.stopRun != nil {
		defer c.stopRun()
	}
	c.run, c.stopRun = nil, nil
	l := c.host.Listener
	if l != nil && l.Retrying != nil {
		e := c.event(ctx, c.worker)
		e.Err = why
		l.Retrying(e)
	}
	if !errors.Is(why, ErrNotStarted) {
		c.lastErr = why // so that a refusal does not say that the task has not run
	}
	c.attempt++
	if c.relay != nil {
		c.why.Store(nil)
	}
	c.state.Store(callWaiting)
	if l != nil && l.Submitted != nil {
		l.Submitted(c.event(ctx, 0))
	}
}

// Progress tells the listener how far the running call says that it is; see
// [Progress].
func (c *Call) Progress(ctx context.Context, done, total int64) {
	if l := c.host.Listener; l != nil && l.Progress != nil {
		e := c.event(ctx, c.worker)
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
	if q := c.expiry; q != nil && errors.Is(why, q.over) {
		// The context says that it was cancelled; it was the limit.
		why = q.over
	}
	c.settle(c.base, 0, false, why)
}

// begin takes the call out of the hands of the executor. If the call was withdrawn
// it must not run, and begin returns why.
func (c *Call) begin() error {
	if !c.state.CompareAndSwap(callWaiting, callRunning) {
		panic("engine: Run or Refuse of a call that is not submitted, or for the second time")
	}
	if c.relay != nil && !c.why.CompareAndSwap(nil, &errBegun) {
		return *c.why.Load()
	}
	return nil
}

// Parked tells the listener that the running call waits for op.
func (c *Call) Parked(ctx context.Context, worker int, op strand.Op) {
	if l := c.host.Listener; l != nil && l.Parked != nil {
		e := c.event(ctx, worker)
		e.Op = op
		l.Parked(e)
	}
}

// Resumed tells the listener that the running call goes on after Parked.
func (c *Call) Resumed(ctx context.Context, worker int) {
	if l := c.host.Listener; l != nil && l.Resumed != nil {
		l.Resumed(c.event(ctx, worker))
	}
}

// settle ends an attempt: the call is retried or complete.
func (c *Call) settle(ctx context.Context, worker int, started bool, err error) {
	c.expiry.release()
	relays := c.relay
	if relays != nil {
		c.relay = nil
		relays.over(started, err)
		c.why.Store(nil)
	}
	if err != nil && c.host.Executor != nil && c.base.Err() == nil && c.spec.Policy.wantsRetry(c.attempt, started, err) {
		if started {
			c.lastErr = err
		}
		delay := c.spec.Policy.Retry.delay(c.attempt, rand.Float64())
		if l := c.host.Listener; l != nil && l.Retrying != nil {
			e := c.event(ctx, worker)
			e.Err, e.Delay = err, delay
			l.Retrying(e)
		}
		c.attempt++
		c.state.Store(callNew)
		relays.settled()
		go c.again(delay)
		return
	}
	if err != nil {
		switch {
		case started:
		case c.lastErr == nil:
			err = &NotStartedError{Err: err}
		default:
			// An earlier attempt did run, so the task as a whole has: the
			// error must not say otherwise.
			err = &retriesError{last: c.lastErr, ended: err}
		}
		err = &TaskError{
			Task: c.spec.Task, Engine: c.host.Name,
			Worker: worker, Attempt: c.attempt, Err: err,
		}
	}
	if l := c.host.Listener; l != nil && l.Finished != nil {
		e := c.event(ctx, worker)
		e.Err = err
		l.Finished(e)
	}
	hooks := c.hooks
	// A complete call keeps nothing alive that it needed to run.
	c.base, c.hooks, c.lastErr, c.expiry = nil, nil, nil, nil
	c.state.Store(callDone)
	c.body.Done(err)
	for _, f := range hooks {
		f(err)
	}
	relays.settled()
}

// again starts the next attempt after a pause, in which the call holds no slot
// of its engine.
func (c *Call) again(delay time.Duration) {
	ctx := strand.Detach(c.base)
	if delay > 0 {
		// If ctx is done the executor refuses the call.
		_ = strand.Sleep(ctx, delay)
	}
	c.host.Executor.Start(ctx, c)
}

func (c *Call) event(ctx context.Context, worker int) Event {
	return Event{
		At: strand.Now(ctx), Engine: c.host.Name, Worker: worker,
		Call: c.id, Task: c.spec.Task, Index: c.spec.Index, Attempt: c.attempt,
	}
}

var nextID atomic.Uint64

// blame puts the right light on the error of a body. One that is ctx's own is
// marked as such, with why ctx ended: "context deadline exceeded" does not tell
// which deadline. And one that says of another call that it was not started must
// not be taken to say so of this one.
func (c *Call) blame(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if strand.IsErr(ctx, err) {
		err = &InterruptedError{Err: err, Cause: context.Cause(ctx), end: ctx.Err()}
	}
	if errors.Is(err, ErrNotStarted) {
		err = &ranError{err}
	}
	return err
}

// A queueDeadline ends the context of a call that waits too long. Once stopped it
// never does, so that it cannot cut short a call that runs. A nil queueDeadline
// is none.
type queueDeadline struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
	over   *TimeoutError
}

func (q *queueDeadline) start(ctx context.Context, d time.Duration) context.Context {
	q.over = &TimeoutError{Limit: d, Phase: PhaseQueue}
	ctx, q.cancel = context.WithCancelCause(ctx)
	q.timer = time.AfterFunc(d, func() { q.cancel(q.over) })
	return ctx
}

// stop ends the waiting. If the timer has gone off already, but its function has
// not run yet, the context is done when stop returns.
func (q *queueDeadline) stop() {
	if q != nil && !q.timer.Stop() {
		q.cancel(q.over)
	}
}

// release frees what the context holds on to; the attempt is over.
func (q *queueDeadline) release() {
	if q != nil {
		q.timer.Stop()
		q.cancel(nil)
	}
}
