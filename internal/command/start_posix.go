//go:build unix && !linux

package command

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newNiceStart changes the niceness of each command when it has started.
func newNiceStart(nice int) (start startFunc, end func(), err error) {
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("commands cannot have a niceness of %+d: %w", nice, err)
	}
	level := max(-20, min(now+nice, 20))
	if nice < 0 && os.Geteuid() != 0 {
		return nil, nil, fmt.Errorf("commands cannot have a niceness of %+d: %w", nice, unix.EACCES)
	}
	start = func(path string, args []string, attr *os.ProcAttr) (*os.Process, error) {
		proc, err := os.StartProcess(path, args, attr)
		if err == nil {
			// Its group, for it may have started others already. It may be gone.
			_ = unix.Setpriority(unix.PRIO_PGRP, proc.Pid, level)
		}
		return proc, err
	}
	return start, func() {}, nil
}
