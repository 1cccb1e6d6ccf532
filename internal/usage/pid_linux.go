package usage

import (
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// timeOfPID reads the processor time clock of a process, whose number the kernel makes
// from the process's: see clock_getcpuclockid(3), and CPUCLOCK_SCHED in the kernel's
// posix-timers_types.h.
func timeOfPID(pid int) (time.Duration, bool) {
	const sched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|sched, &t); err != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}

func peakOfPID(pid int) (int64, bool) { return peakOf(strconv.Itoa(pid)) }

func resetPeakOfPID(pid int) error { return resetPeakOf(strconv.Itoa(pid)) }
