//go:build unix

package multiprocessing

import (
	"io"
	"os"
	"syscall"
	"time"
)

// readRest reads what is in a pipe already, and does not wait for more.
func readRest(r *os.File, b []byte) (n int, err error) {
	_ = r.SetReadDeadline(time.Time{})
	c, err := r.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := c.Read(func(fd uintptr) bool {
		for {
			if n, err = syscall.Read(int(fd), b); err != syscall.EINTR {
				return true
			}
		}
	})
	switch {
	case cerr != nil:
		return 0, cerr
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}
