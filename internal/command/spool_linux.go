package command

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// newSpoolFile returns an empty file in dir that has no name. What is written
// to it goes to its end, whoever else has it open.
func newSpoolFile(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil && noTmpfile(err) {
		return newUnlinkedFile(dir)
	}
	return f, err
}

// noTmpfile reports whether err is how a file system without O_TMPFILE, or a
// kernel without it, refuses. A directory that does not exist looks the same to
// some kernels; the other way will say so.
func noTmpfile(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) ||
		errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT)
}

// openWriter returns the end of a spool file for a command. It is opened anew,
// and not duplicated, so that exclusive can tell whether anybody has it still.
// Without /proc it is the file itself.
//
// It is not opened by package os, which would make it known to the runtime's poller,
// find that it cannot be, and take six system calls for that.
func openWriter(f *os.File) (*os.File, error) {
	path := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	for {
		switch fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0); err {
		case nil:
			return os.NewFile(uintptr(fd), path), nil
		case unix.EINTR:
		case unix.ENOENT, unix.ENOTDIR:
			return f, nil
		default:
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// exclusive reports whether f is all by which its file is open for writing. The
// kernel grants a write lease then and only then.
func exclusive(f *os.File) bool { return lease(f) == nil }

// shared reports whether somebody else has the file of f open for writing, and
// whether that can be known: not all file systems have leases.
func shared(f *os.File) (held, known bool) {
	err := lease(f)
	return err == unix.EAGAIN, err == nil || err == unix.EAGAIN
}

// lease takes a write lease of f, and gives it back.
func lease(f *os.File) error {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return err
}
