package command

import "golang.org/x/sys/unix"

// awaitExit waits for the end of a child and leaves it unreaped.
func awaitExit(pid int) bool {
	return ignoringEINTR(func() error {
		return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}) == nil
}
