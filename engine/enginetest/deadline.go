package enginetest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

var deadlineRules = []rule{
	{"Queue", "a call that waits longer than its QueueTimeout fails at that moment, and says that it was the queue", bounded, queueTimeout},
	{"QueueIsFailure", "a queue deadline that is over is a failure, not a cancelling", bounded, queueTimeoutIsFailure},
	{"QueueThenRun", "the queue deadline does not cut short a call that began in time", virtual, queueDeadlineSparesRunning},
	{"QueueRetried", "a call that is retried after its queue deadline waits in the queue once", bounded | virtual, queueTimeoutRetried},
	{"QueueForRoom", "the time that Start waits for room counts against the QueueTimeout", waits, queueTimeoutForRoom},
	{"Run", "a body that runs longer than its Timeout is told at that moment, and the error says that it was the run", 0, runTimeout},
	{"RunAfterQueue", "time in the queue does not shorten the time to run", bounded | virtual, queueTimeSparesTimeout},
	{"Caller", "the deadline of the caller's context is a deadline exceeded, but no limit of the call", 0, callerDeadline},
	{"Retry", "a failed attempt is made again, up to the limit, and the last failure is the call's", 0, retries},
	{"RetryCancelled", "a call whose context is done is not made again", 0, cancelledIsNotRetried},
	{"RetryTimeout", "each attempt has the whole Timeout", virtual, retryTimeout},
	{"BackOff", "a call holds no slot between its attempts", bounded | virtual, backOffFreesSlot},
	{"BackOffCancel", "a call that is cancelled between its attempts is complete at once, with the last failure", virtual, backOffCancel},
}

// limit returns the TimeoutError in err.
func limit(t *trial, err error, want time.Duration, phase engine.Phase) {
	t.Helper()
	te, ok := errors.AsType[*engine.TimeoutError](err)
	if !ok {
		t.Errorf("the error %v wraps no *engine.TimeoutError", err)
		return
	}
	if te.Limit != want || te.Phase != phase {
		t.Errorf("the limit that was over is %v of phase %q; want %v of %q", te.Limit, te.Phase, want, phase)
	}
}

// passed checks how much virtual time has passed since start.
func (t *trial) passed(start time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(start); got != want && !t.caps.NoBubble {
		t.Errorf("%v have passed; want %v", got, want)
	}
}

const tick = 20 * time.Millisecond

func queueTimeout(t *trial) {
	e := t.open(Config{Workers: 1})
	busy := t.gate()
	t.occupy(e, 1, busy)
	start := time.Now()
	p := newProbeWith(engine.Policy{QueueTimeout: tick, Timeout: time.Hour}, nil)
	e.Start(context.Background(), p.call)
	notStarted(t, p.outcome(), context.DeadlineExceeded) // hangs if the worker has to find out
	limit(t, p.err, tick, engine.PhaseQueue)
	t.passed(start, tick)
	busy.open()
	t.settle()
	p.ran(t, 0)
}

func queueTimeoutIsFailure(t *trial) {
	e := t.open(Config{Workers: 1})
	t.occupy(e, 1, t.gate())
	p := newProbeWith(engine.Policy{QueueTimeout: tick}, nil)
	e.Start(context.Background(), p.call)
	if err := p.outcome(); engine.Cancelled(err) || errors.Is(err, context.Canceled) {
		t.Errorf("the outcome %q passes for a cancelling: engine.Cancelled is %t, errors.Is context.Canceled is %t",
			err, engine.Cancelled(err), errors.Is(err, context.Canceled))
	}
}

func queueDeadlineSparesRunning(t *trial) {
	e := t.open(Config{})
	p := newProbeWith(engine.Policy{QueueTimeout: tick}, func(ctx context.Context) error {
		return strand.Sleep(ctx, 10*tick)
	})
	start := time.Now()
	e.Start(context.Background(), p.call)
	p.succeeded(t)
	t.passed(start, 10*tick)
}

func queueTimeoutRetried(t *trial) {
	e := t.open(Config{Workers: 1, Queue: 1})
	g := t.gate()
	t.occupy(e, 1, g)
	p := newProbeWith(engine.Policy{QueueTimeout: tick, Retry: engine.Retry{Max: 10, Base: -1}}, nil)
	e.Start(context.Background(), p.call)
	time.Sleep(5*tick + tick/2)
	t.settle()
	if n := p.call.Attempt(); n != 6 {
		t.Errorf("the call is at attempt %d after 5 queue deadlines; want 6", n)
	}
	g.open()
	p.succeeded(t)
	t.width(e, 1)
}

func queueTimeoutForRoom(t *trial) {
	e := t.open(Config{Workers: 1, Queue: 1})
	g := t.gate()
	t.occupy(e, 1, g)
	queued := newProbe(nil)
	e.Start(context.Background(), queued.call)
	p := newProbeWith(engine.Policy{QueueTimeout: tick}, nil)
	start := time.Now()
	e.Start(context.Background(), p.call) // hangs if it waits for ever
	notStarted(t, p.outcome(), context.DeadlineExceeded)
	limit(t, p.err, tick, engine.PhaseQueue)
	t.passed(start, tick)
	g.open()
	queued.succeeded(t)
	p.ran(t, 0)
}

