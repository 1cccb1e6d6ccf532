package enginetest

import (
	"os"
	"time"
)

// openFiles returns the number of descriptors that the process has open.
func openFiles() int {
	// The runtime opens descriptors of its own with the first timer or pollable
	// file of the process. That is to happen before anything is counted.
	time.AfterFunc(time.Hour, func() {}).Stop()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(fds)
}
