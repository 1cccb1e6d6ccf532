//go:build unix

package asyncio

import (
	"os"
	"os/signal"
	"syscall"
)

// dumpOnSignal writes the loop's coroutines to the standard error at each SIGUSR1,
// until stop is called.
func (l *Loop) dumpOnSignal() (stop func()) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGUSR1)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for range ch {
			_, _ = l.CallSoonThreadsafe(func() {
				_, _ = os.Stderr.WriteString(tree(l, l.inspect(l.running)))
			})
		}
	}()
	return func() {
		signal.Stop(ch)
		close(ch)
		<-gone
	}
}
