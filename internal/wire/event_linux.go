package wire

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// newEvent makes an eventfd: the end that this process waits on, in Go's poller, and one
// for another process to signal.
func newEvent() (mine, theirs *os.File, err error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, nil, os.NewSyscallError("eventfd", err)
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(fd)
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), "event"), os.NewFile(uintptr(dup), "event"), nil
}

// awaitEvent waits for a signal.
func awaitEvent(f *os.File) error {
	var b [8]byte
	_, err := f.Read(b[:])
	if errors.Is(err, os.ErrClosed) {
		return ErrClosed
	}
	return err
}

// signalEvent signals. It never blocks: the count does not get that far.
func signalEvent(f *os.File) {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], 1)
	c, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = c.Control(func(fd uintptr) { _, _ = unix.Write(int(fd), b[:]) })
}
