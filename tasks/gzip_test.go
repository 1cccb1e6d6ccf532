package tasks

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
)

// workIn makes a folder with these files the current one, and returns its path.
func workIn(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	return dir
}

func gunzip(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(text)
}

// list returns the files and folders below dir, folders with a slash.
func list(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			name := filepath.ToSlash(rel)
			if d.IsDir() {
				name += "/"
			}
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func TestGzip(t *testing.T) {
	proctest.Check(t)
	data := random(rand.New(rand.NewPCG(1, 2)), pieceSize+17, "abcd \n")
	workIn(t, map[string]string{"dir/a.txt": string(data), "empty": ""})
	for _, level := range []int{0, 1, 6, 9} {
		got, err := run(t.Context(), Gzip, GzipInput{Path: "dir/a.txt", Out: "out/of", Level: level})
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join("out", "of", "dir", "a.txt.gz")
		info, err := os.Stat(target)
		if err != nil {
			t.Fatal(err)
		}
		want := Compressed{Path: "dir/a.txt", Out: target, Bytes: int64(len(data)), Compressed: info.Size()}
		if got != want {
			t.Errorf("level %d: got %+v, want %+v", level, got, want)
		}
		if gunzip(t, target) != string(data) {
			t.Errorf("level %d: it is not what was compressed", level)
		}
		if want := reference(data, level); string(want) != mustRead(t, target) {
			t.Errorf("level %d: %d bytes, package gzip gives %d others", level, info.Size(), len(want))
		}
	}
	if _, err := run(t.Context(), Gzip, GzipInput{Path: "empty", Out: "out"}); err != nil || gunzip(t, "out/empty.gz") != "" {
		t.Errorf("empty file: %v", err)
	}
	if got, want := list(t, "out"), "empty.gz of/ of/dir/ of/dir/a.txt.gz"; got != want {
		t.Errorf("there is %s, want %s", got, want)
	}
}

// reference compresses as package gzip does by itself.
func reference(data []byte, level int) []byte {
	if level == 0 {
		level = gzip.DefaultCompression
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, level)
	_, _ = z.Write(data)
	_ = z.Close()
	return b.Bytes()
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGzipReplaces(t *testing.T) {
	workIn(t, map[string]string{"a": "old"})
	for _, text := range []string{"old", "new"} {
		if err := os.WriteFile("a", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := run(t.Context(), Gzip, GzipInput{Path: "a", Out: "out"}); err != nil {
			t.Fatal(err)
		}
		if got := gunzip(t, "out/a.gz"); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}

func TestGzipKeepsPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has other permissions")
	}
	workIn(t, map[string]string{"secret": "x"})
	if err := os.Chmod("secret", 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), Gzip, GzipInput{Path: "secret", Out: "out"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat("out/secret.gz")
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want that of the original, 0600", info.Mode(), err)
	}
}

func TestGzipErrors(t *testing.T) {
	proctest.Check(t)
	wd := workIn(t, map[string]string{"a": "x", "full/b": "y", "occupied": "a file", "taken/a.gz/c": "a folder"})
	do := func(path, out string) error {
		_, err := run(t.Context(), Gzip, GzipInput{Path: path, Out: out})
		return err
	}
	wantFileError(t, do("missing", "out"), "missing", fs.ErrNotExist, "check the name")
	wantFileError(t, do("full", "out"), "full", syscall.EISDIR, "--glob")
	wantFileError(t, do("a", "occupied"), "occupied", syscall.ENOTDIR, "another folder with --out")
	wantFileError(t, do("a", "taken"), filepath.Join("taken", "a.gz"), syscall.EISDIR, "directory")
	if err := do("a", ""); err == nil || !strings.Contains(err.Error(), "gzip needs --out DIR") {
		t.Errorf("without a folder: %v", err)
	}
	for _, level := range []int{-1, 10} {
		_, err := run(t.Context(), Gzip, GzipInput{Path: "a", Out: "out", Level: level})
		if err == nil || !strings.Contains(err.Error(), "from 1, the fastest, to 9, the smallest") {
			t.Errorf("level %d: %v", level, err)
		}
	}
	if got, want := list(t, wd), "a full/ full/b occupied taken/ taken/a.gz/ taken/a.gz/c"; got != want {
		t.Errorf("there is %s, want %s as before", got, want)
	}
}

func TestGzipNeverLeavesOut(t *testing.T) {
	wd := workIn(t, map[string]string{"in/a": "x", "in/dir/b": "y", "victim/keep": "z"})
	t.Chdir("in")
	for _, link := range []struct{ to, at string }{
		{"../../victim", "out1/dir"},
		{filepath.Join(wd, "victim"), "out2/dir"},
		{"../../victim/keep", "out3/dir/b.gz"},
	} {
		if err := os.MkdirAll(filepath.Dir(link.at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(link.to, link.at); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
		_, err := run(t.Context(), Gzip, GzipInput{Path: "dir/b", Out: filepath.Dir(strings.TrimSuffix(link.at, "/b.gz"))})
		if e, ok := errors.AsType[*FileError](err); !ok || e.Hint == "" {
			t.Errorf("link at %s: error %v, want a *FileError with advice", link.at, err)
		}
	}
	if got := list(t, filepath.Join(wd, "victim")); got != "keep" || mustRead(t, filepath.Join(wd, "victim", "keep")) != "z" {
		t.Errorf("victim has %s", got)
	}
	// The folder itself may be a link, and a link may lead from one place in it
	// to another.
	if err := os.MkdirAll("real/elsewhere", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink("real", "out4"), os.Symlink("elsewhere", "real/dir")); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), Gzip, GzipInput{Path: "dir/b", Out: "out4"}); err != nil || gunzip(t, "real/elsewhere/b.gz") != "y" {
		t.Errorf("links within: %v", err)
	}
}

func TestGzipCancelled(t *testing.T) {
	proctest.Check(t)
	path := endless(t)
	out := t.TempDir()
	_, err := compress(cancelAtCheck(20), GzipInput{Path: path, Out: out, Level: 1})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if got := list(t, out); strings.Contains(got, ".gz") || strings.Contains(got, ".braid-") {
		t.Errorf("left behind: %s", got)
	}
}

func TestGzipIntoFolderThatGoesAway(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not remove a folder in use")
	}
	workIn(t, map[string]string{"a": "text"})
	// The folder is made before the first piece is read.
	ctx := atCheck(1, func() error { return os.RemoveAll("out") })
	_, err := compress(ctx, GzipInput{Path: "a", Out: "out"})
	wantFileError(t, err, filepath.Join("out", "a.gz"), fs.ErrNotExist, "there is no directory")
}

// Compressors come back from failures and cancels, and are used again.
func TestGzipAfterFailures(t *testing.T) {
	workIn(t, map[string]string{"a": "text"})
	long := endless(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				_, err := compress(cancelAtCheck(2), GzipInput{Path: long, Out: "out"})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error %v, want context.Canceled", err)
				}
				if _, err := compress(t.Context(), GzipInput{Path: "a", Out: "out"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, want := mustRead(t, "out/a.gz"), reference([]byte("text"), 0); got != string(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGunzipAccepts(t *testing.T) {
	program := tool(t, "gzip")
	workIn(t, map[string]string{"a": strings.Repeat("text\n", 1000)})
	if _, err := run(t.Context(), Gzip, GzipInput{Path: "a", Out: "out", Level: 9}); err != nil {
		t.Fatal(err)
	}
	got, err := exec.Command(program, "-dc", "out/a.gz").Output()
	if err != nil || string(got) != mustRead(t, "a") {
		t.Errorf("gzip -dc: %v, %d bytes", err, len(got))
	}
}

func TestCompressedString(t *testing.T) {
	for _, c := range []struct {
		in   Compressed
		want string
	}{
		{Compressed{"a", "out/a.gz", 1000, 325}, "a -> out/a.gz  1000 -> 325 bytes (32.5%)"},
		{Compressed{"a\n", "out/a\n.gz", 0, 23}, `"a\n" -> "out/a\n.gz"  0 -> 23 bytes`},
	} {
		if got := c.in.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
