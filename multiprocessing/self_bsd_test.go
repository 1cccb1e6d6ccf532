//go:build unix && !linux

package multiprocessing_test

import "golang.org/x/sys/unix"

func dup2(from, to int) error { return unix.Dup2(from, to) }

// stopSelf stops this process.
func stopSelf() { signalSelf(unix.SIGSTOP) }
