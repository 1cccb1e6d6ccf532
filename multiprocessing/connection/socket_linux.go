package connection

import (
	"context"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketNetwork is that of sockets that keep messages apart.
const socketNetwork = "unixpacket"

const (
	errInUse   = unix.EADDRINUSE
	errRefused = unix.ECONNREFUSED
)

// bindSocket makes a socket. On Linux its file takes over the mode that the socket has,
// so that there is no moment at which others could connect.
func bindSocket(ctx context.Context, path string) (net.Listener, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var merr error
		if err := c.Control(func(fd uintptr) { merr = unix.Fchmod(int(fd), 0o600) }); err != nil {
			return err
		}
		return merr
	}}
	return lc.Listen(ctx, socketNetwork, path)
}

// isPassing reports whether Accept may work again after err.
func isPassing(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.EPERM, unix.EPROTO} {
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
