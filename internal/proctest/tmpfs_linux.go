package proctest

import (
	"syscall"
	"testing"
)

// Tmpfs returns a directory that is a tmpfs with the given mount options, such as
// "size=1m", until the test ends. It skips the test where that is not allowed,
// except under CI, where it fails it.
func Tmpfs(t testing.TB, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		Skip(t, "a full disk, as no tmpfs can be mounted: %v (run the test as root)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("something is still open in %s: %v", dir, err)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		}
	})
	return dir
}
