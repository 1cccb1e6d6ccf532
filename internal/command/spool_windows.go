package command

import (
	"crypto/rand"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// newSpoolFile returns an empty file in dir that the system removes when the
// last handle of it is closed. It is for appending, as on other systems.
func newSpoolFile(dir string) (*os.File, error) {
	name := filepath.Join(dir, "braid-"+rand.Text())
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	h, err := windows.CreateFile(path,
		windows.GENERIC_READ|windows.FILE_APPEND_DATA|windows.DELETE|windows.SYNCHRONIZE,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
		nil, windows.CREATE_NEW,
		windows.FILE_ATTRIBUTE_TEMPORARY|windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}

// reserve takes probeSize bytes of room in the file system of f. A handle for appending
// cannot truncate, so the room is taken by a file of its own.
func reserve(f *os.File) error {
	g, err := newSpoolFile(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	defer g.Close()
	_, err = g.Write(zeros[:])
	return err
}
