package atomicfile

import (
	"errors"

	"golang.org/x/sys/windows"
)

// syncDir does nothing: NTFS keeps a journal of its directories, and a handle
// of one cannot be flushed.
func syncDir(string) error { return nil }

// isFull reports whether err says that there is no room, or none for this user.
func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) ||
		errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}
