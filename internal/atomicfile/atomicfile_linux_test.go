package atomicfile

import (
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/go-braid/braid/internal/proctest"
)

func TestFullDisk(t *testing.T) {
	proctest.Check(t)
	dir := proctest.Tmpfs(t, "size=1m")
	path := filepath.Join(dir, "file")
	put(t, path, "old", 0o600)
	f := mustCreate(t, path, 0o644)
	n, err := f.Write(make([]byte, 2<<20))
	if n >= 2<<20 {
		t.Errorf("Write = %d", n)
	}
	wantError(t, err, syscall.ENOSPC, path, "free some space on the file system of "+dir)
	// A caller that did not look at that is told again, and gets no part of it.
	if _, err := f.Write([]byte("x")); err != f.err {
		t.Errorf("the second Write: %v", err)
	}
	wantError(t, f.Commit(), syscall.ENOSPC, path)
	wantContent(t, path, "old")
	wantNames(t, dir, "file")
	// The room is back.
	f = mustCreate(t, path, 0o644)
	mustWrite(t, f, "new")
	mustCommit(t, f)
	wantContent(t, path, "new")
}

func TestNoRoomForFiles(t *testing.T) {
	proctest.Check(t)
	dir := proctest.Tmpfs(t, "nr_inodes=2")
	put(t, filepath.Join(dir, "other"), "", 0o600)
	path := filepath.Join(dir, "file")
	_, err := Create(path, 0o644)
	wantError(t, err, syscall.ENOSPC, path, "free some space on the file system of "+dir)
}

func TestReadOnlyFileSystem(t *testing.T) {
	proctest.Check(t)
	dir := proctest.Tmpfs(t, "")
	path := filepath.Join(dir, "file")
	put(t, path, "old", 0o600)
	f := mustCreate(t, path, 0o644)
	mustWrite(t, f, "new")
	f.Abort()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := Create(path, 0o644)
	wantError(t, err, syscall.EROFS, path, "choose a directory other than "+dir)
	wantContent(t, path, "old")
}

// The other way: a file with a temporary name from the start, as on file
// systems that know no other.
func TestNamedFile(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, commit := range []bool{true, false} {
		g, temp, err := createNamed(dir, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		f := &File{file: g, target: path, temp: temp}
		mustWrite(t, f, "content")
		if !commit {
			f.Abort()
		} else if err := f.CommitSync(); err != nil {
			t.Fatal(err)
		}
		wantContent(t, path, "content")
		wantNames(t, dir, "file")
	}
}
