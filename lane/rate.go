package lane

import (
	"math"
	"time"
)

// A bucket is a rate with a burst, as a pure state machine: whoever uses it tells it
// the time, which is counted from some beginning.
//
// It is the generic cell rate algorithm of ITU-T I.371, which lets the same through
// as a token bucket, but needs to know one time only: when the next call would be due
// if all had come evenly. A call may come earlier than that by burst-1 intervals.
type bucket struct {
	interval float64 // nanoseconds; 0: there is no limit
	burst    int
	due      float64
}

func newBucket(rate float64, burst int) bucket {
	b := bucket{burst: burst}
	b.setRate(0, rate)
	return b
}

// setRate changes the rate. The tokens that are in the bucket, or are owed to it, stay
// as many as they were.
func (b *bucket) setRate(now time.Duration, rate float64) {
	old := b.interval
	b.interval = 0
	if rate > 0 {
		b.interval = min(1e9/rate, math.MaxInt64)
	}
	if ahead := b.due - float64(now); ahead > 0 && old > 0 {
		b.due = float64(now) + ahead/old*b.interval
	}
}

// wait returns how long the next call has to wait.
func (b *bucket) wait(now time.Duration) time.Duration {
	if b.interval == 0 {
		return 0
	}
	early := b.due - float64(now) - float64(b.burst-1)*b.interval
	if early < noise {
		return 0
	}
	if early >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(math.Ceil(early))
}

// take lets a call through that need not wait.
func (b *bucket) take(now time.Duration) {
	if late := float64(now) - b.due; late >= 1-noise {
		b.due = float64(now)
	} // else it is late because the clock has no fractions, and the rate must not suffer
	b.due += b.interval
}

// noise is a time that is there only because floating-point numbers are not exact.
const noise = 1e-3
