package command

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	// niceness prints what the process was started with.
	roles["niceness"] = func([]string) int {
		fmt.Println(niceness())
		return 0
	}
}

func niceness() int {
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid())
	if err != nil {
		panic(err)
	}
	return 20 - raw
}

// Commands have the niceness, this process keeps its own, and it cannot exceed the
// highest.
func TestNice(t *testing.T) {
	own := niceness()
	for _, nice := range []int{0, 1, 5, 100} {
		r := newRunner(t, Config{Nice: nice})
		out, _ := mustRun(t, r, play("niceness"))
		if want := fmt.Sprintln(min(own+nice, 19)); out != want {
			t.Errorf("nice %d: the command has %q, want %q", nice, strings.TrimSpace(out), strings.TrimSpace(want))
		}
	}
	if niceness() != own {
		t.Errorf("this process has %d, had %d", niceness(), own)
	}
}
