//go:build unix

package command

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// sysProcAttr gives a command a process group of its own, with its number.
var sysProcAttr = &syscall.SysProcAttr{Setpgid: true}

// signalGroup sends sig to all of the group of proc.
func signalGroup(proc *os.Process, sig syscall.Signal) error {
	return unix.Kill(-proc.Pid, sig)
}

func exitStatus(state *os.ProcessState) (code int, signal string) {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return -1, signalName(ws.Signal())
	}
	return state.ExitCode(), ""
}

func maxRSS(state *os.ProcessState) int64 {
	if ru, ok := state.SysUsage().(*syscall.Rusage); ok {
		if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
			return int64(ru.Maxrss) // Apple counts bytes, all others KiB
		}
		return int64(ru.Maxrss) << 10
	}
	return 0
}

// signalName returns the name of a signal, such as "SIGTERM", or "signal 40" if
// it has none.
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return sig.String()
}

func signalByName(name string) syscall.Signal { return unix.SignalNum(name) }
