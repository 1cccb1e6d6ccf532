// Package proctest checks that a test leaves nothing behind: no goroutine, no
// open descriptor, no child process.
package proctest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// settle is how long what the test left may take to go away. Only a test that
// fails waits for it.
const settle = 5 * time.Second

// Check notes which goroutines, open descriptors and child processes there are,
// and lets t fail at its end if there are others by then. What goes away by
// itself within 5 seconds is not counted. Further options for the goroutines,
// such as goleak.IgnoreTopFunction, can be given.
//
// Check looks at the whole process: t must not run in parallel with other
// tests. Its own clean-up runs after that of all who register later, so it is
// to be called first. Descriptors and children are counted on Linux only.
func Check(t testing.TB, goroutines ...goleak.Option) {
	t.Helper()
	check(t, settle, goroutines...)
}

func check(t testing.TB, settle time.Duration, goroutines ...goleak.Option) {
	t.Helper()
	warmUp()
	goroutines = append(goroutines, goleak.IgnoreCurrent())
	before, err := resources()
	if err != nil {
		t.Fatalf("proctest: %v", err)
	}
	t.Cleanup(func() {
		t.Helper()
		if err := goleak.Find(goroutines...); err != nil {
			t.Errorf("goroutines are left: %v", err)
		}
		for _, left := range remaining(t, before, settle) {
			t.Errorf("left behind: %s", left)
		}
	})
}

// warmUp makes the runtime open what it opens once and keeps, such as the
// descriptors of its poller.
func warmUp() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// remaining returns what is there and was not before, once that is nothing or
// the time to settle is over.
func remaining(t testing.TB, before []string, settle time.Duration) []string {
	t.Helper()
	deadline := time.Now().Add(settle)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		now, err := resources()
		if err != nil {
			t.Errorf("proctest: %v", err)
			return nil
		}
		left := slices.DeleteFunc(now, func(s string) bool { return slices.Contains(before, s) })
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause)
	}
}

// resources returns a line for each open descriptor and each child process.
func resources() ([]string, error) {
	files, err := descriptors()
	if err != nil {
		return nil, fmt.Errorf("cannot list the open descriptors: %w", err)
	}
	procs, err := children()
	if err != nil {
		return nil, fmt.Errorf("cannot list the child processes: %w", err)
	}
	return append(files, procs...), nil
}

// parseStat reads a line of /proc/PID/stat: the name of the process, which may
// hold anything, its state, and its parent.
func parseStat(line string) (name, state, parent string, ok bool) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return "", "", "", false
	}
	fields := strings.Fields(line[end+1:])
	if len(fields) < 2 {
		return "", "", "", false
	}
	return line[open+1 : end], fields[0], fields[1], true
}
