//go:build !linux && !darwin && !freebsd && !windows

package cli

func freeSpace(string) (int64, bool) { return 0, false }
