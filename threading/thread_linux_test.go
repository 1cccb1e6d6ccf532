package threading_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
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
