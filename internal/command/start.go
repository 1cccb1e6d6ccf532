package command

import "os"

// A startFunc starts a process, as os.StartProcess does.
type startFunc func(path string, args []string, attr *os.ProcAttr) (*os.Process, error)

// newStart returns how the commands of a Runner are started with a niceness that
// differs by nice from that of this process, and what to do when the last one has
// been.
func newStart(nice int) (start startFunc, end func(), err error) {
	if nice == 0 {
		return os.StartProcess, func() {}, nil
	}
	return newNiceStart(nice)
}
