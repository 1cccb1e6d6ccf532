package connection

import (
	"context"
	"errors"
	"net"

	"golang.org/x/sys/windows"
)

const socketNetwork = "unix"

const (
	errInUse   = windows.WSAEADDRINUSE
	errRefused = windows.WSAECONNREFUSED
)

// bindSocket makes a socket. Who may use it is up to the rights of its directory.
func bindSocket(ctx context.Context, path string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, socketNetwork, path)
}

// isPassing reports whether Accept may work again after err.
func isPassing(err error) bool {
	for _, e := range []error{windows.WSAEMFILE, windows.WSAENOBUFS, windows.WSAECONNABORTED, windows.WSAECONNRESET} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isPeerGone reports whether err says that nobody has the other end any more.
func isPeerGone(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNABORTED) || errors.Is(err, windows.WSAESHUTDOWN)
}
