//go:build unix

package multiprocessing_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
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
	burn = braid.Define("test.burn", func(context.Context, struct{}) (int, error) {
		for n := 0; ; n++ {
			if n < 0 {
				return n, nil
			}
		}
	})
	openMany = braid.Define("test.openMany", func(_ context.Context, n int) (int, error) {
		var files []*os.File
		defer func() {
			for _, f := range files {
				f.Close()
			}
		}()
		for range n {
			f, err := os.Open(os.DevNull)
			if err != nil {
				return len(files), err
			}
			files = append(files, f)
		}
		return len(files), nil
	})
	writeFile = braid.Define("test.writeFile", func(_ context.Context, path string) (int, error) {
		return 0, os.WriteFile(path, make([]byte, 1<<20), 0o600)
	})
	environment = braid.Define("test.environment", func(context.Context, struct{}) ([]string, error) {
		return os.Environ(), nil
	})
	nest = braid.Define("test.nest", func(_ context.Context, allowed bool) (string, error) {
		p, err := multiprocessing.NewPool(multiprocessing.Config{Nested: allowed, Workers: 1})
		if err != nil {
			return "", err
		}
		ctx := context.Background()
		defer p.Close(ctx)
		n, err := braid.Submit(ctx, p, square, 12).Await(ctx)
		return strconv.Itoa(n), err
	})
	giant = braid.Define("test.giant", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })
)

// TestLimits: each limit ends or hinders the task, and the error says which it was.
func TestLimits(t *testing.T) {
	if runtime.GOOS != "linux" {
		proctest.Skip(t, "limits of memory need Linux")
	}
	ctx := deadline(t)
	quiet := func(multiprocessing.Output) {}
	if !raceEnabled { // the race detector takes more than there is
		p := newPool(t, multiprocessing.Config{Workers: 1, MemoryLimit: 128 << 20, Output: quiet})
		_, err := braid.Submit(ctx, p, grow, 1<<30).Await(ctx)
		if crash, ok := errors.AsType[*braid.CrashError](err); !ok || !crash.OOM {
			t.Errorf("memory: %v", err)
		}
	}
	p := newPool(t, multiprocessing.Config{Workers: 1, CPUTimeLimit: time.Second, Output: quiet})
	_, err := braid.Submit(ctx, p, burn, struct{}{}).Await(ctx)
	if crash, ok := errors.AsType[*braid.CrashError](err); !ok || crash.Signal != "SIGXCPU" || crash.UserTime < 500*time.Millisecond {
		t.Errorf("processor time: %v", err)
	}
	p = newPool(t, multiprocessing.Config{Workers: 1, OpenFiles: 64, FileSize: 4096, Nice: 3, Output: quiet})
	n, err := braid.Submit(ctx, p, openMany, 100).Await(ctx)
	if !errors.Is(err, syscall.EMFILE) {
		t.Errorf("open files: %d, %v", n, err)
	}
	if _, err := braid.Submit(ctx, p, writeFile, t.TempDir()+"/f").Await(ctx); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("file size: %v", err)
	}
	if got, err := braid.Submit(ctx, p, square, 7).Await(ctx); err != nil || got != 49 {
		t.Errorf("afterwards: %d, %v", got, err)
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

func TestNested(t *testing.T) {
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1})
	if _, err := braid.Submit(ctx, p, nest, false).Await(ctx); err == nil || !strings.Contains(err.Error(), "Nested: true") {
		t.Errorf("a pool in a worker: %v", err)
	}
	if got, err := braid.Submit(ctx, p, nest, true).Await(ctx); err != nil || got != "144" {
		t.Errorf("a pool in a worker that is allowed: %q, %v", got, err)
	}
}

// TestTooLarge: what is larger than the limit fails alone, on either side.
func TestTooLarge(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1, MaxMessage: 1 << 20, Pipes: pipes})
		if _, err := braid.Submit(ctx, p, echo, make([]byte, 1<<20)).Await(ctx); !errors.Is(err, braid.ErrNotStarted) || !strings.Contains(err.Error(), "MaxMessage") {
			t.Errorf("an argument that is too large: %v", err)
		}
		_, err := braid.Submit(ctx, p, giant, 2<<20).Await(ctx)
		if codec, ok := errors.AsType[*engine.CodecError](err); !ok || codec.Phase != engine.PhaseEncode {
			t.Errorf("a result that is too large: %v", err)
		}
		if got, err := braid.Submit(ctx, p, square, 3).Await(ctx); err != nil || got != 9 || p.Statistics().Deaths != 0 {
			t.Errorf("afterwards: %d, %v", got, err)
		}
	}
}

// asProgram has the test binary play a program that uses worker processes.
const asProgram = "BRAID_TEST_PROGRAM"

func program(how string) {
	ctx := context.Background()
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2, Grace: time.Hour})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var fs []*braid.Future[int]
	for range 2 {
		fs = append(fs, braid.Submit(ctx, p, whoami, struct{}{}))
	}
	for _, f := range fs {
		_, _ = f.Await(ctx)
	}
	for how == "busy" && len(p.Workers()) < 2 {
		runtime.Gosched()
	}
	if how == "busy" {
		for range 2 {
			braid.Submit(ctx, p, misbehave, "busy")
		}
		for p.Statistics().Running < 2 {
			runtime.Gosched()
		}
	}
	for _, w := range p.Workers() {
		fmt.Println("worker", w.PID)
	}
	fmt.Println("ready")
	select {}
}

// TestParentKilled: no worker outlives the program, busy or idle.
func TestParentKilled(t *testing.T) {
	for _, how := range []string{"idle", "busy"} {
		cmd := exec.CommandContext(deadline(t), os.Args[0])
		cmd.Env = append(os.Environ(), asProgram+"="+how)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var pids []int
		for in := bufio.NewScanner(out); in.Scan() && in.Text() != "ready"; {
			var pid int
			if _, err := fmt.Sscanf(in.Text(), "worker %d", &pid); err == nil {
				pids = append(pids, pid)
			}
		}
		_ = cmd.Process.Kill()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
		if len(pids) == 0 {
			t.Fatalf("%s: the program had no workers", how)
		}
		for _, pid := range pids {
			eventually(t, how+": a worker dies with the program", func() bool { return !isAlive(pid) })
		}
	}
}
