//go:build !unix

package record

import "os"

// lives reports whether there is a process with a number. It may be another one by now.
func lives(pid int) bool {
	if pid <= 0 {
		return false
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	_ = p.Release()
	return true
}
