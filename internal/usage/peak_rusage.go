//go:build unix && !linux

package usage

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

func peak() (int64, bool) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil || r.Maxrss <= 0 {
		return 0, false // Solaris leaves the field at 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(r.Maxrss), true // in bytes
	}
	return int64(r.Maxrss) << 10, true
}

func resetPeak() error { return errors.New("the system has no means for it") }
