package multiprocessing_test

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

func dup2(from, to int) error { return unix.Dup3(from, to, 0) }

// stopSelf stops this process, at this very point.
func stopSelf() {
	// A signal for the process would be taken by any thread, which has to stop this one.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
}
