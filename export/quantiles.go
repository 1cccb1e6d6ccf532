package export

import (
	"math"
	"math/bits"
	"time"
)

// quantiles tell how durations are spread, to a part in 64, in memory that does not grow
// with their number: durations are counted by their first seven binary digits.
type quantiles struct {
	counts   [64 * 64]uint64
	n        uint64
	min, max time.Duration
}

func (q *quantiles) add(d time.Duration) {
	d = max(d, 0)
	if q.n == 0 || d < q.min {
		q.min = d
	}
	q.max = max(q.max, d)
	q.n++
	q.counts[bucket(µs(d))]++
}

// bucket returns where a number is counted: below 128 each has a bucket of its own, and
// from there on each power of two has 64.
func bucket(n int64) int {
	if n < 128 {
		return int(n)
	}
	shift := bits.Len64(uint64(n)) - 7
	return shift*64 + int(n>>shift)
}

// lowest returns the lowest number of a bucket.
func lowest(bucket int) int64 {
	if bucket < 128 {
		return int64(bucket)
	}
	shift := bucket/64 - 1
	return int64(bucket-shift*64) << shift
}

// at returns the duration below which the part p lies.
func (q *quantiles) at(p float64) time.Duration {
	if q.n == 0 {
		return 0
	}
	rank := max(uint64(math.Ceil(p*float64(q.n))), 1)
	if rank >= q.n {
		return q.max
	}
	var seen uint64
	for b, c := range q.counts {
		if seen += c; seen >= rank {
			mid := (lowest(b) + lowest(b+1) - 1) / 2
			return min(max(time.Duration(mid)*time.Microsecond, q.min), q.max)
		}
	}
	return q.max
}
