package multiprocessing_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
	"golang.org/x/sys/unix"
)

// markEnv marks a program and all that it starts, so that the test can tell what is left
// of them.
const markEnv = "BRAID_TEST_MARK"

// A parent is a program that uses worker processes, and that something happens to.
type parent struct {
	cmd  *exec.Cmd
	out  *bufio.Reader
	mark string
}

// startParent starts this test binary as the program how.
func startParent(t *testing.T, how string) *parent {
	t.Helper()
	p := &parent{mark: fmt.Sprintf("%d-%d", os.Getpid(), rand.Uint64())}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), asProgram+"="+how, markEnv+"="+p.mark)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

// until reads what the program writes, up to a line.
func (p *parent) until(t *testing.T, line string) {
	t.Helper()
	var seen []string
	for {
		s, err := p.out.ReadString('\n')
		if s = strings.TrimSpace(s); s == line {
			return
		}
		seen = append(seen, s)
		if err != nil {
			t.Fatalf("the program did not say %q but %q", line, seen)
		}
	}
}

// family returns the processes that bear the mark; zombies do not count.
func (p *parent) family() []int {
	names, _ := filepath.Glob("/proc/[0-9]*/environ")
	var pids []int
	for _, n := range names {
		env, err := os.ReadFile(n)
		if err != nil || !bytes.Contains(env, []byte(markEnv+"="+p.mark)) {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(n, "/")[2]); err == nil && isAlive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// wantNobody waits until the program is gone, with all that it had started.
func (p *parent) wantNobody(t *testing.T) {
	t.Helper()
	_, _ = io.Copy(io.Discard, p.out)
	_ = p.cmd.Wait()
	eventually(t, "the program's processes are gone", func() bool { return len(p.family()) == 0 })
}

// programPool returns the pool of a program.
func programPool(c multiprocessing.Config) *multiprocessing.Pool {
	c.Env = append(multiprocessing.DefaultEnv, markEnv)
	p, err := multiprocessing.NewPool(c)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return p
}

// busyPool returns a pool with two workers, which run calls if they are to be busy.
func busyPool(busy bool) *multiprocessing.Pool {
	tell := newTeller()
	p := programPool(multiprocessing.Config{Workers: 2, Grace: time.Hour, Output: tell.output})
	ctx := context.Background()
	if busy {
		for range 2 {
			braid.Submit(ctx, p, misbehave, "tell busy")
		}
		<-tell
		<-tell
	} else {
		_, _ = braid.Submit(ctx, p, square, 1).Await(ctx)
	}
	return p
}

// programs are what startParent can start.
var programs = map[string]func(){
	"idle": func() {
		busyPool(false)
		fmt.Println("ready")
		select {}
	},
	"busy": func() {
		busyPool(true)
		fmt.Println("ready")
		select {}
	},
	"exits": func() {
		busyPool(true)
		fmt.Println("ready")
		os.Exit(3)
	},
	"panics": func() {
		busyPool(true)
		fmt.Println("ready")
		panic("the program is broken")
	},
	"nested": func() {
		tell := newTeller()
		p := programPool(multiprocessing.Config{Workers: 1, Output: tell.output})
		braid.Submit(context.Background(), p, nestDeep, struct{}{})
		<-tell
		fmt.Println("ready")
		select {}
	},
	"spawning": func() {
		p := programPool(multiprocessing.Config{Workers: 3, MaxTasksPerWorker: 1})
		for range 3 {
			go func() {
				for {
					_, _ = braid.Submit(context.Background(), p, square, 1).Await(context.Background())
				}
			}()
		}
		_, _ = braid.Submit(context.Background(), p, square, 1).Await(context.Background())
		fmt.Println("ready")
		select {}
	},
	// A value whose method ends the program: on its way out, and on its way home.
	"submit exits": func() {
		p := busyPool(true)
		fmt.Println("ready")
		_, _ = braid.Submit(context.Background(), programPool(multiprocessing.Config{}), carry, cargo{"submit", "exit 3"}).Await(context.Background())
		_ = p
	},
	"result exits": func() {
		p := busyPool(true)
		fmt.Println("ready")
		_, _ = braid.Submit(context.Background(), programPool(multiprocessing.Config{}), carry, cargo{"result", "kill 9"}).Await(context.Background())
		_ = p
	},
	"descriptors": withoutDescriptors,
	"without standard files": func() {
		p := programPool(multiprocessing.Config{Workers: 2})
		ctx := context.Background()
		for i := range 4 {
			if n, err := braid.Submit(ctx, p, square, i).Await(ctx); err != nil || n != i*i {
				os.Exit(1)
			}
		}
		if _, err := braid.Submit(ctx, p, chatter, 3).Await(ctx); err != nil {
			os.Exit(2)
		}
		if p.Close(ctx) != nil {
			os.Exit(3)
		}
		os.Exit(42)
	},
	"closes": func() {
		p := busyPool(true)
		fmt.Println("ready")
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.Close(ctx) // the grace is an hour
	},
}

// nestDeep has a pool of its own, which is busy.
var nestDeep = braid.Define("test.nestDeep", func(ctx context.Context, _ struct{}) (int, error) {
	tell := newTeller()
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2, Nested: true, Output: tell.output,
		Env: append(multiprocessing.DefaultEnv, markEnv)})
	if err != nil {
		return 0, err
	}
	for range 2 {
		braid.Submit(context.Background(), p, misbehave, "tell busy")
	}
	<-tell
	<-tell
	fmt.Println("running", os.Getpid())
	select {}
})

func program(how string) {
	f, ok := programs[how]
	if !ok {
		f = programs["idle"]
	}
	f()
	os.Exit(0)
}

