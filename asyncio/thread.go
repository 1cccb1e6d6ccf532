package asyncio

import (
	"context"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// maxThreads is how many functions run at once on behalf of one loop that has no
// Config.Threads: each may hold a thread of the system, as one that reads a file
// does.
const maxThreads = 64

var goroutines = engine.NewGoroutines(nil)

// ToThread calls fn where it may block or compute for long without holding up the
// loop: on Config.Threads, or, if that is nil, on a goroutine of its own, of which
// there are at most 64 at once for a loop; further calls wait. The coroutine parks
// until fn has returned, and gets what fn returns.
//
// When ctx is done, so is the context of fn, and ToThread goes on waiting for fn:
// what runs in the thread never outlives the coroutine that waits for it, not even
// when the loop ends. A function that does not listen to its context thus holds up
// its coroutine, and in the end [Run]. If ctx is done before fn begins, fn is not
// called, and the error is that of ctx.
//
// If fn panics or calls runtime.Goexit, the error is an [*engine.TaskError] with an
// [*engine.PanicError] or [engine.ErrGoexit] in it.
//
// The context that fn gets is that of a strand of its own: fn may wait for objects
// of package strand, and may call back into the loop with braid.Go and Await. Sixty-four
// functions that each wait for a coroutine which itself needs a thread wait for
// ever: for such programs set Config.Threads.
//
// Outside of a loop ToThread does the same with a goroutine, without bound.
func ToThread[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	var v T
	err := toThread(ctx, func(ctx context.Context) (err error) {
		v, err = fn(ctx)
		return err
	})
	return v, err
}

func toThread(ctx context.Context, fn func(ctx context.Context) error) error {
	t := &threadCall{ctx: ctx, fn: fn, executor: goroutines}
	if l := LoopOf(ctx); l != nil && l.cfg.Threads != nil {
		t.executor = l.cfg.Threads
	} else if l != nil {
		if err := l.threads.Acquire(ctx, 1); err != nil {
			return err
		}
		// When the call is over; or it has not begun, and t was not armed.
		defer l.threads.Release(1)
	}
	t.call.Init(engine.Spec{}, t)
	op := strand.Op{Object: t, Kind: strand.OpAwait, Access: strand.Read}
	if err := parkOutside(ctx, op, t); err != nil {
		return err
	}
	return t.err
}

// A threadCall is a call of a function elsewhere, and the wait for it, which is as
// that for a duty. It implements [engine.Body] and [strand.Waitable].
type threadCall struct {
	call     engine.Call
	executor engine.Executor
	ctx      context.Context
	fn       func(context.Context) error
	returned bool
	err      error
}

// Arm hands the call to the executor.
func (t *threadCall) Arm(wake func()) bool {
	t.call.OnDone(func(error) { wake() })
	if t.executor == goroutines {
		goroutines.Start(t.ctx, &t.call)
	} else {
		// Start may wait for room, and this coroutine waits already.
		go t.executor.Start(strand.Detach(t.ctx), &t.call)
	}
	return true
}

// Disarm leaves it to the context of the function to end the wait.
func (t *threadCall) Disarm() bool { return false }

// Run implements [engine.Body].
func (t *threadCall) Run(ctx context.Context) error {
	t.err = t.fn(ctx)
	t.returned = true
	return t.err
}

// Done implements [engine.Body]. What the function has returned is handed on as it
// is, since callers compare it with io.EOF and the like.
func (t *threadCall) Done(err error) {
	if !t.returned {
		t.err = err
	}
}
