package limits

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// rlimitData bounds private writable memory. The address space is no use: Go reserves
// far more of it than it uses.
const rlimitData = unix.RLIMIT_DATA

func supported(string) bool { return true }

// renice adds n to the niceness of every thread: on Linux each has its own.
func renice(n int) error {
	names, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, e := range names {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		kernel, err := unix.Getpriority(unix.PRIO_PROCESS, tid) // 20 minus the niceness
		if err != nil {
			continue
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, tid, min(20-kernel+n, 19)); err != nil {
			return err
		}
	}
	return nil
}

// platform keeps the process, and all that it starts, from getting more rights.
func platform() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }
