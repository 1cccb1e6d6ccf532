package robust

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// isGone reports whether there is no process of that number, where looking for it in
// /proc has failed: it need not show the processes of others.
func isGone(pid int, err error) bool {
	return (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)) && unix.Kill(pid, 0) == unix.ESRCH
}
