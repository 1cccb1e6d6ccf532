//go:build unix && !linux

package spawn

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// rssUnit is what the largest memory is counted in.
var rssUnit int64 = map[bool]int64{true: 1, false: 1 << 10}[runtime.GOOS == "darwin"]

func executable() (string, error) { return os.Executable() }

func attributes([]*os.File) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func start(cmd *exec.Cmd) error { return cmd.Start() }

// Stopped reports whether the process is stopped by a signal, which cannot be known
// here.
func (p *Process) Stopped() bool { return false }

type strays struct{}

func descendants(int) strays      { return strays{} }
func (strays) with(strays) strays { return strays{} }
func (strays) kill()              {}

// CloseForeign does nothing here.
func CloseForeign([]uintptr) {}
