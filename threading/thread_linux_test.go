package threading_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/go-braid/braid/threading"
)

// A locked thread keeps one thread of the system, whatever it waits for, and that
// ends with it: what the task has changed in it affects nobody else.
func TestLockOSThread(t *testing.T) {
	if _, err := os.Stat(taskDir(os.Getpid())); err != nil {
		t.Skipf("the threads of this process cannot be seen: %v", err)
	}
	for range 5 {
		var first, last int
		turn := make(chan struct{})
		th := threading.Go(bg, "locked", func(context.Context) error {
			first = syscall.Gettid()
			for range 20 {
				<-turn
				runtime.Gosched()
			}
			last = syscall.Gettid()
			return nil
		}, threading.LockOSThread())
		for range 20 {
			turn <- struct{}{}
		}
		if err := th.Join(bg); err != nil {
			t.Error(err)
		}
		if first != last {
			t.Errorf("the thread began on the system's thread %d and ended on %d", first, last)
		}
		if first == os.Getpid() {
			continue // the process's first thread never ends
		}
		for { // the thread is on its way out
			_, err := os.Stat(taskDir(first))
			if os.IsNotExist(err) {
				break
			}
			runtime.Gosched()
		}
	}
}

func taskDir(tid int) string { return fmt.Sprintf("/proc/self/task/%d", tid) }

// The system knows a locked thread by its name, as far as there is room.
func TestOSThreadName(t *testing.T) {
	if _, err := os.Stat(taskDir(os.Getpid())); err != nil {
		t.Skipf("the threads of this process cannot be seen: %v", err)
	}
	for name, want := range map[string]string{
		"reader":                 "reader",
		"exactly fifteen":        "exactly fifteen",
		"sixteen or more bytes":  "sixteen or more",
		"the end is a fiancée":   "the end is a fi",
		"it ends in a né":        "it ends in a n", // not with half of a letter
		"a zero byte \x00 in it": "",
	} {
		th := threading.Go(bg, name, func(context.Context) error {
			tid := syscall.Gettid()
			comm, err := os.ReadFile(taskDir(tid) + "/comm")
			if err != nil {
				return err
			}
			got := strings.TrimSuffix(string(comm), "\n")
			own := tid != os.Getpid() && want != ""
			if own && got != want || !own && got == name {
				t.Errorf("the thread %q has the name %q, want %q", name, got, want)
			}
			return nil
		}, threading.LockOSThread())
		if err := th.Join(bg); err != nil {
			t.Error(err)
		}
	}
}
