//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

var (
	badInit = braid.Define("test.badInit", func(ctx context.Context, how string) (int, error) {
		return misbehaving(ctx, how)
	})
	hangInit = braid.Define("test.hangInit", func(ctx context.Context, path string) (int, error) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return 0, err
		}
		select {}
	})
)

// TestStartFailures: workers that do not become ready break the pool, with the reason,
// and every call is told. It does not depend on where the start fails.
func TestStartFailures(t *testing.T) {
	crash := func(code int, signal, reason string) func(error) bool {
		return func(err error) bool {
			c, ok := errors.AsType[*braid.CrashError](err)
			return ok && c.ExitCode == code && c.Signal == signal && strings.Contains(c.Reason+c.Stderr, reason)
		}
	}
	env := func(v string) multiprocessing.Config {
		return multiprocessing.Config{Env: append(multiprocessing.DefaultEnv, initEnv+"="+v)}
	}
	bad := func(how string) multiprocessing.Config {
		return multiprocessing.Config{Init: multiprocessing.Task(badInit, how)}
	}
	late := func(c multiprocessing.Config) multiprocessing.Config {
		c.StartTimeout, c.Heartbeat = 50*time.Millisecond, 50*time.Millisecond
		return c
	}
	for name, c := range map[string]struct {
		cfg  multiprocessing.Config
		want func(error) bool
	}{
		"no such directory": {multiprocessing.Config{Dir: "/nonexistent"}, func(err error) bool { return errors.Is(err, os.ErrNotExist) }},
		"package: exit":     {env("exit 5"), crash(5, "", "")},
		"package: exit 0":   {env("exit 0"), crash(0, "", "")},
		"package: panic":    {env("panic"), crash(2, "", "panic: boom")},
		"package: fault":    {env("kill 11"), crash(2, "SIGSEGV", "SIGSEGV")},
		"package: hang":     {late(env("deaf")), crash(-1, "SIGKILL", "")},
		"package: busy":     {late(env("busy")), crash(-1, "SIGKILL", "")},
		"package: closes all": {late(env("close")), func(err error) bool { // whoever notices first
			_, ok := errors.AsType[*braid.CrashError](err)
			return ok
		}},
		"Init: error": {bad("sentinel"), func(err error) bool { return errors.Is(err, errSentinel) }},
		"Init: panic": {bad("panic"), func(err error) bool {
			p, ok := errors.AsType[*braid.PanicError](err)
			return ok && p.Value == "boom"
		}},
		"Init: goexit": {bad("goexit"), func(err error) bool { return errors.Is(err, braid.ErrGoexit) }},
		"Init: exit":   {bad("exit 9"), crash(9, "", "")},
		"Init: fatal":  {bad("unlock"), crash(2, "", "fatal error: sync: unlock of unlocked mutex")},
		"Init: hang":   {late(bad("deaf")), crash(-1, "SIGKILL", "")},
		"Init: stop":   {late(bad("stop")), crash(-1, "SIGKILL", "")},
		"Init: close":  {late(bad("close")), func(err error) bool { return true }}, // whoever notices first
	} {
		t.Run(name, func(t *testing.T) {
			cfg := c.cfg
			cfg.Workers, cfg.Output = 2, hush
			p := newPool(t, cfg)
			ctx := context.Background()
			var fs []*braid.Future[int]
			for i := range 6 {
				fs = append(fs, braid.Submit(ctx, p, square, i))
			}
			for _, f := range fs {
				_, err := outcome(t, f)
				if !errors.Is(err, multiprocessing.ErrBroken) || !errors.Is(err, braid.ErrNotStarted) || !c.want(err) {
					t.Errorf("a call: %v", err)
				}
			}
			if _, err := outcome(t, braid.Submit(ctx, p, square, 1)); !errors.Is(err, multiprocessing.ErrBroken) {
				t.Errorf("a later call: %v", err)
			}
		})
	}
}

