//go:build unix

package multiprocessing

import (
	"fmt"
	"net"
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
	s, err := openStream(os.NewFile(uintptr(fds[0]), "link"), limit)
	if err != nil {
		_ = theirs.Close()
		return nil, err
	}
	l.child = append(l.child, theirs)
	return s, nil
}

// openStream makes a stream of a socket, and closes f.
func openStream(f *os.File, limit int64) (*wire.Stream, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("descriptor %s is not a Unix socket", f.Name())
	}
	return wire.NewStream(u, limit), nil
}
