//go:build unix

package multiprocessing

import (
	"os"
	"syscall"

	"github.com/go-braid/braid/internal/wire"
	"golang.org/x/sys/unix"
)

// newStream makes a stream and adds the worker's end to l.
func (l *links) newStream(limit int64) (*wire.Stream, error) {
	// Nothing is started in between, which would inherit them.
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "link")
	s, err := openStream(fds[0], limit)
	if err != nil {
		_ = theirs.Close()
		return nil, err
	}
	l.child = append(l.child, theirs)
	return s, nil
}

// openStream makes a stream of a socket, which is the stream's from now on.
func openStream(fd int, limit int64) (*wire.Stream, error) {
	s, err := wire.NewSocket(fd)
	if err != nil {
		return nil, err
	}
	return wire.NewStream(s, limit), nil
}
