//go:build !unix

package wire

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// Read implements io.Reader.
func (r *unixReader) Read(p []byte) (int, error) { return r.conn.Read(p) }

func (r *unixReader) withRights([]*os.File, func([]byte) error) error {
	return fmt.Errorf("wire: %s cannot pass open files: %w", runtime.GOOS, errors.ErrUnsupported)
}

func (r *unixReader) write([]byte, []byte) (int, error) {
	return 0, fmt.Errorf("wire: %s cannot pass open files: %w", runtime.GOOS, errors.ErrUnsupported)
}
