//go:build unix && !linux

package limits

import "golang.org/x/sys/unix"

const rlimitData = unix.RLIMIT_DATA

// supported: these systems accept a limit of data and do not enforce it on mappings.
func supported(name string) bool { return name != "memory" }

func renice(n int) error {
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, min(now+n, 20))
}

func platform() error { return nil }
