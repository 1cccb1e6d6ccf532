package procgroup

import (
	"os"

	"golang.org/x/sys/unix"
)

// AwaitExit waits for the end of a child and leaves it unreaped, or returns false at
// once where it cannot: its number stays taken until it is reaped. It waits in the
// runtime's poller for the child's pidfd, and so holds no thread. Where there are no
// pidfds, or they are forbidden, it holds one.
func AwaitExit(pid int) bool {
	return awaitPidfd(pid) || ignoringEINTR(func() error {
		return unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	}) == nil
}

func awaitPidfd(pid int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return false
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	// A pidfd can be read when the process has ended, as poll and epoll say.
	ended := false
	err = conn.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		err := ignoringEINTR(func() error {
			_, err := unix.Poll(fds, 0)
			return err
		})
		ended = err == nil && fds[0].Revents&unix.POLLIN != 0
		return ended || err != nil
	})
	return err == nil && ended
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
