//go:build unix && !linux

package command

import "os"

func newSpoolFile(dir string) (*os.File, error) { return newUnlinkedFile(dir) }
