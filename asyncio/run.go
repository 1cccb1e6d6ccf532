package asyncio

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/go-braid/braid/engine"
)

// An Option changes how [Run] makes its loop.
type Option func(*Config)

// With has Run make its loop from cfg. Options after it change cfg further.
func With(cfg Config) Option {
	return func(c *Config) { *c = cfg }
}

// Shared says that goroutines which main did not start wake its coroutines: see
// Config.Shared.
func Shared() Option {
	return func(c *Config) { c.Shared = true }
}

// Run runs main as a coroutine of a loop made for it and returns what main returns.
// When main has returned, the coroutines that it has left behind are cancelled and
// awaited, those that do not end within Config.Grace are unwound, and nothing is left.
// When ctx is done, so is the context of main.
//
// If main panics, Run returns an [*engine.PanicError] with its stack. If main ends
// its goroutine, as t.FailNow does, so does Run. If nothing can ever wake the
// coroutines, main is cancelled and Run returns a [*DeadlockError].
//
// Run cannot be called from a coroutine, whose loop it would block.
func Run(ctx context.Context, main func(ctx context.Context) error, opts ...Option) error {
	if LoopOf(ctx) != nil {
		return errors.New("asyncio: Run was called from a coroutine, and would block the loop that runs it; await main with asyncio.Go and Join instead")
	}
	var cfg Config
	for _, o := range opts {
		o(&cfg)
	}
	l := newLoop(cfg)
	c := l.newCall(ctx, "main")
	c.fn = func(ctx context.Context) error {
		defer func() {
			l.closing.Store(true)
			l.cancelAll(errMainReturned)
		}()
		return main(ctx)
	}
	l.main = c
	l.send(&c.letter)
	// On a goroutine of its own: the caller's may be locked to its thread, and the
	// runtime lets only coroutines made there be resumed from there.
	var served sync.WaitGroup
	served.Go(l.serve)
	served.Wait()
	if l.deadlock != nil {
		return l.deadlock
	}
	if c.err == engine.ErrGoexit {
		runtime.Goexit()
	}
	return c.err
}

var errMainReturned = errors.New("asyncio: the main coroutine has returned")
