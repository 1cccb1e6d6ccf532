package strand

import (
	"sync/atomic"
	"time"
)

// anchor is a time that was read from both clocks of the system not long ago.
var anchor atomic.Pointer[time.Time]

// now is time.Now at half its cost: it reads the monotonic clock alone, and adds what has
// gone by to the anchor. The wall clock is read once a second, since it may be set.
//
// In a bubble of testing/synctest time is another one, which is decades away from the
// anchor, or before it.
func now() time.Time {
	if a := anchor.Load(); a != nil {
		if d := time.Since(*a); d >= 0 && d < time.Second {
			return a.Add(d)
		}
	}
	t := time.Now()
	anchor.Store(&t)
	return t
}
