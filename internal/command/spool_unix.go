//go:build unix

package command

import (
	"crypto/rand"
	"os"
	"path/filepath"
)

// newUnlinkedFile returns an empty file in dir that has lost its name: a kill
// in the instant between leaves an empty file behind.
func newUnlinkedFile(dir string) (*os.File, error) {
	name := filepath.Join(dir, ".braid-"+rand.Text())
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(name); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// reserve takes probeSize bytes of room for the empty file f and gives them
// back. fallocate would take them at ten times the cost on ext4, which then has
// blocks to find and not only to count.
func reserve(f *os.File) error {
	_, err := f.Write(zeros[:])
	if e := f.Truncate(0); err == nil {
		err = e
	}
	return err
}
