//go:build unix

package tasks

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A pipe that nobody writes to would have its reader wait for ever.
func TestPipesAreRefused(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			wantFileError(t, read(t.Context(), pipe), pipe, errNotRegular, "write what it gives to a file")
			wantFileError(t, read(t.Context(), "/dev/null"), "/dev/null", errNotRegular, "write what it gives to a file")
		})
	}
}
