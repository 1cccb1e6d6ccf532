package command

import (
	"os"

	"golang.org/x/sys/unix"
)

// sendFile copies what src holds between two offsets to dst in the kernel, as far
// as it goes, and returns the offset that it came to. It gives src's offset
// explicitly: the one in the descriptor is shared with all processes that write to
// src.
func sendFile(dst, src *os.File, off, end int64) int64 {
	out, err := dst.SyscallConn()
	if err != nil {
		return off
	}
	in, err := src.SyscallConn()
	if err != nil {
		return off
	}
	send := func(from, to uintptr) (wait bool) {
		for off < end {
			n, err := unix.Sendfile(int(to), int(from), &off, int(min(end-off, 1<<30)))
			switch {
			case err == unix.EINTR:
			case err == unix.EAGAIN:
				return true
			case err != nil || n == 0:
				return false // dst is of a kind that cannot, or has an error to be seen by Write
			}
		}
		return false
	}
	in.Control(func(from uintptr) {
		out.Write(func(to uintptr) bool { return !send(from, to) })
	})
	return off
}
