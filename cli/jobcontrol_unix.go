//go:build unix

package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A jobControl does what the signals of a shell ask a run for: SIGUSR1 has it say how
// far it is, and SIGTSTP, as Ctrl-Z sends it, suspends it until SIGCONT. Its fields are
// called one at a time.
type jobControl struct {
	report  func()
	suspend func() // before the process stops
	resume  func() // when it goes on
}

// watch heeds the signals, until the function that it returns is called.
func (j jobControl) watch() (stop func()) {
	signals, continued := make(chan os.Signal, 4), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGTSTP)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-signals:
				if s == syscall.SIGUSR1 {
					j.report()
					continue
				}
				if !canGoOn() {
					continue
				}
				j.suspend()
				signal.Notify(continued, syscall.SIGCONT)
				// SIGTSTP itself would not do it: the Go runtime, which has been asked for
				// it once, keeps its handler.
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
				// The process stops, at once or within this time.
				select {
				case <-continued:
				case <-time.After(100 * time.Millisecond):
				}
				signal.Stop(continued)
				j.resume()
			}
		}
	})
	return func() {
		signal.Stop(signals)
		cancel()
		done.Wait()
	}
}

// canGoOn reports whether there is a shell that would have this process go on once it is
// suspended. Where there is none, as in the group of the leader of a session, the system
// does not stop processes for SIGTSTP either.
func canGoOn() bool {
	session, err := unix.Getsid(0)
	if err != nil {
		return false
	}
	parents, err := unix.Getsid(os.Getppid())
	return err == nil && parents == session && unix.Getpgrp() != session
}

func (w *commandWork) suspend() { w.runner.Suspend() }
func (w *commandWork) resume()  { w.runner.Resume() }
