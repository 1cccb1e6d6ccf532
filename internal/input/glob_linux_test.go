package input_test

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/go-braid/braid/internal/input"
)

// asNobody runs f with the access rights of nobody, if the test runs as root,
// whom permissions do not stop. The file system identity belongs to the thread,
// so f gets one that ends with it.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		if err := unix.Setfsuid(65534); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

func TestUnreadable(t *testing.T) {
	tree(t, "open/a", "closed/b", "closed/in/c", "noenter/d", "secret")
	for name, mode := range map[string]os.FileMode{".": 0o755, "open": 0o755, "closed": 0o711, "closed/in": 0o755, "noenter": 0o700, "secret": 0o600} {
		if os.Geteuid() != 0 && name != "." && name != "open" {
			mode &^= 0o400
			if name == "noenter" {
				mode = 0
			}
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod("closed", 0o755); os.Chmod("closed/in", 0o755); os.Chmod("noenter", 0o755) })

	asNobody(t, func() {
		items, errs := collect(t, input.Config{Globs: []string{"*/*"}})
		mustSay(t, errs,
			"*/*: glob closed/: permission denied; files below it are left out; check its permissions",
			"*/*: glob noenter/: permission denied",
		)
		if got := texts(items); !reflect.DeepEqual(got, []string{"open/a"}) {
			t.Errorf("got %q, want the readable rest", got)
		}

		// A directory that may be entered but not listed, and nothing to list.
		items, errs = collect(t, input.Config{Globs: []string{"closed/b"}})
		mustSay(t, errs)
		if got := texts(items); !reflect.DeepEqual(got, []string{"closed/b"}) {
			t.Errorf("got %q, want closed/b", got)
		}
		// A literal beside a wildcard is found even there.
		items, errs = collect(t, input.Config{Globs: []string{"closed/{b,x*}"}})
		mustSay(t, errs, "glob closed/: permission denied")
		if got := texts(items); !reflect.DeepEqual(got, []string{"closed/b"}) {
			t.Errorf("got %q, want closed/b", got)
		}

		_, errs = collect(t, input.Config{Globs: []string{"noenter/d"}})
		mustSay(t, errs, "glob noenter/d: permission denied")

		_, errs = collect(t, input.Config{Files: []string{"secret"}})
		mustSay(t, errs, "secret: permission denied; check its permissions with ls -l")
	})
}

// Only regular files are inputs: opening a FIFO would block.
func TestGlobSkipsSpecialFiles(t *testing.T) {
	tree(t, "a")
	if err := syscall.Mkfifo("fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	link(t, "fifo", "link")
	if got := globbed(t, "*"); !reflect.DeepEqual(got, []string{"a"}) {
		t.Errorf("got %q, want only the regular file", got)
	}
}

func TestFilesAreClosed(t *testing.T) {
	tree(t)
	write(t, "data", strings.Repeat("1\n", 10))
	path := must(filepath.EvalSymlinks(must(filepath.Abs("data"))))
	open := func() (n int) {
		for _, fd := range must(os.ReadDir("/proc/self/fd")) {
			if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && to == path {
				n++
			}
		}
		return n
	}
	for _, format := range []input.Format{input.Lines, input.CSV, input.NDJSON} {
		for range input.Items(t.Context(), input.Config{Files: []string{"data"}, Format: format}) {
			if open() != 1 {
				t.Fatal("the file is not open in the middle of reading: the test sees nothing")
			}
			break
		}
		if n := open(); n != 0 {
			t.Errorf("%v: %d open after a break", format, n)
		}
		collect(t, input.Config{Files: []string{"data", "data"}, Format: format})
		if n := open(); n != 0 {
			t.Errorf("%v: %d open after the end", format, n)
		}
	}
}
