package asyncio

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

var ownGroup *syscall.SysProcAttr

// signalGroup kills the process itself. Any other signal is not supported.
func (p *Process) signalGroup(sig syscall.Signal) error {
	if sig != syscall.SIGKILL {
		return errors.ErrUnsupported
	}
	return p.cmd.Process.Kill()
}

// brokenPipe reports whether a write failed because nobody reads.
func brokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, windows.ERROR_BROKEN_PIPE) || errors.Is(err, windows.ERROR_NO_DATA)
}
