package tasks

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
)

// Spin is the task spin: it takes a duration and computes until its thread has
// used so much processor time. It stands for work that computes, and never lets
// others run meanwhile. As it counts processor time, not the time on the wall,
// two of them on one processor take twice as long as one: more workers than
// processors do not look like a speed-up.
//
// Linux, macOS and most of the BSDs count in less than a microsecond; on Windows
// the time moves in steps of about 16 ms. On other systems, which do not tell the
// time of a thread, it is the time on the wall.
var Spin = braid.Define("spin", spin,
	braid.Doc("Compute until a duration of processor time, such as 250ms or 2 (seconds), is used."),
	braid.Idempotent())

// A Spun is the result of [Spin].
type Spun struct {
	Asked time.Duration `json:"asked_ns"` // how much processor time it was to use
	CPU   time.Duration `json:"cpu_ns"`   // how much it used
	Wall  time.Duration `json:"wall_ns"`  // how long it took
}

func spin(ctx context.Context, d time.Duration) (Spun, error) {
	if d < 0 {
		return Spun{}, negative(d)
	}
	begin := strand.Now(ctx)
	used, err := burn(ctx, d)
	if err != nil {
		return Spun{}, err
	}
	return Spun{Asked: d, CPU: used, Wall: strand.Now(ctx).Sub(begin)}, nil
}

// burn computes until the thread has used d, and returns how much it has used. A
// platform defines threadTime, which returns the processor time that the calling
// thread has used so far.
func burn(ctx context.Context, d time.Duration) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin, err := threadTime()
	if err != nil {
		return 0, fmt.Errorf("spin: the system does not tell the processor time of a thread: %w", err)
	}
	x := uint64(1)
	for {
		now, err := threadTime()
		switch {
		case err != nil:
			return 0, fmt.Errorf("spin: the system does not tell the processor time of a thread: %w", err)
		case now-begin >= d:
			runtime.KeepAlive(x)
			return now - begin, nil
		case ctx.Err() != nil:
			return 0, strand.Err(ctx)
		}
		x = scramble(x)
	}
}

// scramble computes for some 10 µs: long beside a look at the clock, short for
// whoever waits for the task to stop.
func scramble(x uint64) uint64 {
	for range 1 << 13 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// String says how much it computed in how much time.
func (s Spun) String() string {
	return fmt.Sprintf("spun %v in %v", s.Asked, rounded(s.Wall))
}

// Fingerprint returns what does not depend on the engine.
func (s Spun) Fingerprint() string { return "spun " + s.Asked.String() }
