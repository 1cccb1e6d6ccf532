package tasks

import "golang.org/x/sys/windows"

// How the system's sockets say it.
const (
	connRefused     = windows.WSAECONNREFUSED
	connReset       = windows.WSAECONNRESET
	hostUnreachable = windows.WSAEHOSTUNREACH
	netUnreachable  = windows.WSAENETUNREACH
)
