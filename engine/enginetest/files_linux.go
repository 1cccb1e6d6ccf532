package enginetest

import "os"

// openFiles returns the number of descriptors that the process has open.
func openFiles() int {
	// The runtime opens descriptors of its own with the first pollable file of
	// the process. That is to happen before anything is counted.
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(fds)
}
