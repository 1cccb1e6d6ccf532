package atomicfile

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
)

func mustCreate(t *testing.T, path string, perm fs.FileMode) *File {
	t.Helper()
	f, err := Create(path, perm)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Abort)
	return f
}

func mustWrite(t *testing.T, f *File, s string) {
	t.Helper()
	if n, err := f.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("Write = %d, %v; want %d", n, err, len(s))
	}
}

func mustCommit(t *testing.T, f *File) {
	t.Helper()
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, content string, perm fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), perm); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, perm); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); string(got) != want || err != nil {
		t.Errorf("%s has %q, %v; want %q", path, got, err, want)
	}
}

// wantNames checks what is in a directory.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("in the directory: %q, want %q", got, want)
	}
}

func wantError(t *testing.T, err, want error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if want != nil && !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q, want %q in it", err, part)
		}
	}
}

func TestNewFile(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	f := mustCreate(t, path, 0o644)
	if f.Name() != path {
		t.Errorf("Name = %q, want %q", f.Name(), path)
	}
	mustWrite(t, f, "one ")
	mustWrite(t, f, "two")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before Commit: %v", err)
	}
	mustCommit(t, f)
	wantContent(t, path, "one two")
	wantNames(t, dir, "file")

	// There is no more to do.
	f.Abort()
	if _, err := f.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Write after Commit: %v", err)
	}
	if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Commit after Commit: %v", err)
	}
	wantContent(t, path, "one two")
}

func TestReplace(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	put(t, path, "old", 0o600)
	f := mustCreate(t, path, 0o644)
	mustWrite(t, f, "new")
	wantContent(t, path, "old")
	if err := f.CommitSync(); err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, "new")
	wantNames(t, dir, "file")
}

// The target comes into being between Create and Commit, or goes.
func TestTargetChangesMeanwhile(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	f := mustCreate(t, path, 0o644)
	mustWrite(t, f, "mine")
	put(t, path, "theirs", 0o600)
	mustCommit(t, f)
	wantContent(t, path, "mine")

	f = mustCreate(t, path, 0o644)
	mustWrite(t, f, "mine again")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, f)
	wantContent(t, path, "mine again")

	f = mustCreate(t, path, 0o644)
	os.Remove(path)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err == nil {
		t.Error("a directory was replaced")
	}
	wantNames(t, dir, "file")
}

func TestAbort(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, old := range []bool{false, true} {
		var want []string
		if old {
			put(t, path, "old", 0o600)
			want = []string{"file"}
		}
		f := mustCreate(t, path, 0o644)
		mustWrite(t, f, "new")
		f.Abort()
		f.Abort()
		if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Commit after Abort: %v", err)
		}
		if _, err := f.Write(nil); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Write after Abort: %v", err)
		}
		wantNames(t, dir, want...)
	}
	wantContent(t, path, "old")
}

// Whoever reads sees one content or the other, whole.
func TestReadersSeeWholeFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not replace a file that is open")
	}
	proctest.Check(t)
	path := filepath.Join(t.TempDir(), "file")
	const size = 100_000
	write := func(c byte) {
		f := mustCreate(t, path, 0o644)
		for range 10 {
			mustWrite(t, f, strings.Repeat(string(c), size/10))
		}
		mustCommit(t, f)
	}
	write('a')
	stop := make(chan int)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			got, err := os.ReadFile(path)
			if err != nil || len(got) != size || bytes.Count(got, got[:1]) != size {
				t.Errorf("%d bytes, %v: not one whole content", len(got), err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for i := range 100 {
		write('a' + byte(i%26))
	}
	close(stop)
	wg.Wait()
}

func TestCreateRefuses(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	put(t, filepath.Join(dir, "plain"), "", 0o600)
	for _, test := range []struct {
		path string
		want error
		text string
	}{
		{"missing/file", fs.ErrNotExist, "there is no directory " + filepath.Join(dir, "missing") + ": make it first"},
		{".", nil, "is a directory: give the name of a file in it"},
		{"sub/", nil, "a file name is missing"},
		{strings.Repeat("n", 300), nil, "too long"},
	} {
		path := dir + string(filepath.Separator) + filepath.FromSlash(test.path)
		if runtime.GOOS == "windows" && test.text == "too long" {
			continue
		}
		_, err := Create(path, 0o644)
		wantError(t, err, test.want, test.text)
	}
	_, err := Create("", 0o644)
	wantError(t, err, nil, "a file name is missing")
	wantNames(t, dir, "plain")
}
