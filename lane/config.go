package lane

import (
	"fmt"
	"math"
	"time"
)

// A Config says how a [Lane] is made. The zero Config limits nothing: it makes a lane
// that can be paused, drained, closed and counted.
type Config struct {
	// Name appears in errors and events behind that of the engine, as in
	// "threads/images". Empty means the engine's name alone.
	Name string

	// Limit is the number of calls that are let through at once; 0 means that
	// there is no such limit.
	Limit int

	// Rate is the number of calls that are let through each second, in the long
	// run; 0 means that there is no such limit. It counts calls as they begin,
	// each attempt of a call that is retried as one.
	Rate float64

	// Burst is the number of calls that may go at once when none went in a while;
	// 0 means 1, so that calls are at least 1/Rate apart. It needs a Rate. When
	// the system wakes the lane late, the burst is also what can be made up for:
	// for 1000 calls a second or more, let it be what comes in some milliseconds.
	Burst int

	// Adaptive, if it is not nil, limits the calls that are let through at once to
	// a number that follows from how long they take. It is for calls that wait for
	// something outside, and never for computations; see [Gradient].
	Adaptive *Gradient

	// Queue is the number of calls that may wait in the lane; 0 means 64 for each
	// place of Limit, or 1024 if there is no Limit, and a negative Queue none.
	Queue int

	// Full says what becomes of a call for which there is no room in the queue:
	// its submitter waits, which is the default, or it is refused.
	Full Full

	// MaxLent is the number of parked tasks whose places are lent to others at the
	// same time; 0 means 10,000. Tasks that park beyond it keep their place, and
	// could then wait for a call that never gets one. Negative means that no place
	// is lent: then Limit bounds the tasks that run or are parked.
	MaxLent int

	// Grace is how long Close waits, after its context is done, for the tasks that
	// it has cancelled; 0 means 5 seconds, a negative Grace not at all.
	Grace time.Duration
}

// Full says what becomes of a call for which a lane has no room.
type Full uint8

// What to do when a lane is full.
const (
	Wait   Full = iota // the submitter waits for room, as long as its context lasts
	Refuse             // the call fails with ErrNotStarted and ErrSaturated
)

// check returns c with its defaults filled in, and panics if c is nonsense: it is the
// program that is wrong then, not its input.
func (c Config) check() Config {
	if c.Limit < 0 {
		panic(fmt.Sprintf("lane: Config.Limit is %d: it must be positive, or 0 for no limit", c.Limit))
	}
	if err := checkRate(c.Rate); err != nil {
		panic("lane: Config.Rate " + err.Error())
	}
	if c.Burst < 0 || c.Burst > 0 && c.Rate == 0 {
		panic(fmt.Sprintf("lane: Config.Burst is %d with a Rate of %v: it must be positive, or 0 for 1, and needs a Rate", c.Burst, c.Rate))
	}
	if c.Full > Refuse {
		panic(fmt.Sprintf("lane: Config.Full is %d: it must be Wait or Refuse", c.Full))
	}
	switch {
	case c.Queue == 0 && c.Limit == 0:
		c.Queue = 1024
	case c.Queue == 0:
		c.Queue = 64 * c.Limit
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
	c.Burst = max(c.Burst, 1)
	return c
}

// checkRate says what is wrong with a rate.
func checkRate(rate float64) error {
	if rate >= 0 && !math.IsInf(rate, 1) {
		return nil
	}
	return fmt.Errorf("is %v: it must be a positive number of calls a second, or 0 for no limit", rate)
}