func runTimeout(t *trial) {
	e := t.open(Config{})
	p := newProbeWith(engine.Policy{QueueTimeout: time.Hour, Timeout: tick}, func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	start := time.Now()
	e.Start(context.Background(), p.call)
	matches(t, p.outcome(), context.DeadlineExceeded)
	limit(t, p.err, tick, engine.PhaseRun)
	t.passed(start, tick)
	p.ran(t, 1)
	if engine.Cancelled(p.err) {
		t.Errorf("engine.Cancelled(%v) = true for a limit that was over", p.err)
	}
}

func queueTimeSparesTimeout(t *trial) {
	e := t.open(Config{Workers: 1})
	g := t.gate()
	t.occupy(e, 1, g)
	p := newProbeWith(engine.Policy{Timeout: 2 * tick}, func(ctx context.Context) error {
		return strand.Sleep(ctx, tick)
	})
	e.Start(context.Background(), p.call)
	time.Sleep(10 * tick)
	g.open()
	p.succeeded(t)
}

func callerDeadline(t *trial) {
	e := t.open(Config{})
	ctx, cancel := context.WithTimeout(context.Background(), tick)
	defer cancel()
	p := newProbe(func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	e.Start(ctx, p.call)
	matches(t, p.outcome(), context.DeadlineExceeded)
	if te, ok := errors.AsType[*engine.TimeoutError](p.err); ok {
		t.Errorf("the error %v names a limit of the call, %v; it has none", p.err, te.Limit)
	}
}

func retries(t *trial) {
	e := t.open(Config{})
	failures := []error{errors.New("first"), errors.New("second"), errors.New("third"), errors.New("fourth")}
	for succeedAt := 1; succeedAt <= 5; succeedAt++ {
		var attempts atomic.Int32
		policy := engine.Policy{Retry: engine.Retry{Max: 3, Base: -1}}
		p := newProbeWith(policy, func(context.Context) error {
			n := int(attempts.Add(1))
			if n == succeedAt {
				return nil
			}
			return failures[n-1]
		})
		e.Start(context.Background(), p.call)
		err := p.outcome()
		p.ran(t, min(succeedAt, 4))
		if succeedAt <= 4 {
			if err != nil {
				t.Errorf("the call was to succeed at attempt %d, and failed: %v", succeedAt, err)
			}
			continue
		}
		matches(t, err, failures[3])
		if te, ok := errors.AsType[*engine.TaskError](err); ok && te.Attempt != 4 {
			t.Errorf("the error is of attempt %d; want 4, the last", te.Attempt)
		}
	}
}

func cancelledIsNotRetried(t *trial) {
	e := t.open(Config{})
	boom := errors.New("boom")
	ctx, cancel := context.WithCancel(context.Background())
	policy := engine.Policy{Retry: engine.Retry{Max: 5, Base: -1}}
	p := newProbeWith(policy, func(context.Context) error {
		cancel()
		return boom
	})
	e.Start(ctx, p.call)
	matches(t, p.outcome(), boom)
	p.ran(t, 1)
	if n := p.call.Attempt(); n != 1 {
		t.Errorf("the call came to attempt %d; want 1", n)
	}
}

func retryTimeout(t *trial) {
	e := t.open(Config{})
	policy := engine.Policy{Timeout: tick, Retry: engine.Retry{Max: 2, Base: -1}}
	p := newProbeWith(policy, func(ctx context.Context) error {
		return strand.Sleep(ctx, time.Hour)
	})
	start := time.Now()
	e.Start(context.Background(), p.call)
	matches(t, p.outcome(), context.DeadlineExceeded)
	p.ran(t, 3)
	t.passed(start, 3*tick)
}

func backOffFreesSlot(t *trial) {
	e := t.open(Config{Workers: 1})
	var attempts atomic.Int32
	// The pauses are drawn; the task says what it takes to see one.
	policy := engine.Policy{Retry: engine.Retry{Max: 1, Base: time.Hour, Cap: time.Hour}}
	p := newProbeWith(policy, func(context.Context) error {
		if attempts.Add(1) == 1 {
			return errors.New("again")
		}
		return nil
	})
	spawn(context.Background(), e, p.call)
	<-p.begun
	t.settle()
	start := time.Now()
	v, err := braid.Submit(context.Background(), e, double, 21).Await(context.Background())
	if v != 42 || err != nil {
		t.Errorf("the call in between = %d, %v; want 42, nil", v, err)
	}
	t.passed(start, 0)
	if isClosed(p.ended) {
		t.Error("the call is complete before its pause is over")
	}
	if err := p.outcome(); err != nil {
		t.Errorf("the second attempt failed: %v", err)
	}
	p.ran(t, 2)
}

func backOffCancel(t *trial) {
	e := t.open(Config{Workers: 1})
	boom, why := errors.New("boom"), errors.New("never mind")
	ctx, cancel := context.WithCancelCause(context.Background())
	policy := engine.Policy{Retry: engine.Retry{Max: 5, Base: time.Hour, Cap: time.Hour}}
	p := newProbeWith(policy, func(context.Context) error { return boom })
	spawn(ctx, e, p.call)
	<-p.begun
	t.settle()
	start := time.Now()
	cancel(why)
	matches(t, p.outcome(), boom, context.Canceled, why)
	t.passed(start, 0)
	p.ran(t, 1)
}
