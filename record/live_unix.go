//go:build unix

package record

import (
	"errors"
	"syscall"
)

// lives reports whether there is a process with a number. It may be another one by now.
func lives(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
