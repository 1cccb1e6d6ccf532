package strand_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/strand"
)

// A world is where the strands of a scenario live. What a scenario asserts must
// hold in each of them: the objects of package strand do not know who runs them.
type world struct {
	name string
	// run calls main on a strand of this world, on virtual time: the clock moves
	// only when every strand waits. It returns when main and every strand that
	// was started through s have ended.
	run func(t *testing.T, main func(ctx context.Context, s *spawner))
}

// worlds are the worlds that scenarios run in. The engines whose strands are not
// goroutines add theirs in an init function of a file of their own.
var worlds = []world{{name: "goroutines", run: goroutines}}

// inWorlds runs a scenario in every world. The scenario fails with t.Error, since
// it need not be on the test's goroutine, and shares no variables between strands
// without an object of this package, an atomic or a mutex.
func inWorlds(t *testing.T, main func(t *testing.T, ctx context.Context, s *spawner)) {
	t.Helper()
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			w.run(t, func(ctx context.Context, s *spawner) { main(t, ctx, s) })
		})
	}
}

// A spawner starts the strands of a scenario.
type spawner struct {
	// start runs fn on a new strand that has an identity, and returns at once.
	start   func(name string, fn func(ctx context.Context))
	started atomic.Int64 // by Go, since the last Wait
	ended   *strand.Semaphore
}

// newSpawner returns a spawner for a world that starts strands with start. The
// context that start passes to fn is that of the new strand.
func newSpawner(start func(name string, fn func(ctx context.Context))) *spawner {
	return &spawner{start: start, ended: strand.NewSemaphore(0)}
}

// Go runs fn on a strand of its own, which has an identity that ends when fn
// returns.
func (s *spawner) Go(name string, fn func(ctx context.Context)) {
	s.started.Add(1)
	s.start(name, func(ctx context.Context) {
		defer s.ended.Release(1)
		fn(ctx)
	})
}

// Wait parks the calling strand until all strands that Go has started so far have
// ended, and their identities too.
func (s *spawner) Wait(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	_ = s.ended.Acquire(ctx, int(s.started.Swap(0)))
	s.Settle(ctx)
}

// Settle lets all other strands run until each of them waits, or has ended. It
// takes a nanosecond of the world's time.
func (s *spawner) Settle(ctx context.Context) { // virtual time
	_ = strand.Sleep(context.WithoutCancel(ctx), time.Nanosecond)
}

// goroutines is the world of plain goroutines with an identity.
func goroutines(t *testing.T, main func(ctx context.Context, s *spawner)) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpawner(func(_ string, fn func(ctx context.Context)) {
			ctx, self := strand.Enter(context.Background())
			go func() {
				defer self.End()
				fn(ctx)
			}()
		})
		ctx, self := strand.Enter(context.Background())
		defer self.End()
		main(ctx, s)
		s.Wait(ctx)
	})
}
