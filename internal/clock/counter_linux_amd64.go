package clock

import (
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// count reads the time-stamp counter of the processor. It does not wait for what stands
// before it: it may be read some ten nanoseconds early.
//
//go:noescape
func count() uint64

// source is where Linux says what it reads the time from. It takes the time-stamp counters
// only if they have one steady rate and agree, and watches them.
const source = "/sys/devices/system/clocksource/clocksource0/current_clocksource"

// steady reports whether the counter can be taken for a clock, and both can be read at nearly
// the same time.
var steady = sync.OnceValue(func() bool {
	name, err := os.ReadFile(source)
	_, ok := closest()
	return err == nil && strings.TrimSpace(string(name)) == "tsc" && system() > 0 && ok
})

// system reads the clock that package time reads, but by a system call, so that it is the
// same one in a bubble. It is 0 if that is not allowed.
func system() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// begin reads both clocks at the same time, or nearly so.
func begin() (epoch time.Time, origin time.Duration) {
	best := time.Duration(1<<63 - 1)
	for range 5 {
		before := system()
		now := time.Now()
		took := system() - before
		if took < best {
			best, epoch, origin = took, now, before+took/2
		}
		if took < time.Microsecond {
			break
		}
	}
	return epoch, origin
}
