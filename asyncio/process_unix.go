//go:build unix

package asyncio

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup gives a process a group of its own, with its number.
var ownGroup = &syscall.SysProcAttr{Setpgid: true}

// signalGroup sends sig to all of the process's group. It needs p.mu, and a process
// that is not reaped.
func (p *Process) signalGroup(sig syscall.Signal) error {
	err := unix.Kill(-p.PID(), sig)
	if err == unix.ESRCH { // it has gone to another group
		return p.cmd.Process.Signal(sig)
	}
	return os.NewSyscallError("kill", err)
}

// brokenPipe reports whether a write failed because nobody reads.
func brokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
