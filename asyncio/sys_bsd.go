//go:build darwin || freebsd

package asyncio

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The most that one call may be asked to copy.
const maxRaw = 1 << 20

func sysRead(fd int, p []byte) (int, error) {
	n, err := unix.Read(fd, p[:min(len(p), maxRaw)])
	return max(n, 0), err
}

func sysWrite(fd int, p []byte) (int, error) {
	n, err := unix.Write(fd, p[:min(len(p), maxRaw)])
	return max(n, 0), err
}

func sysAccept(fd int) (int, unix.Sockaddr, error) {
	// No process must be started before the descriptor is marked.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	conn, sa, err := unix.Accept(fd)
	if err != nil {
		return -1, nil, err
	}
	return conn, sa, adopt(conn)
}

func sysSocket(family, kind int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(family, kind, 0)
	if err != nil {
		return -1, err
	}
	return fd, adopt(fd)
}

// adopt makes fd one that does not block, is not passed on, and raises no signal when
// the peer is gone.
func adopt(fd int) error {
	unix.CloseOnExec(fd)
	err := unix.SetNonblock(fd, true)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NOSIGPIPE, 1)
	}
	if err != nil {
		unix.Close(fd)
	}
	return err
}

// sysSendFile says that the system's sendfile, which differs between these systems, is
// not used.
func sysSendFile(fd, file, n int) (int, error) { return 0, unix.ENOSYS }
