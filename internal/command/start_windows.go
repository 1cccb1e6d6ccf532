package command

import (
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// newNiceStart starts commands in the class of priority that comes closest.
func newNiceStart(nice int) (start startFunc, end func(), err error) {
	class := uint32(windows.BELOW_NORMAL_PRIORITY_CLASS)
	switch {
	case nice >= 15:
		class = windows.IDLE_PRIORITY_CLASS
	case nice < -10:
		class = windows.HIGH_PRIORITY_CLASS
	case nice < 0:
		class = windows.ABOVE_NORMAL_PRIORITY_CLASS
	}
	start = func(path string, args []string, attr *os.ProcAttr) (*os.Process, error) {
		with := *attr
		with.Sys = &syscall.SysProcAttr{CreationFlags: class}
		return os.StartProcess(path, args, &with)
	}
	return start, func() {}, nil
}
