package tasks

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestGzipOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a file system of 64 KiB is needed: %v", err)
		}
		t.Skipf("SKIPPED: cannot mount a file system of 64 KiB: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err) // a file is still open
		}
	}()
	workIn(t, map[string]string{"a": string(random(rand.New(rand.NewPCG(1, 2)), 1<<20, "0123456789abcdef"))})
	_, err := run(t.Context(), Gzip, GzipInput{Path: "a", Out: dir})
	wantFileError(t, err, filepath.Join(dir, "a.gz"), syscall.ENOSPC, "free some space on the file system of "+dir)
	if got := list(t, dir); got != "" {
		t.Errorf("left behind: %s", got)
	}
}
