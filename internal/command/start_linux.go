package command

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// newNiceStart makes a thread of that niceness, which starts the commands: they
// have it from their first instruction, and so does all that they start. Niceness
// is a property of threads on Linux.
func newNiceStart(nice int) (start startFunc, end func(), err error) {
	requests := make(chan func())
	ready := make(chan error, 1)
	go onThread(func() {
		ready <- setNice(nice)
		for f := range requests {
			f()
		}
	})
	end = func() { close(requests) }
	if err := <-ready; err != nil {
		end()
		return nil, nil, err
	}
	start = func(path string, args []string, attr *os.ProcAttr) (proc *os.Process, err error) {
		done := make(chan struct{})
		requests <- func() {
			defer close(done)
			proc, err = os.StartProcess(path, args, attr)
		}
		<-done
		return proc, err
	}
	return start, end, nil
}

// onThread calls f on a thread that nobody else uses before or after. It is not the
// main thread, which cannot end, and whose niceness is that of the process for those
// who look.
func onThread(f func()) {
	runtime.LockOSThread() // for good: the thread ends with this goroutine
	if unix.Gettid() != unix.Getpid() {
		f()
		return
	}
	begun := make(chan struct{})
	go onThread(func() {
		close(begun)
		f()
	})
	<-begun // with the main thread held, so that it was another's turn
	runtime.UnlockOSThread()
}

// setNice adds nice to the niceness of this thread.
func setNice(nice int) error {
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err == nil {
		// The system call returns 20 minus the niceness, which is never negative.
		err = unix.Setpriority(unix.PRIO_PROCESS, 0, max(-20, min(20-now+nice, 19)))
	}
	if err != nil {
		return fmt.Errorf("commands cannot have a niceness of %+d: %w", nice, err)
	}
	return nil
}
