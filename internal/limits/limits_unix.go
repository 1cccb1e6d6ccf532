//go:build unix

package limits

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// maxStack bounds the stack of a goroutine. Go's own bound is 1 GB: a recursion without
// end would first eat that.
const maxStack = 256 << 20

// Apply applies l to this process, and switches core dumps off: they hold whatever the
// process knew.
func (l Limits) Apply() error {
	debug.SetMaxStack(maxStack)
	limits := []struct {
		name       string
		resource   int
		soft, hard uint64
		set        bool
	}{
		{"memory", rlimitData, uint64(l.Memory), uint64(l.Memory), l.Memory > 0},
		// SIGXCPU comes at the soft limit; SIGKILL, at the hard one, ends who is deaf to it.
		{"processor time", unix.RLIMIT_CPU, seconds(l.CPUTime), seconds(l.CPUTime) + 1, l.CPUTime > 0},
		{"open files", unix.RLIMIT_NOFILE, l.OpenFiles, l.OpenFiles, l.OpenFiles > 0},
		{"file size", unix.RLIMIT_FSIZE, uint64(l.FileSize), uint64(l.FileSize), l.FileSize > 0},
		{"core dumps", unix.RLIMIT_CORE, 0, 0, true},
	}
	for _, r := range limits {
		if !r.set {
			continue
		}
		var now unix.Rlimit
		if err := unix.Getrlimit(r.resource, &now); err != nil {
			return fmt.Errorf("limits: %s: %w", r.name, err)
		}
		lim := unix.Rlimit{Cur: min(r.soft, now.Max), Max: min(r.hard, now.Max)}
		if err := unix.Setrlimit(r.resource, &lim); err != nil {
			return fmt.Errorf("limits: %s: %w", r.name, err)
		}
	}
	if l.CPUTime > 0 {
		endAtCPULimit()
	}
	if l.Nice > 0 {
		if err := renice(l.Nice); err != nil {
			return fmt.Errorf("limits: niceness: %w", err)
		}
	}
	return platform()
}

// endAtCPULimit ends the process when SIGXCPU comes, in the words and with the code of
// the Go runtime when it dies of a signal. It would let this one pass.
func endAtCPULimit() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGXCPU)
	go func() {
		<-c
		fmt.Fprintln(os.Stderr, "SIGXCPU: processor time limit exceeded")
		os.Exit(2)
	}()
}
