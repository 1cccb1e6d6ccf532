//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/multiprocessing"
	"golang.org/x/sys/unix"
)

var hoard [][]byte

var (
	grow = braid.Define("test.grow", func(_ context.Context, most int) (int, error) {
		for n := 0; n < most; n += 1 << 20 {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			hoard = append(hoard, b)
		}
		return len(hoard), nil
	})
	// openMany opens files, and closes them only if it is to.
	openMany = braid.Define("test.openMany", func(_ context.Context, n int) (int, error) {
		var files []*os.File
		if n > 0 {
			defer func() {
				for _, f := range files {
					f.Close()
				}
			}()
		}
		for range max(n, -n) {
			f, err := os.Open(os.DevNull)
			if err != nil {
				return len(files), err
			}
			files = append(files, f)
		}
		leaked = append(leaked, files...)
		return len(files), nil
	})
	writeFile = braid.Define("test.writeFile", func(_ context.Context, path string) (int, error) {
		return 0, os.WriteFile(path, make([]byte, 4<<20), 0o600)
	})
	environment = braid.Define("test.environment", func(context.Context, struct{}) ([]string, error) {
		return os.Environ(), nil
	})
	giant  = braid.Define("test.giant", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })
	lsopen = braid.Define("test.lsopen", func(context.Context, struct{}) ([]string, error) {
		names, err := filepath.Glob("/proc/self/fd/*")
		var open []string
		for _, n := range names {
			if to, err := os.Readlink(n); err == nil {
				open = append(open, to)
			}
		}
		return open, err
	})
	whereabouts = braid.Define("test.whereabouts", func(context.Context, struct{}) (string, error) { return os.Getwd() })
)

// leaked are files that nobody closes.
var leaked []*os.File

