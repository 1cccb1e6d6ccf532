package asyncio

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The descriptors of a loop never block, so that these calls do not tell the
// runtime, which would else prepare for it each time.

// The most that one call may be asked to copy, since nothing interrupts it.
const maxRaw = 1 << 20

func sysRead(fd int, p []byte) (int, error) {
	p = p[:min(len(p), maxRaw)]
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func sysWrite(fd int, p []byte) (int, error) {
	p = p[:min(len(p), maxRaw)]
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func sysAccept(fd int) (int, unix.Sockaddr, error) {
	return unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}

func sysSocket(family, kind int) (int, error) {
	return unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

// keepAliveIdle is the option that says after which idle time probes are sent.
const keepAliveIdle = unix.TCP_KEEPIDLE

// sysSendFile sends up to n bytes from where the file is. It may block as reading
// the file may, so the runtime is told.
func sysSendFile(fd, file, n int) (int, error) { return unix.Sendfile(fd, file, nil, n) }
