//go:build linux || darwin || freebsd || openbsd || dragonfly

package tasks

import (
	"time"

	"golang.org/x/sys/unix"
)

func threadTime() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0, err
	}
	return time.Duration(t.Nano()), nil
}