// TestStartRecovers: a start that fails is tried again.
func TestStartRecovers(t *testing.T) {
	needsLinux(t, "whether a process is stopped is known on Linux only")
	for _, how := range []string{"exit 3", "panic", "kill 9", "stop"} {
		t.Run(how, func(t *testing.T) {
			p := newPool(t, multiprocessing.Config{Workers: 2, Output: hush, Heartbeat: 100 * time.Millisecond,
				Env: append(multiprocessing.DefaultEnv, initEnv+"="+how, onceEnv+"="+t.TempDir()+"/once")})
			wantSquare(t, p)
			wantSquare(t, p)
		})
	}
}

// TestKilledAtStart: workers that somebody kills before they are ready do not break the
// pool.
func TestKilledAtStart(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			p := newPool(t, multiprocessing.Config{Workers: 1})
			f := braid.Submit(context.Background(), p, square, 9)
			killed := make(map[int]bool)
			eventually(t, "eight workers are killed", func() bool {
				for _, w := range p.Workers() {
					if !killed[w.PID] && syscall.Kill(w.PID, sig) == nil {
						killed[w.PID] = true
					}
				}
				select {
				case <-f.Done():
					return true // one was faster than the killer
				default:
					return len(killed) >= 8
				}
			})
			if got, err := outcome(t, f); err != nil || got != 81 {
				t.Errorf("the call that waited: %d, %v", got, err)
			}
		})
	}
}

// TestCloseDuringStart: a worker that hangs before it is ready does not hold up Close,
// whenever that is called.
func TestCloseDuringStart(t *testing.T) {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	n := some(20)
	for i := range n {
		path := t.TempDir() + "/hangs"
		p := newPool(t, multiprocessing.Config{Workers: 1, Init: multiprocessing.Task(hangInit, path)})
		f := braid.Submit(context.Background(), p, square, 1)
		switch i % 3 {
		case 0: // when it hangs
			eventually(t, "a worker hangs", func() bool { _, err := os.Stat(path); return err == nil })
		case 1: // when there is a process
			eventually(t, "a worker is started", func() bool { return len(p.Workers()) > 0 })
		case 2: // right away
		}
		closed := make(chan error, 1)
		go func() { closed <- p.Close(done) }()
		select {
		case err := <-closed:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Close: %v", err)
			}
		case <-time.After(15 * time.Second): // the start may take 30
			t.Fatal("Close waits for the worker")
		}
		if _, err := outcome(t, f); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("the call: %v", err)
		}
		if s := p.Statistics(); s.Deaths != 0 || s.Workers != 0 || s.Starting != 0 {
			t.Errorf("a worker that was not needed any more counts: %+v", s)
		}
	}
}

// TestRole: a process that is started as a worker by somebody else than the program, or
// by a program of another version, says so and ends.
func TestRole(t *testing.T) {
	proctest.Check(t)
	for role, want := range map[string]string{
		"99;ring;100;0,0,0,0,0": "the worker's protocol has version 99",
		"":                      "BRAID_WORKER",
		"1":                     "BRAID_WORKER",
		"x;ring;100;0,0,0,0,0":  "the worker's protocol has version x",
		"1;ring;y;0,0,0,0,0":    "cannot start",
		"1;ring;100;0,0":        "cannot start",
		"1;ring;100;0,0,0,0,0":  "cannot talk to the program",
		"1;stream;9;0,0,0,0,0":  "cannot talk to the program",
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "BRAID_WORKER="+role)
		out, err := cmd.CombinedOutput()
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.ExitCode() != 70 || !strings.Contains(string(out), want) {
			t.Errorf("the role %q: %v\n%s", role, err, out)
		}
	}
}

// TestNoMain: a program without Main is told what to add, and starts nothing.
func TestNoMain(t *testing.T) {
	cmd := exec.CommandContext(deadline(t), os.Args[0])
	cmd.Env = append(os.Environ(), asProgram+"=without Main")
	out, _ := cmd.Output()
	if !strings.Contains(string(out), `add the line "multiprocessing.Main()"`) {
		t.Errorf("it printed %q", out)
	}
}
