package tasks

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/go-braid/braid/internal/proctest"
)

// The tasks that read a file, each as a function that gives the error only.
var readers = map[string]func(context.Context, string) error{
	"sha256": func(ctx context.Context, path string) error { _, err := digest(ctx, path); return err },
	"wc":     func(ctx context.Context, path string) error { _, err := count(ctx, path); return err },
	"gzip": func(ctx context.Context, path string) error {
		out, err := os.MkdirTemp("", "gzip-test")
		if err != nil {
			return err
		}
		defer os.RemoveAll(out)
		_, err = compress(ctx, GzipInput{Path: path, Out: out})
		return err
	},
}

func TestUnfitFiles(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			missing := filepath.Join(dir, "missing")
			wantFileError(t, read(ctx, missing), missing, fs.ErrNotExist, "check the name")
			wantFileError(t, read(ctx, dir), dir, syscall.EISDIR, "--glob '"+filepath.Join(dir, "**")+"'")
			wantFileError(t, read(ctx, ""), "", errNoName, "give the name of a file")

			wd, err := os.Getwd()
			if err != nil {
				t.Fatal(err)
			}
			wantFileError(t, read(ctx, "missing"), "missing", fs.ErrNotExist, "it is looked for in "+display(wd))

			below := filepath.Join(write(t, "file", nil), "below")
			if runtime.GOOS != "windows" { // for which it just does not exist
				wantFileError(t, read(ctx, below), below, syscall.ENOTDIR, "check the name")
			}
		})
	}
}

func TestUnreadableFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has other permissions")
	}
	path := write(t, "secret", []byte("x"))
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(path); err == nil {
		f.Close()
		// The superuser may read everything, so the system cannot be asked.
		wantFileError(t, readError(path, &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES}), path, fs.ErrPermission, "chmod")
		return
	}
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			wantFileError(t, read(t.Context(), path), path, fs.ErrPermission, "chmod")
		})
	}
}

func TestTooManyOpenFiles(t *testing.T) {
	err := readError("x", &fs.PathError{Op: "open", Path: "x", Err: syscall.EMFILE})
	wantFileError(t, err, "x", syscall.EMFILE, "ulimit -n")
}

func TestFilesThatAreCancelled(t *testing.T) {
	// A file that nobody closes would be closed by the garbage collector.
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	proctest.Check(t)
	path := endless(t)
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			if err := read(cancelAtCheck(20), path); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want context.Canceled", err)
			}
		})
	}
}

func TestRead(t *testing.T) {
	failure := errors.New("failure")
	wrap := func(err error) error { return &FileError{"x", err, "try"} }
	none := func([]byte) error { return nil }

	t.Run("all of it", func(t *testing.T) {
		data := make([]byte, 3*pieceSize+17)
		for i := range data {
			data[i] = byte(i * i)
		}
		var got []byte
		n, err := read(t.Context(), &pieceReader{data}, wrap, func(p []byte) error {
			got = append(got, p...)
			return nil
		})
		if err != nil || n != int64(len(data)) || string(got) != string(data) {
			t.Errorf("read %d bytes, error %v; want the %d there are", n, err, len(data))
		}
	})
	t.Run("end with the last piece", func(t *testing.T) {
		var got []byte
		n, err := read(t.Context(), iotest.DataErrReader(&pieceReader{[]byte("abc")}), wrap, func(p []byte) error {
			got = append(got, p...)
			return nil
		})
		if string(got) != "abc" || n != 3 || err != nil {
			t.Errorf("read %q, %d bytes, error %v", got, n, err)
		}
	})
	t.Run("failing reader", func(t *testing.T) {
		_, err := read(t.Context(), iotest.ErrReader(failure), wrap, none)
		wantFileError(t, err, "x", failure, "try")
	})
	t.Run("failing user", func(t *testing.T) {
		n, err := read(t.Context(), &pieceReader{[]byte("abc")}, wrap, func([]byte) error { return failure })
		if err != failure || n != 3 {
			t.Errorf("read %d bytes, error %v; want 3 and the failure as it is", n, err)
		}
	})
	t.Run("reader that fails since the context is done", func(t *testing.T) {
		_, err := read(cancelAtCheck(1), iotest.ErrReader(failure), wrap, none)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	})
	t.Run("context done from the start", func(t *testing.T) {
		n, err := read(cancelAtCheck(0), &pieceReader{[]byte("abc")}, wrap, none)
		if !errors.Is(err, context.Canceled) || n != 0 {
			t.Errorf("read %d bytes, error %v; want none and context.Canceled", n, err)
		}
	})
}

// A pieceReader reads as files do: it comes to the end in a call of its own.
type pieceReader struct{ rest []byte }

func (r *pieceReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestDisplay(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"plain.txt", "plain.txt"},
		{"Größe 5 µm.txt", "Größe 5 µm.txt"},
		{`back\slash "quote"`, `back\slash "quote"`},
		{"", `""`},
		{"line\nfeed", `"line\nfeed"`},
		{"\x1b[31mred", `"\x1b[31mred"`},
		{"not UTF-8 \xff", `"not UTF-8 \xff"`},
	} {
		if got := display(c.name); got != c.want {
			t.Errorf("display(%q) = %s, want %s", c.name, got, c.want)
		}
	}
}
