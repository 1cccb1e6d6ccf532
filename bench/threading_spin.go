package main

import (
	"math"
	"runtime"
	"sync"
	"time"
)

// spin computes for so many steps and returns a number that depends on all of
// them, and on its seed: no compiler can leave it out, and a caller can check it.
func spin(seed uint64, steps int) uint64 {
	x := seed | 1
	for range steps {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// stepsPerMicrosecond is how many steps of spin this machine does in a
// microsecond. It is measured once, so that all candidates of all cases do the
// same work: the fastest of many tries, since whatever disturbs one makes it slower.
var stepsPerMicrosecond = sync.OnceValue(func() float64 {
	const steps = 100_000
	best := time.Duration(math.MaxInt64)
	for i := range 200 {
		began := time.Now()
		runtime.KeepAlive(spin(uint64(i), steps)) // it is not left out
		best = min(best, time.Since(began))
	}
	return steps / (float64(best) / float64(time.Microsecond))
})

// stepsFor returns the steps of spin that take d.
func stepsFor(d time.Duration) int {
	return max(1, int(math.Round(stepsPerMicrosecond()*float64(d)/float64(time.Microsecond))))
}