// TestParentDies: however the program ends, and whatever it was doing, no worker outlives
// it, nor the workers of one.
func TestParentDies(t *testing.T) {
	kill := func(p *parent) { _ = p.cmd.Process.Kill() }
	for _, c := range []struct {
		name, how string
		end       func(*parent)
	}{
		{"killed when idle", "idle", kill},
		{"killed when busy", "busy", kill},
		{"killed with workers of workers", "nested", kill},
		{"killed when it closes", "closes", kill},
		{"stopped, then killed", "busy", func(p *parent) {
			_ = p.cmd.Process.Signal(syscall.SIGSTOP)
			for stateOf(p.cmd.Process.Pid) != "T" {
			}
			kill(p)
		}},
		{"stopped when idle, then killed", "idle", func(p *parent) {
			_ = p.cmd.Process.Signal(syscall.SIGSTOP)
			kill(p)
		}},
		{"workers stopped, then killed", "busy", func(p *parent) {
			for _, pid := range p.family() {
				if pid != p.cmd.Process.Pid {
					_ = syscall.Kill(pid, syscall.SIGSTOP)
				}
			}
			kill(p)
		}},
		{"terminated", "busy", func(p *parent) { _ = p.cmd.Process.Signal(syscall.SIGTERM) }},
		{"interrupted in a terminal", "busy", func(p *parent) { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT) }},
		{"aborted", "busy", func(p *parent) { _ = p.cmd.Process.Signal(syscall.SIGABRT) }},
		{"exits", "exits", func(*parent) {}},
		{"panics", "panics", func(*parent) {}},
		{"ended by an argument", "submit exits", func(*parent) {}},
		{"ended by a result", "result exits", func(*parent) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			proctest.Check(t)
			p := startParent(t, c.how)
			p.until(t, "ready")
			if n := len(p.family()); c.end != nil && n < 2 && c.how != "exits" && c.how != "panics" && !strings.HasSuffix(c.how, " exits") {
				t.Errorf("the program had %d processes: this tests nothing", n)
			}
			c.end(p)
			p.wantNobody(t)
		})
	}
}

// TestParentKilledWhileSpawning kills the program at random moments while it starts one
// worker after the other.
func TestParentKilledWhileSpawning(t *testing.T) {
	n := some(20)
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		p := startParent(t, "spawning")
		p.until(t, "ready")
		for spin := time.Now().Add(time.Duration(r.IntN(5000)) * time.Microsecond); time.Now().Before(spin); {
		}
		_ = p.cmd.Process.Kill()
		p.wantNobody(t)
	}
}

// withoutDescriptors is a program that runs out of descriptors. The workers that it has
// serve on, and when there is room again there are more of them.
func withoutDescriptors() {
	fail := func(format string, args ...any) {
		fmt.Printf(format+"\n", args...)
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	p := programPool(multiprocessing.Config{Workers: 4})
	if _, err := braid.Submit(ctx, p, square, 1).Await(ctx); err != nil {
		fail("the first call: %v", err)
	}
	limit := unix.Rlimit{Cur: 80, Max: 80}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		fail("the limit: %v", err)
	}
	var fds []int
	for {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			break
		}
		fds = append(fds, fd)
	}
	for range 50 { // with more calls than workers, so that more are wanted
		var fs []*braid.Future[int]
		for i := range 4 {
			fs = append(fs, braid.Submit(ctx, p, innocent, i))
		}
		for i, f := range fs {
			if got, err := f.Await(ctx); err != nil || got != i+1 {
				fail("a call: %d, %v", got, err)
			}
		}
	}
	if n := p.Statistics().Workers; n != 1 {
		fail("there are %d workers", n)
	}
	// A pool that has no worker at all says why it is broken.
	none := programPool(multiprocessing.Config{Workers: 1})
	_, err := braid.Submit(ctx, none, square, 1).Await(ctx)
	if !errors.Is(err, multiprocessing.ErrBroken) || !errors.Is(err, syscall.EMFILE) || !errors.Is(err, braid.ErrNotStarted) {
		fail("a pool without workers: %v", err)
	}
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
	for p.Statistics().Workers < 4 {
		var fs []*braid.Future[int]
		for i := range 8 {
			fs = append(fs, braid.Submit(ctx, p, innocent, i))
		}
		for _, f := range fs {
			if _, err := f.Await(ctx); err != nil {
				fail("a call: %v", err)
			}
		}
	}
	if err := p.Close(ctx); err != nil {
		fail("Close: %v", err)
	}
	if err := none.Close(ctx); err != nil {
		fail("Close of the other: %v", err)
	}
	fmt.Println("good")
}

// TestParentWithoutDescriptors has a program run out of descriptors.
func TestParentWithoutDescriptors(t *testing.T) {
	proctest.Check(t)
	p := startParent(t, "descriptors")
	p.until(t, "good")
	p.wantNobody(t)
}

// TestNestedDies: the workers of a worker die with it.
func TestNestedDies(t *testing.T) {
	mark := &parent{mark: fmt.Sprintf("%d-%d", os.Getpid(), rand.Uint64())}
	tell := newTeller()
	p := newPool(t, multiprocessing.Config{Workers: 1, Output: tell.output,
		Env: append(multiprocessing.DefaultEnv, markEnv+"="+mark.mark)})
	f := braid.Submit(context.Background(), p, nestDeep, struct{}{})
	pid := tell.next(t)
	if n := len(mark.family()); n != 3 {
		t.Errorf("there are %d processes, want 3", n)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	_, err := outcome(t, f)
	crashOf(t, err)
	eventually(t, "the workers of the worker are dead", func() bool { return len(mark.family()) == 0 })
	wantSquare(t, p)
}
