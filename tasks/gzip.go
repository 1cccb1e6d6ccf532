package tasks

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/atomicfile"
)

// Gzip is the task gzip: it compresses a file into another folder, and leaves
// the file as it is.
//
// The compressed file keeps its path: dir/a.txt becomes OUT/dir/a.txt.gz, and
// OUT and the folders in it are made where they are missing. A path that leads
// out of the current folder, as /var/log/x or ../x, is kept whole from the root,
// as OUT/var/log/x.gz. So no name leads out of OUT; nor does a symbolic link in
// OUT, which is an error. (Only who can change OUT while it is written to could
// still lead a file astray.) No two files have the same place: should dir/a.txt and
// /dir/a.txt both be there, the latter is an error.
//
// The compressed file appears whole or not at all, with the permissions of the
// original. It replaces one that is there, as from an earlier run. As neither
// name nor time are written into it, the same content always gives the same
// bytes.
var Gzip = braid.Define("gzip", compress,
	braid.Doc("Compress a file into another folder: --out DIR, and --set level=9 for the smallest."),
	braid.Idempotent())

// A GzipInput is the argument of [Gzip].
type GzipInput struct {
	Path  string `json:"path"`  // the file to compress
	Out   string `json:"out"`   // the folder to write to
	Level int    `json:"level"` // from 1, the fastest, to 9, the smallest; 0 means 6
}

// A Compressed is the result of [Gzip].
type Compressed struct {
	Path       string `json:"path"`       // the file, as it was given
	Out        string `json:"out"`        // the compressed file
	Bytes      int64  `json:"bytes"`      // the size of the file
	Compressed int64  `json:"compressed"` // the size of the compressed file
}

var (
	errNoOut   = errors.New("gzip needs --out DIR, the folder to write to")
	errSymlink = errors.New("a symbolic link is in its place")
)

func compress(ctx context.Context, in GzipInput) (Compressed, error) {
	if in.Out == "" {
		return Compressed{}, errNoOut
	}
	if in.Level < 0 || in.Level > gzip.BestCompression {
		return Compressed{}, fmt.Errorf("there is no level %d: give one from 1, the fastest, to 9, the smallest", in.Level)
	}
	src, info, err := open(in.Path)
	if err != nil {
		return Compressed{}, err
	}
	defer src.Close()
	place, err := placeOf(in.Path)
	if err != nil {
		return Compressed{}, err
	}
	if err := prepare(in.Out, place); err != nil {
		return Compressed{}, err
	}
	c := Compressed{Path: in.Path, Out: filepath.Join(in.Out, place)}
	dst, err := atomicfile.Create(c.Out, info.Mode().Perm())
	if err != nil {
		return Compressed{}, writeError(c.Out, err)
	}
	defer dst.Abort()

	z := newCompressor(in.Level, dst)
	defer z.free()
	c.Bytes, err = read(ctx, src,
		func(err error) error { return readError(in.Path, err) },
		func(piece []byte) error {
			if _, err := z.Write(piece); err != nil {
				return writeError(c.Out, err)
			}
			return nil
		})
	if err != nil {
		return Compressed{}, err
	}
	if c.Compressed, err = z.finish(); err != nil {
		return Compressed{}, writeError(c.Out, err)
	}
	if err := dst.Commit(); err != nil {
		return Compressed{}, writeError(c.Out, err)
	}
	return c, nil
}

// prepare makes the folders for a place below out, and sees that no symbolic
// link leads elsewhere from there.
func prepare(out, place string) error {
	if err := os.MkdirAll(out, 0o777); err != nil {
		return folderError(out, err)
	}
	root, err := os.OpenRoot(out)
	if err != nil {
		return folderError(out, err)
	}
	defer root.Close()
	if err := root.MkdirAll(filepath.Dir(place), 0o777); err != nil {
		return folderError(filepath.Join(out, filepath.Dir(place)), err)
	}
	if info, err := root.Lstat(place); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return &FileError{filepath.Join(out, place), errSymlink, "remove it, or give another folder with --out"}
	}
	return nil
}

func folderError(folder string, err error) error {
	hint := "see that it is a folder, and that no symbolic link leads out of --out; or give another"
	switch {
	case errors.Is(err, syscall.ENOSPC):
		hint = "free some space there, or give a folder on another file system with --out"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EEXIST):
		hint = "a file is in its place: give another folder with --out"
	case errors.Is(err, fs.ErrPermission):
		hint = "this user may not make it: give another folder with --out"
	}
	return &FileError{folder, reason(err), hint}
}

// writeError makes a FileError of what atomicfile said, with its advice.
func writeError(path string, err error) error {
	return &FileError{Path: path, Err: reason(err)}
}

// A compressor is a gzip.Writer and what is around it: the buffer saves calls,
// as the Writer writes some hundred bytes at a time. It is kept for further
// files, since it holds more than many of them do.
type compressor struct {
	*gzip.Writer
	buf  *bufio.Writer
	out  countingWriter
	home *sync.Pool
}

var compressors [gzip.BestCompression + 1]sync.Pool // by level

// newCompressor returns a compressor that writes to w.
func newCompressor(level int, w io.Writer) *compressor {
	home := &compressors[level]
	z, ok := home.Get().(*compressor)
	if !ok {
		if level == 0 {
			level = gzip.DefaultCompression
		}
		z = &compressor{home: home, buf: bufio.NewWriterSize(nil, 64<<10)}
		z.Writer, _ = gzip.NewWriterLevel(nil, level) // fails for a level that is none
	}
	z.out = countingWriter{w: w}
	z.buf.Reset(&z.out)
	z.Reset(z.buf)
	return z
}

// finish writes what is left, and returns how much was written in all.
func (z *compressor) finish() (int64, error) {
	if err := z.Close(); err != nil {
		return 0, err
	}
	err := z.buf.Flush()
	return z.out.n, err
}

func (z *compressor) free() {
	z.out = countingWriter{} // the pool must not keep the file
	z.home.Put(z)
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// String says what became of the file.
func (c Compressed) String() string {
	s := fmt.Sprintf("%s -> %s  %d -> %d bytes", display(c.Path), display(c.Out), c.Bytes, c.Compressed)
	if c.Bytes > 0 {
		s += fmt.Sprintf(" (%.1f%%)", 100*float64(c.Compressed)/float64(c.Bytes))
	}
	return s
}
