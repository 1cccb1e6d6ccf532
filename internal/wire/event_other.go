//go:build !linux

package wire

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

var errNoEvent = fmt.Errorf("wire: %s has no eventfd: %w", runtime.GOOS, errors.ErrUnsupported)

func newEvent() (mine, theirs *os.File, err error) { return nil, nil, errNoEvent }
func awaitEvent(*os.File) error                    { return errNoEvent }
func signalEvent(*os.File)                         {}
