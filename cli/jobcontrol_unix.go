//go:build unix

package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
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
				j.suspend()
				signal.Notify(continued, syscall.SIGCONT)
				signal.Reset(syscall.SIGTSTP)
				_ = syscall.Kill(os.Getpid(), syscall.SIGTSTP)
				// The process stops, at once or within this time; it does not if no shell
				// is there to have it go on.
				select {
				case <-continued:
				case <-time.After(100 * time.Millisecond):
				}
				signal.Stop(continued)
				signal.Notify(signals, syscall.SIGTSTP)
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

func (w *commandWork) suspend() { w.runner.Suspend() }
func (w *commandWork) resume()  { w.runner.Resume() }
