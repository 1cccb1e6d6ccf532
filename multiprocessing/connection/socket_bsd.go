//go:build unix && !linux

package connection

import (
	"context"
	"errors"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

const socketNetwork = "unix"

const (
	errInUse   = unix.EADDRINUSE
	errRefused = unix.ECONNREFUSED
)

var umask sync.Mutex

// bindSocket makes a socket. Its mode must be right from the start, and the system knows
// no other way than the mask of the process: what others make in this moment has no
// more rights than it should have, but may have less.
func bindSocket(ctx context.Context, path string) (net.Listener, error) {
	umask.Lock()
	defer umask.Unlock()
	old := unix.Umask(0o177)
	defer unix.Umask(old)
	var lc net.ListenConfig
	return lc.Listen(ctx, socketNetwork, path)
}

// isPassing reports whether Accept may work again after err.
func isPassing(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isPeerGone reports whether err says that nobody has the other end any more.
func isPeerGone(err error) bool {
	return errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNREFUSED)
}
