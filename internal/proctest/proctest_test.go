package proctest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// recorder is a test that keeps its clean-ups and its errors.
type recorder struct {
	testing.TB
	cleanups []func()
	errors   []string
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// run returns the errors of a test with a check and a body.
func run(t *testing.T, settle time.Duration, body func(), options ...goleak.Option) []string {
	r := &recorder{TB: t}
	check(r, settle, options...)
	body()
	for _, f := range r.cleanups {
		f()
	}
	return r.errors
}

func wantError(t *testing.T, errs []string, want string) {
	t.Helper()
	if len(errs) != 1 || !strings.Contains(errs[0], want) {
		t.Errorf("errors = %q, want one with %q", errs, want)
	}
}

func TestCleanTestPasses(t *testing.T) {
	errs := run(t, time.Minute, func() {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		done := make(chan int)
		go close(done)
		<-done
		if err := exec.Command(os.Args[0], "-test.run=^$").Run(); err != nil {
			t.Fatal(err)
		}
	})
	if errs != nil {
		t.Errorf("errors = %q, want none", errs)
	}
}

func TestGoroutineLeft(t *testing.T) {
	stop := make(chan int)
	defer close(stop)
	errs := run(t, 0, func() { go leaker(stop) })
	wantError(t, errs, "proctest.leaker")
}

func TestGoroutineIgnored(t *testing.T) {
	stop := make(chan int)
	defer close(stop)
	errs := run(t, 0, func() { go leaker(stop) },
		goleak.IgnoreAnyFunction("github.com/go-braid/braid/internal/proctest.leaker"))
	if errs != nil {
		t.Errorf("errors = %q, want none", errs)
	}
}

func leaker(stop chan int) { <-stop }

func TestDescriptorLeft(t *testing.T) {
	linuxOnly(t)
	var f *os.File
	errs := run(t, 0, func() {
		var err error
		if f, err = os.Open(os.DevNull); err != nil {
			t.Fatal(err)
		}
	})
	defer f.Close()
	wantError(t, errs, fmt.Sprintf("descriptor %d: %s", f.Fd(), os.DevNull))
}

// What goes away while the check waits is not counted.
func TestDescriptorClosedLate(t *testing.T) {
	linuxOnly(t)
	errs := run(t, time.Minute, func() {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(20*time.Millisecond, func() { f.Close() })
	})
	if errs != nil {
		t.Errorf("errors = %q, want none", errs)
	}
}

func TestChildLeft(t *testing.T) {
	linuxOnly(t)
	// The child waits for its standard input to end.
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	errs := run(t, 0, func() {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	})
	found := false
	for _, e := range errs {
		found = found || strings.Contains(e, fmt.Sprintf("child process %d (", cmd.Process.Pid))
	}
	if !found {
		t.Errorf("errors = %q, want one with the child %d", errs, cmd.Process.Pid)
	}

	// Ended and not waited for is left, too.
	stdin.Close()
	var zombie []string
	for len(zombie) == 0 {
		all, err := children()
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range all {
			if strings.Contains(line, "zombie") {
				zombie = append(zombie, line)
			}
		}
		runtime.Gosched()
	}
	if want := fmt.Sprintf("child process %d (cat, a zombie)", cmd.Process.Pid); zombie[0] != want {
		t.Errorf("zombie = %q, want %q", zombie[0], want)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if left, err := children(); err != nil || len(left) != 0 {
		t.Errorf("children after Wait = %q, %v; want none", left, err)
	}
}

func TestParseStat(t *testing.T) {
	name, state, parent, ok := parseStat("7 (a) b (c)) S 42 7 7 0\n")
	if name != "a) b (c)" || state != "S" || parent != "42" || !ok {
		t.Errorf("parseStat = %q, %q, %q, %v", name, state, parent, ok)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("1 (systemd) S 0 1 1 0 -1")
	f.Add(") (")
	f.Add("7 (x)")
	f.Fuzz(func(t *testing.T, line string) {
		name, state, parent, ok := parseStat(line)
		if ok && !strings.Contains(line, "("+name+")") {
			t.Errorf("name %q is not in %q", name, line)
		}
		if ok && (state == "" || parent == "") {
			t.Errorf("state %q and parent %q of %q", state, parent, line)
		}
	})
}

func linuxOnly(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("descriptors and children are counted on Linux only")
	}
}
