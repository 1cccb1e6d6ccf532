//go:build !linux

package atomicfile

import (
	"io/fs"
	"os"
)

// create returns a new file in dir, and its name.
func create(dir string, perm fs.FileMode) (*os.File, string, error) {
	return createNamed(dir, perm)
}

// link has nothing to do: the file has a name.
func (f *File) link() error { return nil }