// TestLimits: each limit ends or hinders the task, and the error says which it was.
// Calls beside it notice nothing.
func TestLimits(t *testing.T) {
	needsLinux(t, "limits of memory need Linux")
	ctx := context.Background()
	t.Run("memory", func(t *testing.T) {
		if raceEnabled {
			t.Skip("the race detector takes more than there is")
		}
		p := newPool(t, multiprocessing.Config{Workers: 2, MemoryLimit: 128 << 20, Output: hush})
		stop := beside(t, p)
		_, err := outcome(t, braid.Submit(ctx, p, grow, 1<<30))
		if c := crashOf(t, err); !c.OOM || c.Phase != engine.PhaseRun {
			t.Errorf("a task that takes too much: %v", err)
		}
		// An argument that is more than a worker can take, too, is not tried for ever.
		_, err = outcome(t, braid.Submit(ctx, p, echo, make([]byte, 256<<20)))
		if c := crashOf(t, err); !c.OOM || !errors.Is(err, braid.ErrNotStarted) || !errors.Is(err, braid.ErrPoison) {
			t.Errorf("an argument that is too much: %v", err)
		}
		stop()
		wantSquare(t, p)
	})
	t.Run("processor time", func(t *testing.T) {
		p := newPool(t, multiprocessing.Config{Workers: 1, CPUTimeLimit: time.Second, Output: hush})
		_, err := outcome(t, braid.Submit(ctx, p, misbehave, "busy"))
		if c := crashOf(t, err); c.Signal != "SIGXCPU" || c.UserTime < 500*time.Millisecond {
			t.Errorf("%v", err)
		}
		wantSquare(t, p)
	})
	t.Run("descriptors", func(t *testing.T) {
		p := newPool(t, multiprocessing.Config{Workers: 2, OpenFiles: 64, Nice: 3, Output: hush})
		stop := beside(t, p)
		n, err := outcome(t, braid.Submit(ctx, p, openMany, 100))
		if !errors.Is(err, syscall.EMFILE) {
			t.Errorf("%d files: %v", n, err)
		}
		// A worker that has leaked nearly all of its descriptors serves all the same.
		for range 4 {
			if _, err := outcome(t, braid.Submit(ctx, p, openMany, -10)); err != nil && !errors.Is(err, syscall.EMFILE) {
				t.Error(err)
			}
		}
		for range 100 {
			if b, err := outcome(t, braid.Submit(ctx, p, echo, make([]byte, 300<<10))); err != nil || len(b) != 300<<10 {
				t.Errorf("%d bytes, %v", len(b), err)
			}
		}
		stop()
		if got := p.Statistics().Deaths; got != 0 {
			t.Errorf("%d workers died", got)
		}
	})
	t.Run("size of files", func(t *testing.T) {
		p := newPool(t, multiprocessing.Config{Workers: 2, FileSize: 4096, Output: hush})
		stop := beside(t, p)
		if _, err := outcome(t, braid.Submit(ctx, p, writeFile, t.TempDir()+"/f")); !errors.Is(err, syscall.EFBIG) {
			t.Error(err)
		}
		// What goes through shared memory is no file in this sense.
		if b, err := outcome(t, braid.Submit(ctx, p, echo, make([]byte, 8<<20))); err != nil || len(b) != 8<<20 {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		stop()
	})
}

// TestTooLarge: what is larger than the limit fails alone, on either side; what is as
// large as it passes.
func TestTooLarge(t *testing.T) {
	const limit = 1 << 20
	for _, pipes := range []bool{false, true} {
		t.Run(map[bool]string{false: "ring", true: "pipes"}[pipes], func(t *testing.T) {
			p := newPool(t, multiprocessing.Config{Workers: 2, MaxMessage: limit, Pipes: pipes})
			stop := beside(t, p)
			ctx := context.Background()
			// A slice of bytes has up to eight bytes before it.
			for _, n := range []int{0, 1, limit - 9, limit - 8} {
				if got, err := outcome(t, braid.Submit(ctx, p, echo, make([]byte, n))); err != nil || len(got) != n {
					t.Errorf("%d bytes: %d came back, %v", n, len(got), err)
				}
			}
			for _, n := range []int{limit, limit + 1, 3 * limit} {
				_, err := outcome(t, braid.Submit(ctx, p, echo, make([]byte, n)))
				if c, ok := errors.AsType[*engine.CodecError](err); !ok || c.Phase != engine.PhaseSubmit || !errors.Is(err, braid.ErrNotStarted) || !strings.Contains(err.Error(), "MaxMessage") {
					t.Errorf("an argument of %d bytes: %v", n, err)
				}
				_, err = outcome(t, braid.Submit(ctx, p, giant, n))
				if c, ok := errors.AsType[*engine.CodecError](err); !ok || c.Phase != engine.PhaseEncode || !strings.Contains(err.Error(), "MaxMessage") {
					t.Errorf("a result of %d bytes: %v", n, err)
				}
			}
			// In batches, too.
			i := 0
			for got, err := range braid.Map(ctx, p, giant, slices.Values([]int{10, limit + 1, 20, 2 * limit, 30})) {
				if big := i%2 == 1; (err != nil) != big || !big && len(got) != (i/2+1)*10 {
					t.Errorf("result %d: %d bytes, %v", i, len(got), err)
				}
				i++
			}
			stop()
			if got := p.Statistics().Deaths; got != 0 {
				t.Errorf("%d workers died", got)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("BRAID_TEST_SECRET", "x")
	t.Setenv("BRAID_TEST_SHARED", "y")
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1, Env: []string{"PATH", "BRAID_TEST_SH*", "MADE=up", "GORACE"}})
	env, err := braid.Submit(ctx, p, environment, struct{}{}).Await(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range env {
		if name, _, _ := strings.Cut(e, "="); !slices.Contains([]string{"PATH", "BRAID_TEST_SHARED", "MADE", "GOMAXPROCS", "GORACE"}, name) {
			t.Errorf("the worker has inherited %s", e)
		}
	}
	if !slices.Contains(env, "BRAID_TEST_SHARED=y") || !slices.Contains(env, "MADE=up") {
		t.Errorf("the worker lacks variables: %v", env)
	}
}

// TestInheritance: a worker has the descriptors that it needs, and none of those that
// the program happens to have open, whether they are marked close-on-exec or not, and
// however many siblings it has.
func TestInheritance(t *testing.T) {
	needsLinux(t, "descriptors are listed on Linux only")
	secret := filepath.Join(t.TempDir(), "secret")
	for _, flags := range []int{unix.O_CLOEXEC, 0} {
		fd, err := unix.Open(secret, unix.O_CREAT|unix.O_RDWR|flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	ctx, p := context.Background(), newPool(t, multiprocessing.Config{Workers: 6, MaxTasksPerWorker: 1, Output: hush})
	var first []string
	for range 3 {
		var fs []*braid.Future[[]string]
		for range 6 {
			fs = append(fs, braid.Submit(ctx, p, lsopen, struct{}{}))
		}
		for _, f := range fs {
			open, err := outcome(t, f)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(open, func(to string) bool { return strings.Contains(to, "secret") }) {
				t.Errorf("a worker has inherited %v", open)
			}
			if first == nil {
				first = open
			}
			// The poller of the runtime and the list itself come and go.
			if d := len(open) - len(first); d < -4 || d > 4 || len(open) > 24 {
				t.Errorf("a worker has %d descriptors, another one %d: %v", len(open), len(first), open)
			}
		}
	}
}

// TestNoCore: a crash leaves no core dump.
func TestNoCore(t *testing.T) {
	dir := t.TempDir()
	p := newPool(t, multiprocessing.Config{Workers: 1, Dir: dir, Output: hush, Env: append(multiprocessing.DefaultEnv, "GOTRACEBACK=crash")})
	if wd, err := outcome(t, braid.Submit(context.Background(), p, whereabouts, struct{}{})); err != nil || filepath.Base(wd) != filepath.Base(dir) {
		t.Errorf("the worker is in %s, not in %s: %v", wd, dir, err)
	}
	for _, how := range []string{"kill 6", "kill 11", "unlock", "elsewhere"} {
		_, err := outcome(t, braid.Submit(context.Background(), p, misbehave, how))
		crashOf(t, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestNoListener: neither the program nor a worker has a socket to which others could
// connect.
func TestNoListener(t *testing.T) {
	needsLinux(t, "sockets are listed on Linux only")
	for _, pipes := range []bool{false, true} {
		t.Run(map[bool]string{false: "ring", true: "pipes"}[pipes], func(t *testing.T) {
			p := newPool(t, multiprocessing.Config{Workers: 2, Pipes: pipes})
			wantSquare(t, p)
			listening := make(map[string]string) // by the number that descriptors show
			for _, kind := range []string{"tcp", "tcp6", "unix"} {
				b, err := os.ReadFile("/proc/self/net/" + kind)
				if err != nil {
					continue
				}
				for line := range strings.Lines(string(b)) {
					switch fields := strings.Fields(line); {
					case kind == "unix" && len(fields) >= 7 && fields[3] == "00010000":
						listening["socket:["+fields[6]+"]"] = line
					case kind != "unix" && len(fields) >= 10 && fields[3] == "0A":
						listening["socket:["+fields[9]+"]"] = line
					}
				}
			}
			pids := []int{os.Getpid()}
			for _, w := range p.Workers() {
				pids = append(pids, w.PID)
			}
			sockets := 0
			for _, pid := range pids {
				names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
				for _, n := range names {
					to, _ := os.Readlink(n)
					if strings.HasPrefix(to, "socket:") {
						sockets++
					}
					if l, ok := listening[to]; ok {
						t.Errorf("process %d listens: %s", pid, l)
					}
				}
			}
			if sockets < 2 {
				t.Errorf("%d sockets were found: this tests nothing", sockets)
			}
		})
	}
}
