package engine

import (
	"context"
	"runtime"

	"github.com/go-braid/braid/strand"
)

// An Executor runs calls. Its life cycle (how it is made, drained and closed) is
// its own affair.
//
// Start returns once c is admitted or refused; it may run c to its end before it
// returns. While it waits for room it parks the calling strand. It completes c
// exactly once, with [Call.Run] or [Call.Refuse], now or later:
//
//   - if ctx is done before c runs, c is refused at once with the error of ctx,
//     wherever it was waiting;
//   - if ctx is done while c runs, the body is told through its context, and the
//     call completes when the body returns (an engine that can do more, such as
//     killing a process, says so);
//   - if the engine is closed, c is refused with [ErrClosed]; if it is full and
//     does not wait, with [ErrSaturated].
//
// Start may be called from any goroutine, and from inside a call that the same
// executor runs.
type Executor interface {
	Start(ctx context.Context, c *Call)
}

// A Sizer is an executor that knows how many calls it can run at once.
type Sizer interface {
	// Size returns that number, at least 1, as it is now.
	Size() int
}

// A Withdrawer is an executor that can give back calls that wait for their turn.
type Withdrawer interface {
	// Withdraw refuses every call that was admitted and has not begun to run,
	// and every call that waits to be admitted, with the given error. It
	// returns how many there were. Calls that come later are admitted as usual.
	Withdraw(why error) int
}

// A Chunker is an executor of this process on which a call may run many items of work one
// after the other, and keeps nobody waiting by that but who waits for a slot. One whose
// calls run in turn, such as an event loop, is none: its other calls would wait.
type Chunker interface {
	// Chunks does nothing: to have it says all.
	Chunks()
}

// A Hoster is an executor that shows what it tells calls about itself.
type Hoster interface {
	// Host returns it. It must not be changed.
	Host() *Host
}

// As finds the first executor that has the capability T in the chain that
// begins with ex and goes on with Unwrap() Executor. Executors that wrap others
// offer that method, and so do not hide what those can do.
func As[T any](ex Executor) (T, bool) {
	for ex != nil {
		if t, ok := ex.(T); ok {
			return t, true
		}
		w, ok := ex.(interface{ Unwrap() Executor })
		if !ok {
			break
		}
		ex = w.Unwrap()
	}
	var none T
	return none, false
}

// Size returns how many calls ex can run at once: what its [Sizer] says, or
// GOMAXPROCS for executors without one.
func Size(ex Executor) int {
	if s, ok := As[Sizer](ex); ok {
		return s.Size()
	}
	return runtime.GOMAXPROCS(0)
}

// Goroutines is an executor that starts a goroutine for every call. It has no
// bound and no queue: it admits everything at once. Make one with
// [NewGoroutines].
type Goroutines struct{ host Host }

// NewGoroutines returns an executor that starts a goroutine for every call and
// reports to l, which may be nil.
func NewGoroutines(l *Listener) *Goroutines {
	g := &Goroutines{}
	g.host = Host{Name: "goroutines", Listener: l, Executor: g}
	return g
}

// Chunks implements [Chunker].
func (g *Goroutines) Chunks() {}

// Host implements [Hoster].
func (g *Goroutines) Host() *Host { return &g.host }

// Start implements [Executor]. It never waits.
func (g *Goroutines) Start(ctx context.Context, c *Call) {
	ctx = enter(ctx, c)
	ctx = c.Submit(ctx, &g.host)
	go c.Run(ctx, 0)
}

// Serial is an executor that runs each call to its end before Start returns: one
// after the other for one submitter. It is the yardstick for the others, and the
// engine to debug on. Make one with [NewSerial].
type Serial struct{ host Host }

// NewSerial returns an executor that runs calls one by one and reports to l,
// which may be nil.
func NewSerial(l *Listener) *Serial {
	s := &Serial{}
	s.host = Host{Name: "serial", Listener: l, Executor: s}
	return s
}

// Chunks implements [Chunker].
func (s *Serial) Chunks() {}

// Host implements [Hoster].
func (s *Serial) Host() *Host { return &s.host }

// Size implements [Sizer]: it returns 1.
func (s *Serial) Size() int { return 1 }

// Start implements [Executor]. It returns when the call is complete, after its
// last attempt. The body runs on a goroutine of its own all the same: a task that
// ends its goroutine, as t.FailNow does, must not end the one that submitted it.
func (s *Serial) Start(ctx context.Context, c *Call) {
	if c.Attempt() > 1 {
		// The Start of the first attempt is still waiting, for this one too.
		ctx = enter(c.Submit(ctx, &s.host), c)
		c.Run(ctx, 0)
		return
	}
	var complete strand.Event
	c.OnDone(func(error) { complete.Set() })
	ctx = c.Submit(ctx, &s.host)
	go c.Run(enter(ctx, c), 0)
	// Cancelling reaches the body through ctx; the wait for its end is not
	// cut short, or two calls would overlap.
	_ = complete.Wait(context.WithoutCancel(ctx))
}
