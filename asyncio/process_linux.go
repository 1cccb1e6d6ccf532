package asyncio

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// awaitExit waits for the end of a child and leaves it unreaped. It waits in the
// runtime's poller for the child's pidfd, and so holds no thread. Where there are no
// pidfds, or they are forbidden, it holds one.
func awaitExit(pid int) bool {
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

// A group is a process group whose leader has ended and is not reaped. The leader
// cannot be told from a living process by kill(2), so the group is looked up in
// /proc.
type group struct {
	id    int
	known []int // members when last seen
}

// alive reports whether a member of the group is alive. It searches all processes
// only when none of those that it knows is left. Where /proc cannot be read, it says
// yes, and the group gets the whole of its time.
func (g *group) alive() bool {
	for _, pid := range g.known {
		if inGroup(pid, g.id) {
			return true
		}
	}
	g.known = g.known[:0]
	dir, err := os.Open("/proc")
	if err != nil {
		return true
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return true
	}
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && inGroup(pid, g.id) {
			g.known = append(g.known, pid)
		}
	}
	return len(g.known) > 0
}

// inGroup reports whether the process pid is alive and in the group id.
func inGroup(pid, id int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	// pid (name) state ppid pgrp …, where the name may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return false
	}
	state, pgrp := fields[0][0], string(fields[2])
	return pgrp == strconv.Itoa(id) && state != 'Z' && state != 'X'
}
