//go:build linux || darwin || freebsd

package cli

import "golang.org/x/sys/unix"

// freeSpace returns how many bytes this user can write to the file system of dir.
func freeSpace(dir string) (int64, bool) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
