package limits

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/go-braid/braid/internal/proctest"
)

// A child is this test binary, told by variables which limits to apply and what to do.
const (
	childVar  = "BRAID_TEST_CHILD"
	limitsVar = "BRAID_TEST_LIMITS"
)

func TestMain(m *testing.M) {
	name := os.Getenv(childVar)
	if name == "" {
		os.Exit(m.Run())
	}
	l, err := Parse(os.Getenv(limitsVar))
	if err == nil {
		err = children[name](l)
	}
	if err != nil {
		fmt.Println("child:", err)
		os.Exit(1)
	}
	fmt.Println("good")
	os.Exit(0)
}

var children = map[string]func(Limits) error{
	"open files": func(l Limits) error {
		if err := l.Apply(); err != nil {
			return err
		}
		var open []*os.File // keeps them from being collected
		for range l.OpenFiles {
			f, err := os.Open(os.DevNull)
			if errors.Is(err, syscall.EMFILE) {
				return nil
			}
			if err != nil {
				return err
			}
			open = append(open, f)
		}
		return fmt.Errorf("%d files are open beside the standard ones", len(open))
	},
	// What it starts has the limit too, though Go gives its children back what it has
	// raised for itself.
	"inherited": func(l Limits) error {
		if err := l.Apply(); err != nil {
			return err
		}
		out, err := exec.Command("/bin/sh", "-c", "ulimit -n; ulimit -c").CombinedOutput()
		if want := fmt.Sprintf("%d\n0\n", l.OpenFiles); err != nil || string(out) != want {
			return fmt.Errorf("the shell's limits are %q, %v; want %q", out, err, want)
		}
		return nil
	},
	"file size": func(l Limits) error {
		if err := l.Apply(); err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(os.Getenv("TMPDIR"), "large"))
		if err != nil {
			return err
		}
		n, err := f.Write(make([]byte, l.FileSize+1))
		if int64(n) != l.FileSize || !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("Write = %d, %v; want %d and EFBIG", n, err, l.FileSize)
		}
		return nil
	},
	"memory": func(l Limits) error {
		if err := private(int(l.Memory)); err != nil {
			return fmt.Errorf("before: %w", err)
		}
		if err := l.Apply(); err != nil {
			return err
		}
		if err := private(int(l.Memory)); !errors.Is(err, syscall.ENOMEM) {
			return fmt.Errorf("mapping %d bytes = %v, want ENOMEM", l.Memory, err)
		}
		return nil
	},
	"nice": func(l Limits) error {
		before, err := niceness()
		if err != nil {
			return err
		}
		if err := l.Apply(); err != nil {
			return err
		}
		after, err := niceness()
		if err != nil {
			return err
		}
		for tid, n := range after {
			old, ok := before[tid]
			if ok && n != min(old+l.Nice, 19) {
				return fmt.Errorf("a thread of niceness %d has %d, not %d more", old, n, l.Nice)
			}
		}
		return nil
	},
	"twice": func(l Limits) error {
		if err := l.Apply(); err != nil {
			return err
		}
		l.OpenFiles *= 2 // more than is allowed by now: it stays as it is
		if err := l.Apply(); err != nil {
			return err
		}
		var now unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil || now.Cur != l.OpenFiles/2 {
			return fmt.Errorf("the limit is %d, %v", now.Cur, err)
		}
		return nil
	},
	"rights": func(l Limits) error {
		if err := l.Apply(); err != nil {
			return err
		}
		if n, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); n != 1 || err != nil {
			return fmt.Errorf("no_new_privs = %d, %v", n, err)
		}
		return nil
	},
}

// private maps memory and gives it back.
func private(n int) error {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	return unix.Munmap(b)
}

// niceness returns that of every thread.
func niceness() (map[string]int, error) {
	dirs, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	all := make(map[string]int)
	for _, d := range dirs {
		var tid int
		if _, err := fmt.Sscan(d.Name(), &tid); err != nil {
			return nil, err
		}
		n, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
		if err != nil {
			return nil, err
		}
		all[d.Name()] = 20 - n
	}
	return all, nil
}

func TestApply(t *testing.T) {
	for name, l := range map[string]Limits{
		"open files": {OpenFiles: 40},
		"inherited":  {OpenFiles: 50},
		"file size":  {FileSize: 1000},
		"memory":     {Memory: 1 << 30},
		"nice":       {Nice: 3},
		"twice":      {OpenFiles: 40},
		"rights":     {},
	} {
		t.Run(name, func(t *testing.T) {
			proctest.Check(t)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", childVar+"="+name, limitsVar+"="+l.String(), "TMPDIR="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != "good" {
				t.Errorf("the child ended with %v and said\n%s", err, out)
			}
		})
	}
}
