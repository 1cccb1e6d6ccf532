package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/go-braid/braid/strand"
)

// A FileError says what was wrong with a file that a task was given or was to
// write.
type FileError struct {
	Path string // as it was given, or where it was to be written
	Err  error  // what was wrong: the system's error, where it is one
	Hint string // what to do next; empty if Err says that as well
}

// Error names the file, says what was wrong, and what to do next.
func (e *FileError) Error() string {
	if e.Hint == "" {
		return fmt.Sprintf("%s: %v", display(e.Path), e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", display(e.Path), e.Err, e.Hint)
}

// Unwrap returns e.Err.
func (e *FileError) Unwrap() error { return e.Err }

var (
	errNoName     = errors.New("the name is empty")
	errNotRegular = errors.New("not a regular file")
)

// open opens a regular file for reading.
func open(name string) (*os.File, fs.FileInfo, error) {
	if name == "" {
		return nil, nil, &FileError{name, errNoName, "give the name of a file"}
	}
	// Before it is opened: to open a pipe may mean to wait for who writes to it.
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, readError(name, err)
	}
	switch {
	case info.IsDir():
		return nil, nil, &FileError{name, syscall.EISDIR, "give the files in it, on the command line with --glob '" + display(filepath.Join(name, "**")) + "'"}
	case !info.Mode().IsRegular():
		return nil, nil, &FileError{name, errNotRegular, "write what it gives to a file, and give that"}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, readError(name, err)
	}
	return f, info, nil
}

// readError makes a FileError of what os said about the reading of a file.
func readError(name string, err error) error {
	hint := "try again; if it stays so, check the file system"
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		hint = "check the name"
		if wd, err := os.Getwd(); err == nil && !filepath.IsAbs(name) {
			hint += "; it is looked for in " + display(wd)
		}
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENAMETOOLONG):
		hint = "check the name"
	case errors.Is(err, fs.ErrPermission):
		hint = "run as a user who may read it, or have its owner allow it with chmod"
	case errors.Is(err, syscall.EMFILE):
		hint = "run fewer tasks at once, or raise the limit of open files with ulimit -n"
	}
	return &FileError{name, reason(err), hint}
}

// reason takes the operation and the path off an error of package os.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// Pieces of this size keep both the system calls and the checks of the context
// rare, and those in reach of a cache.
const pieceSize = 128 << 10

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// read reads r to its end, gives each piece to use, and returns how many bytes
// there were. Between pieces it lets others run and sees whether it is still
// wanted. The errors of use and of the context come back as they are, those of r
// through wrap.
func read(ctx context.Context, r io.Reader, wrap func(error) error, use func([]byte) error) (int64, error) {
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	return readBy(ctx, r, piece[:], wrap, use)
}

// readBy is read with a buffer of the caller's.
func readBy(ctx context.Context, r io.Reader, piece []byte, wrap func(error) error, use func([]byte) error) (int64, error) {
	var size int64
	for {
		if err := strand.Yield(ctx); err != nil {
			return size, err
		}
		n, err := r.Read(piece)
		size += int64(n)
		if n > 0 {
			if err := use(piece[:n]); err != nil {
				return size, err
			}
		}
		switch {
		case err == io.EOF:
			return size, nil
		case err != nil && ctx.Err() != nil:
			return size, strand.Err(ctx)
		case err != nil:
			return size, wrap(err)
		}
	}
}

// readFile opens the file called name and reads it as read does.
func readFile(ctx context.Context, name string, use func([]byte) error) (int64, error) {
	f, _, err := open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return read(ctx, f, func(err error) error { return readError(name, err) }, use)
}
