//go:build unix && !linux

package spawn

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// rssUnit is what the largest memory is counted in.
var rssUnit int64 = map[bool]int64{true: 1, false: 1 << 10}[runtime.GOOS == "darwin"]

func executable() (string, error) { return os.Executable() }

func attributes([]*os.File) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func start(cmd *exec.Cmd) error { return cmd.Start() }

// OnParentDeath does nothing here: nobody is told of the death of a parent.
func OnParentDeath(int, func()) {}

// KillFamily kills this process and its group, which must be its own.
func KillFamily() { _ = unix.Kill(-os.Getpid(), unix.SIGKILL) }

// Stopped reports whether the process is stopped by a signal, which cannot be known
// here.
func (p *Process) Stopped() bool { return false }

type strays struct{}

func descendants(int) strays      { return strays{} }
func (strays) with(strays) strays { return strays{} }
func (strays) kill()              {}

// CloseForeign does nothing here.
func CloseForeign([]uintptr) {}
