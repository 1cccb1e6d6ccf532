package threading

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/go-braid/braid/engine"
)

// A Config says how a [Pool] is made. The zero Config is a good one.
type Config struct {
	// Name appears in errors and events; empty means "threads".
	Name string

	// Workers is the number of tasks that run at once; 0 means
	// runtime.GOMAXPROCS(0). For tasks that mostly wait for something outside
	// the program, more than the processors is right.
	Workers int

	// Queue is the number of calls that may wait for a worker; 0 means 64 for
	// each worker, and a negative Queue none: then a call is admitted only when
	// a worker is free for it.
	Queue int

	// Full says what becomes of a call for which there is no room: its
	// submitter waits, which is the default, or it is refused.
	Full Full

	// Init makes the state of a worker, which the tasks that it runs get from
	// [State]: a connection, a buffer, a parser. It is called on the worker's
	// goroutine, before its first task. Its context is that of no task: it
	// lasts until the pool has ended, or Close cancels what runs. If Init fails
	// or panics the pool is broken: calls that wait and all later ones are
	// refused with [ErrBroken] and this error. A pool has as many workers as
	// tasks run or are parked.
	Init func(ctx context.Context, worker int) (any, error)

	// Cleanup is called with what Init returned when the worker ends, on its
	// goroutine. It must not panic.
	Cleanup func(state any)

	// MaxLent is the number of parked tasks whose slots are lent to others at
	// the same time; 0 means 10,000. Tasks that park beyond it keep their slot,
	// and could then wait for a task that never gets one. Negative means that
	// no slot is lent.
	MaxLent int

	// Grace is how long Close waits, after its context is done, for the tasks
	// that it has cancelled; 0 means 5 seconds, a negative Grace not at all.
	Grace time.Duration

	// Crash has a panic of a task end the program, as that of a goroutine does,
	// rather than be the task's error.
	Crash bool

	// Labels has tasks run with profiler labels: "pool", the pool's name, and
	// "task", the task's. Profiles then tell how much time which task takes.
	Labels bool

	// Slow is how long a task may run before it is reported to OnSlow: once, as
	// soon as it has run so long. 0 means that nobody wants to know.
	Slow time.Duration

	// OnSlow is told of slow tasks, on a goroutine of its own; nil means that
	// slog.Default is.
	OnSlow func(SlowTask)

	// Listener is told what happens; nil costs nothing.
	Listener *engine.Listener
}

// Full says what becomes of a call for which a pool has no room.
type Full uint8

// What to do when a pool is full.
const (
	Wait   Full = iota // the submitter waits for room, as long as its context lasts
	Refuse             // the call fails with ErrNotStarted and ErrSaturated
)

// check returns c with its defaults filled in, and panics if c is nonsense: it
// is the program that is wrong then, not its input.
func (c Config) check() Config {
	if c.Workers < 0 {
		panic(fmt.Sprintf("threading: Config.Workers is %d: it must be positive, or 0 for GOMAXPROCS", c.Workers))
	}
	if c.Full > Refuse {
		panic(fmt.Sprintf("threading: Config.Full is %d: it must be Wait or Refuse", c.Full))
	}
	if c.Slow < 0 {
		panic(fmt.Sprintf("threading: Config.Slow is %v: it must be positive, or 0 for no reports", c.Slow))
	}
	if c.Name == "" {
		c.Name = "threads"
	}
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	switch {
	case c.Queue == 0:
		c.Queue = 64 * c.Workers
	case c.Queue < 0:
		c.Queue = 0
	}
	switch {
	case c.MaxLent == 0:
		c.MaxLent = 10_000
	case c.MaxLent < 0:
		c.MaxLent = 0
	}
	if c.Grace == 0 {
		c.Grace = 5 * time.Second
	}
	return c
}
