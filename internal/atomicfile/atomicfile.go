// Package atomicfile writes a file that appears whole or not at all.
//
// What is written goes to a file beside the target, which [File.Commit] puts in
// the target's place in one step: whoever opens the target sees what was there
// before, or all of the new content, and never a part. On Linux that file has
// no name until Commit, where the file system can do that, so that a process
// killed in the middle of its writing leaves nothing behind. Elsewhere, and for
// the instant in which Commit replaces a target, it is called ".braid-" and
// something random.
package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A File is a file on its way. It is to be ended with Commit, CommitSync or
// Abort; "defer f.Abort()" after Create is right in any case, as Abort does
// nothing once the File is committed. A File is for one goroutine at a time.
type File struct {
	file   *os.File
	target string // absolute, and no symbolic link
	temp   string // the name of file; empty if it has none
	err    error  // the first error of a Write, or why there is nothing more to do
	done   bool
}

// Create starts a file that will be at path. The directory must exist. If path
// is a symbolic link, the file that it leads to is meant; only a regular file
// can be replaced.
//
// A new file gets the permissions perm, less those of the umask. One that
// replaces another gets the permissions of that one; but it is a new file, with
// this process's user as its owner, and no hard links.
func Create(path string, perm fs.FileMode) (*File, error) {
	target, old, err := resolve(path)
	if err != nil {
		return nil, err
	}
	if old != nil {
		perm &= old.Mode().Perm() // not even for an instant more than that
	}
	file, temp, err := create(filepath.Dir(target), perm)
	if err != nil {
		return nil, explain("create", path, err)
	}
	f := &File{file: file, target: target, temp: temp}
	if old != nil {
		if err := file.Chmod(old.Mode().Perm()); err != nil {
			f.Abort()
			return nil, explain("create", path, err)
		}
	}
	return f, nil
}

// Name returns the absolute path at which the file will be.
func (f *File) Name() string { return f.target }

// Write writes to the file. After an error the File can only be aborted.
func (f *File) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.file.Write(p)
	if err != nil {
		f.err = explain("write", f.target, err)
		return n, f.err
	}
	return n, nil
}

// Commit puts the file in its place. If it cannot, or a Write has failed, it
// returns an error, and what was in that place stays as it was. Either way the
// File is at its end.
//
// Commit does not wait for the disk: a process that dies loses nothing, but a
// machine that does may lose the file, or on some file systems its content.
func (f *File) Commit() error { return f.commit(false) }

// CommitSync is Commit, and waits until the file is on the disk, under its name
// and whole. It may block for long.
func (f *File) CommitSync() error { return f.commit(true) }

func (f *File) commit(sync bool) error {
	if f.done {
		return f.closedError("commit")
	}
	defer f.Abort()
	if f.err != nil {
		return f.err
	}
	if sync {
		if err := f.file.Sync(); err != nil {
			return explain("write", f.target, err)
		}
	}
	if f.temp == "" {
		if err := f.link(); err != nil {
			return explain("create", f.target, err)
		}
	}
	// Some network file systems tell only now that a write has failed.
	if err := f.file.Close(); err != nil {
		return explain("write", f.target, err)
	}
	if f.temp != "" {
		if err := os.Rename(f.temp, f.target); err != nil {
			return explain("create", f.target, err)
		}
		f.temp = ""
	}
	if sync {
		if err := syncDir(filepath.Dir(f.target)); err != nil {
			return explain("create", f.target, err)
		}
	}
	return nil
}

// Abort gives the file up and leaves nothing of it. It does nothing after a
// Commit or an Abort.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	f.file.Close()
	if f.temp != "" {
		os.Remove(f.temp)
	}
	if f.err == nil {
		f.err = f.closedError("write")
	}
}

func (f *File) closedError(op string) error {
	return &fs.PathError{Op: op, Path: f.target, Err: fs.ErrClosed}
}

// resolve returns the absolute path of the file that is meant by path, without
// symbolic links at its end, and what is there now; nil if nothing is.
func resolve(path string) (string, fs.FileInfo, error) {
	target, err := filepath.Abs(path)
	if err != nil {
		return "", nil, explain("create", path, err)
	}
	if path == "" || os.IsPathSeparator(path[len(path)-1]) {
		return "", nil, &fs.PathError{Op: "create", Path: path, Err: errors.New("a file name is missing: give one")}
	}
	for range 40 { // as many links as Linux follows
		info, err := os.Lstat(target)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return target, nil, nil
		case err != nil:
			return "", nil, explain("create", path, err)
		case info.Mode().IsRegular():
			return target, info, nil
		case info.IsDir():
			return "", nil, &fs.PathError{Op: "create", Path: path, Err: fmt.Errorf("%w: give the name of a file in it", syscall.EISDIR)}
		case info.Mode()&fs.ModeSymlink == 0:
			return "", nil, &fs.PathError{Op: "create", Path: path, Err: errors.New("not a regular file, so nothing can be put in its place: give another name, or write to standard output and redirect that")}
		}
		link, err := os.Readlink(target)
		if err != nil {
			return "", nil, explain("create", path, err)
		}
		if !filepath.IsAbs(link) {
			// The links of the directory count before its "..".
			dir, err := filepath.EvalSymlinks(filepath.Dir(target))
			if err != nil {
				return "", nil, explain("create", path, err)
			}
			link = filepath.Join(dir, link)
		}
		target = link
	}
	return "", nil, &fs.PathError{Op: "create", Path: path, Err: errors.New("too many symbolic links: perhaps they lead round in a circle")}
}

// explain returns the error of an operation, with what to do next where that is
// known.
func explain(op, path string, err error) error {
	dir := filepath.Dir(path)
	// The system's own error names a file that the caller does not know.
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &pathErr):
		err = pathErr.Err
	case errors.As(err, &linkErr):
		err = linkErr.Err
	}
	var next string
	switch {
	case isFull(err):
		next = fmt.Sprintf("free some space on the file system of %s, or choose another directory", dir)
	case errors.Is(err, fs.ErrNotExist):
		next = fmt.Sprintf("there is no directory %s: make it first", dir)
	case errors.Is(err, syscall.ENOTDIR):
		next = fmt.Sprintf("%s is not a directory", dir)
	case errors.Is(err, syscall.EROFS):
		next = fmt.Sprintf("choose a directory other than %s", dir)
	case errors.Is(err, fs.ErrPermission):
		next = fmt.Sprintf("this user may not make or replace files in %s: choose another directory", dir)
	}
	if next != "" {
		err = fmt.Errorf("%w: %s", err, next)
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// createNamed returns a new file with a random name in dir.
func createNamed(dir string, perm fs.FileMode) (*os.File, string, error) {
	name := tempName(dir)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	return f, name, err
}

// tempName returns a name that is free: it has 128 random bits. It does not
// have the target's name in it, which may be as long as names can be.
func tempName(dir string) string { return filepath.Join(dir, ".braid-"+rand.Text()) }
