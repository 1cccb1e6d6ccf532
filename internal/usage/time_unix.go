//go:build unix

package usage

import (
	"time"

	"golang.org/x/sys/unix"
)

func processTime() (Usage, bool)  { return rusage(unix.RUSAGE_SELF) }
func childrenTime() (Usage, bool) { return rusage(unix.RUSAGE_CHILDREN) }

func rusage(who int) (Usage, bool) {
	var r unix.Rusage
	if err := unix.Getrusage(who, &r); err != nil {
		return Usage{}, false
	}
	return Usage{
		User:   time.Duration(r.Utime.Nano()),
		System: time.Duration(r.Stime.Nano()),
	}, true
}
