package spawn

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const rssUnit = 1 << 10 // Linux counts in KiB

// executable is a path that leads to the program that runs even if its file was
// replaced or removed.
func executable() (string, error) { return "/proc/self/exe", nil }

func attributes([]*os.File) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// starts are the processes to be started.
var (
	spawner sync.Once
	starts  chan startRequest
)

type startRequest struct {
	cmd *exec.Cmd
	err chan error
}

// OnParentDeath has f called when the parent, whose number is given, is dead, instead of
// having this process, which was started by [Start], killed at once: a process that is
// killed cannot take along what it has started, as [KillFamily] does. The death wakes a
// process that is stopped. It is looked for once a second, so that it is noticed by
// processes, too, that have closed the descriptors which would tell: a signal that is
// caught would cost three threads. What is changed is a property of the main thread, on
// which packages are initialised, and the caller must be. If that fails all is as before.
func OnParentDeath(parent int, f func()) {
	if unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGCONT), 0, 0, 0) != nil {
		return
	}
	var look func()
	look = func() {
		if os.Getppid() != parent {
			f()
			return
		}
		time.AfterFunc(time.Second, look)
	}
	look()
}

// KillFamily kills this process, its group, which must be its own, and its descendants
// that have left it.
func KillFamily() {
	descendants(os.Getpid()).kill()
	_ = unix.Kill(-os.Getpid(), unix.SIGKILL)
}

// start has one goroutine, which keeps its thread for ever, start the process: the
// death signal is sent when the thread ends that has started it, not the process
// (golang/go#27505).
func start(cmd *exec.Cmd) error {
	spawner.Do(func() {
		starts = make(chan startRequest)
		go Spawner()
	})
	r := startRequest{cmd: cmd, err: make(chan error, 1)}
	starts <- r
	return <-r.err
}

// Spawner is the goroutine that starts processes. It has a name for those who count
// goroutines: it is started once and never ends.
func Spawner() {
	runtime.LockOSThread()
	for r := range starts {
		r.err <- r.cmd.Start()
	}
}

// Stopped reports whether the process is stopped by a signal.
func (p *Process) Stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return false
	}
	state, _, _, ok := readStat(p.cmd.Process.Pid)
	return ok && (state == 'T' || state == 't')
}

// readStat reads of /proc/PID/stat the state, the parent and the group.
func readStat(pid int) (state byte, ppid, pgrp int, ok bool) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, 0, 0, false
	}
	// pid (name) state ppid pgrp …, where the name may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return 0, 0, 0, false
	}
	ppid, err1 := strconv.Atoi(string(fields[1]))
	pgrp, err2 := strconv.Atoi(string(fields[2]))
	return fields[0][0], ppid, pgrp, err1 == nil && err2 == nil
}

// strays are processes, held by pidfds so that their numbers cannot become another's
// unnoticed.
type strays []int

// descendants returns the descendants of pid that are not in its group.
func descendants(pid int) strays {
	names, err := readNames("/proc")
	if err != nil {
		return nil
	}
	children := make(map[int][]int)
	group := make(map[int]int)
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			if _, ppid, pgrp, ok := readStat(n); ok {
				children[ppid] = append(children[ppid], n)
				group[n] = pgrp
			}
		}
	}
	var fds strays
	family := []int{pid}
	for len(family) > 0 {
		parent := family[0]
		family = append(family[1:], children[parent]...)
		if parent == pid || group[parent] == pid {
			continue
		}
		fd, err := unix.PidfdOpen(parent, 0)
		if err != nil {
			continue
		}
		// It may have been replaced since it was listed.
		if _, _, pgrp, ok := readStat(parent); !ok || pgrp != group[parent] {
			_ = unix.Close(fd)
			continue
		}
		fds = append(fds, fd)
	}
	return fds
}

// with returns those of both.
func (fds strays) with(more strays) strays { return append(fds, more...) }

func (fds strays) kill() {
	for _, fd := range fds {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		_ = unix.Close(fd)
	}
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// CloseForeign closes the descriptors from 3 on that this process has inherited, except
// those listed. Go opens its own with close-on-exec, which is how they are told apart.
// It is for the first moments of a process.
func CloseForeign(keep []uintptr) {
	names, err := readNames("/proc/self/fd")
	if err != nil {
		return
	}
next:
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd < 3 {
			continue
		}
		for _, k := range keep {
			if uintptr(fd) == k {
				continue next
			}
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			_ = unix.Close(fd)
		}
	}
}
