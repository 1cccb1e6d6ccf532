package asyncio

import (
	"log/slog"
	"runtime"
	"sync/atomic"

	"github.com/go-braid/braid/engine"
)

// A failure is what is known of a coroutine that has failed and that nobody has
// joined yet. It holds no pointer to the coroutine.
type failure struct {
	loop, name string
	err        error
	observed   atomic.Bool
}

// noteFailure arranges that the failure of c is reported when c is garbage and
// nobody has joined it. That a coroutine was cancelled is no news.
func (c *Coroutine) noteFailure() {
	if c.call != nil || engine.Cancelled(c.err) || c.err == engine.ErrClosed || c.ctx.Err() != nil {
		return
	}
	c.failure = &failure{loop: c.loop.cfg.Name, name: c.name, err: c.err}
	runtime.AddCleanup(c, (*failure).report, c.failure)
}

func (f *failure) report() {
	if !f.observed.Load() {
		slog.Default().Error("a coroutine failed and nobody joined it", "loop", f.loop, "coroutine", f.name, "error", f.err)
	}
}
