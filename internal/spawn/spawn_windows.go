package spawn

import (
	"os"
	"os/exec"
	"syscall"
)

func executable() (string, error) { return os.Executable() }

// attributes has the files inherited under the numbers that they have.
func attributes(files []*os.File) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{}
	for _, f := range files {
		h := syscall.Handle(f.Fd())
		_ = syscall.SetHandleInformation(h, syscall.HANDLE_FLAG_INHERIT, syscall.HANDLE_FLAG_INHERIT)
		a.AdditionalInheritedHandles = append(a.AdditionalInheritedHandles, h)
	}
	return a
}

func setFiles(*exec.Cmd, []*os.File) {}

func start(cmd *exec.Cmd) error { return cmd.Start() }

// OnParentDeath does nothing here: nobody is told of the death of a parent.
func OnParentDeath(int, func()) {}

// KillFamily does nothing here: there are no groups.
func KillFamily() {}

// Stopped reports whether the process is stopped by a signal, which there is not here.
func (p *Process) Stopped() bool { return false }

func (p *Process) signalGroup(sig os.Signal) error {
	return p.cmd.Process.Kill() // there is nothing softer
}

func (p *Process) killGroup() {}

func stateOf(ps *os.ProcessState) State {
	return State{ExitCode: ps.ExitCode(), UserTime: ps.UserTime(), SystemTime: ps.SystemTime()}
}

type strays struct{}

func descendants(int) strays      { return strays{} }
func (strays) with(strays) strays { return strays{} }
func (strays) kill()              {}

// CloseForeign does nothing here.
func CloseForeign([]uintptr) {}
