//go:build unix && !solaris && !aix

package record

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

// lock takes the lock of a file that is being written, for as long as it is open.
func lock(f *os.File) error {
	const tries = 100 // who only looks whether it is locked holds the lock for a moment
	var err error
	for range tries {
		if err = flock(f, syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		runtime.Gosched()
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return errBusy
	case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS):
		return nil // such as on some network file systems
	}
	return err
}

// locked reports whether a process writes the file at path. Known is false where locks do
// not tell.
func locked(path string) (yes, known bool) {
	f, err := os.Open(path)
	if err != nil {
		return false, false
	}
	defer f.Close()
	err = flock(f, syscall.LOCK_SH|syscall.LOCK_NB)
	return errors.Is(err, syscall.EWOULDBLOCK), err == nil || errors.Is(err, syscall.EWOULDBLOCK)
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			return err
		}
	}
}
