//go:build !linux

package command

import "os"

// openWriter returns the file itself.
func openWriter(f *os.File) (*os.File, error) { return f, nil }

// exclusive says that it cannot know.
func exclusive(*os.File) bool { return false }

// shared says that it does not know.
func shared(*os.File) (held, known bool) { return false, false }
