//go:build unix

package spawn

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

func setFiles(cmd *exec.Cmd, files []*os.File) { cmd.ExtraFiles = files }

func (p *Process) signalGroup(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return p.cmd.Process.Signal(sig)
	}
	err := unix.Kill(-p.cmd.Process.Pid, s)
	if err == unix.ESRCH { // it has gone to another group
		return p.cmd.Process.Signal(sig)
	}
	return os.NewSyscallError("kill", err)
}

// killGroup needs p.mu, and a process that is not reaped.
func (p *Process) killGroup() { _ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL) }

func stateOf(ps *os.ProcessState) State {
	st := State{ExitCode: ps.ExitCode(), UserTime: ps.UserTime(), SystemTime: ps.SystemTime()}
	if ws, ok := ps.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		st.Signal, st.SignalNumber = unix.SignalName(ws.Signal()), int(ws.Signal())
	}
	if ru, ok := ps.SysUsage().(*syscall.Rusage); ok {
		st.MaxRSS = int64(ru.Maxrss) * rssUnit
	}
	return st
}
