package asyncio

import (
	"fmt"
	"time"

	"github.com/go-braid/braid/engine"
)

// A Config says how a [Loop] is made. The zero Config is a good one.
type Config struct {
	// Name appears in errors, events and reports; empty means "async".
	Name string

	// Concurrency is the number of calls that braid.Map and the like keep in
	// flight on the loop; 0 means 256. It is no bound: a loop admits every call.
	Concurrency int

	// Threads is the engine that [ToThread] runs functions on, such as a
	// threading.Pool, which stays the caller's to close. Nil means a goroutine
	// for each, up to 64 at once.
	Threads engine.Executor

	// SlowStep is how long a coroutine may hold the loop in one step before that
	// is reported, with the coroutine's stack, to OnSlowStep; 0 means 100 ms,
	// and negative never.
	SlowStep time.Duration

	// OnSlowStep is told of slow steps, at most once for a step, on a goroutine
	// of its own; nil means a line on slog's default logger.
	OnSlowStep func(SlowStep)

	// DeadlockAfter is how long nothing must happen on a loop that nothing known
	// can wake before it is taken to be deadlocked; 0 means a second, and
	// negative never. See [DeadlockError].
	DeadlockAfter time.Duration

	// Shared says that goroutines outside the loop, which were not started by
	// its coroutines, wake them through objects that both use. Then the loop
	// cannot know that nothing will ever wake it.
	Shared bool

	// Grace is how long coroutines that were asked to end may take, when the
	// loop is closed, before they are unwound by force; 0 means 5 seconds, a
	// negative Grace not at all.
	Grace time.Duration

	// DumpOnSignal has the loop write [Loop.Dump] to the standard error when the
	// process gets SIGUSR1, where there is such a signal.
	DumpOnSignal bool

	// Listener is told what happens to calls; nil costs nothing.
	Listener *engine.Listener

	// Driver is the loop's clock and the way it waits; nil means the system's,
	// with descriptors. See [Driver].
	Driver Driver

	// Choose returns which of the n coroutines and callbacks that can run is the
	// next, from 0 for the one that has waited longest; nil means 0. It is
	// called on the loop.
	Choose func(n int) int
}

// A Driver is how a loop knows the time and waits, for programs that decide both
// themselves, such as simulators. A loop with a driver of its own has no network.
type Driver interface {
	// Now returns the time. It is called on the loop, and by ToThread and the
	// like on other goroutines.
	Now() time.Time

	// Wait returns when Wake was called since Wait last returned, or d has
	// passed; a negative d has no end. It may return early for no reason. It is
	// called on the loop, when nothing can run.
	Wait(d time.Duration)

	// Wake ends Wait, or the next Wait if there is none at present. It is called
	// from any goroutine and does not block.
	Wake()
}

// check returns c with its defaults filled in, and panics if c is nonsense.
func (c Config) check() Config {
	if c.Concurrency < 0 {
		panic(fmt.Sprintf("asyncio: Config.Concurrency is %d: it must be positive, or 0 for 256", c.Concurrency))
	}
	if c.Name == "" {
		c.Name = "async"
	}
	if c.Concurrency == 0 {
		c.Concurrency = 256
	}
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&c.SlowStep, 100 * time.Millisecond},
		{&c.DeadlockAfter, time.Second},
		{&c.Grace, 5 * time.Second},
	} {
		switch {
		case *d.value == 0:
			*d.value = d.standard
		case *d.value < 0:
			*d.value = 0
		}
	}
	return c
}
