package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// create returns a new file in dir, if it can one without a name.
func create(dir string, perm fs.FileMode) (*os.File, string, error) {
	f, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_WRONLY, perm)
	if err == nil {
		// Its way to a name leads through /proc, which has to be there.
		if _, err = os.Stat(procPath(f)); err == nil {
			return f, "", nil
		}
		f.Close()
	} else if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return nil, "", err
	}
	return createNamed(dir, perm)
}

// link gives the nameless file its name; if that is taken, a temporary one, as
// only a rename can replace a file.
func (f *File) link() error {
	// A file system may tell at a close that a write has failed: let it, as
	// long as nobody sees the file.
	if err := closeDuplicate(f.file); err != nil {
		return err
	}
	err := linkFile(f.file, f.target)
	if errors.Is(err, unix.EEXIST) {
		temp := tempName(filepath.Dir(f.target))
		if err = linkFile(f.file, temp); err == nil {
			f.temp = temp
		}
	}
	return err
}

func closeDuplicate(f *os.File) error {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func linkFile(f *os.File, path string) error {
	for {
		err := unix.Linkat(unix.AT_FDCWD, procPath(f), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		if err != unix.EINTR {
			return err
		}
	}
}

func procPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
