//go:build unix

package cli

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/go-braid/braid"
)

// A live braid runs beside the test, in its own process group as under a shell.
type live struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  bytes.Buffer
	talk *bufio.Reader
	said strings.Builder
}

func start(t *testing.T, args ...string) *live {
	t.Helper()
	l := &live{t: t, cmd: exec.CommandContext(t.Context(), "braid", args...)}
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	l.cmd.Stdout = &l.out
	talk, err := l.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	l.talk = bufio.NewReader(talk)
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return l
}

// hears waits for a line on standard error that holds a text, and returns it.
func (l *live) hears(text string) string {
	l.t.Helper()
	for {
		s, err := l.talk.ReadString('\n')
		l.said.WriteString(s)
		if strings.Contains(s, text) {
			return s
		}
		if err != nil {
			l.t.Fatalf("braid never said %q: %v; it said:\n%s", text, err, l.said.String())
		}
	}
}

func (l *live) signal(s os.Signal) {
	l.t.Helper()
	if err := l.cmd.Process.Signal(s); err != nil {
		l.t.Fatal(err)
	}
}

// ends waits for the end, and checks the exit code.
func (l *live) ends(code int) outcome {
	l.t.Helper()
	_, _ = io.Copy(&l.said, l.talk)
	_ = l.cmd.Wait()
	o := outcome{l.cmd.ProcessState.ExitCode(), l.out.String(), l.said.String()}
	o.want(l.t, code)
	return o
}

// A roll is a list that commands enter themselves in when they start, and that
// ends when all of them, and what they have started, are gone: they hold it open.
type roll struct {
	t     *testing.T
	path  string
	lines *bufio.Scanner
}

func newRoll(t *testing.T) *roll {
	r := &roll{t: t, path: filepath.Join(t.TempDir(), "roll")}
	if err := unix.Mkfifo(r.path, 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// enter is what a command does first.
func (r *roll) enter(rest string) string {
	return fmt.Sprintf(`exec 3>%s; echo $$ >&3; %s`, r.path, rest)
}

// wait waits until so many commands have entered, and returns what they are.
func (r *roll) wait(n int) (pids []int) {
	r.t.Helper()
	if r.lines == nil {
		f, err := os.Open(r.path) // waits for the first one
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { f.Close() })
		r.lines = bufio.NewScanner(f)
	}
	for range n {
		var pid int
		if !r.lines.Scan() {
			r.t.Fatalf("a command is missing: %v", r.lines.Err())
		}
		if _, err := fmt.Sscan(r.lines.Text(), &pid); err != nil {
			r.t.Fatalf("%q: %v", r.lines.Text(), err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// empty waits until the commands are gone, and fails if another had entered.
func (r *roll) empty() {
	r.t.Helper()
	if r.lines.Scan() {
		r.t.Errorf("command %s was started", r.lines.Text())
	}
}

// The first Ctrl-C launches nothing more and waits for what runs.
func TestInterruptOnce(t *testing.T) {
	t.Parallel()
	r := newRoll(t)
	dir := t.TempDir()
	for _, name := range []string{"1", "2"} {
		if err := unix.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := start(t, "run", "-k", "-j2", "--", "sh", "-c", r.enter(`read go < `+dir+`/{}; echo done {} $go`), ":::", "1", "2", "3", "4")
	r.wait(2)
	l.signal(os.Interrupt)
	l.hears("braid: interrupted: waiting for what runs; interrupt again to stop it")
	for _, name := range []string{"2", "1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("well\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.empty()
	o := l.ends(130)
	if o.out != "done 1 well\ndone 2 well\n" {
		t.Errorf("printed %q", o.out)
	}
	if !regexp.MustCompile(`braid: 2 (of 4 )?done, \d not tried`).MatchString(o.err) {
		t.Errorf("said:\n%s", o.err)
	}
}

// The second asks what runs to stop; what it has written is printed.
func TestInterruptTwice(t *testing.T) {
	t.Parallel()
	r := newRoll(t)
	l := start(t, "run", "-j2", "--", "sh", "-c", "echo part {}; "+r.enter(`sleep 1000; echo all`), ":::", "1", "2", "3", "4")
	r.wait(2)
	l.signal(os.Interrupt)
	l.hears("interrupted")
	l.signal(os.Interrupt)
	l.hears("braid: stopping what runs; interrupt again to kill it")
	r.empty()
	o := l.ends(130)
	if !strings.Contains(o.out, "part 1\n") || !strings.Contains(o.out, "part 2\n") || strings.Contains(o.out, "all") {
		t.Errorf("printed %q", o.out)
	}
	if n := strings.Count(o.err, "stopped: the run was terminated"); n != 2 {
		t.Errorf("%d were said to be stopped:\n%s", n, o.err)
	}
}

// The third kills, together with what the commands have started.
func TestInterruptThrice(t *testing.T) {
	t.Parallel()
	r := newRoll(t)
	l := start(t, "run", "-j2", "--", "sh", "-c", r.enter(`trap '' TERM INT; while :; do sleep 1000; done`), ":::", "1", "2", "3", "4")
	r.wait(2)
	for _, says := range []string{"interrupted", "stopping", "braid: killed"} {
		l.signal(os.Interrupt)
		l.hears(says)
	}
	r.empty()
	l.ends(130)
}

// SIGTERM stops at once what runs.
func TestTerminate(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"threads", "async"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			r := newRoll(t)
			l := start(t, "run", "--engine", engine, "-j2", "--", "sh", "-c", "echo part {}; "+r.enter(`sleep 1000`), ":::", "1", "2", "3", "4")
			r.wait(2)
			l.signal(syscall.SIGTERM)
			l.hears("braid: stopping what runs")
			r.empty()
			o := l.ends(143)
			if strings.Count(o.out, "part") != 2 {
				t.Errorf("printed %q", o.out)
			}
		})
	}
}

// Tasks are asked by their contexts.
func TestInterruptTasks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		engine, task string
		signals      []os.Signal
		code         int
	}{
		{"interrupts", "threads", "block", []os.Signal{os.Interrupt, os.Interrupt}, 130},
		{"SIGTERM", "threads", "block", []os.Signal{syscall.SIGTERM}, 143},
		{"interrupts of processes", "processes", "block", []os.Signal{os.Interrupt, os.Interrupt}, 130},
		{"SIGTERM of processes", "processes", "block", []os.Signal{syscall.SIGTERM}, 143},
		{"interrupts on the loop", "async", "park", []os.Signal{os.Interrupt, os.Interrupt}, 130},
		{"SIGTERM on the loop", "async", "park", []os.Signal{syscall.SIGTERM}, 143},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := start(t, "run", "--engine", c.engine, "-j2", c.task, "a", "b", "c")
			l.hears("started")
			l.hears("started")
			for _, s := range c.signals {
				l.signal(s)
				l.hears("interrupt again")
			}
			o := l.ends(c.code)
			if n := strings.Count(o.err, "stopped: the run was terminated"); n != 2 {
				t.Errorf("%d were said to be stopped:\n%s", n, o.err)
			}
			if strings.Count(o.err, "started") != 2 {
				t.Errorf("a third was started:\n%s", o.err)
			}
		})
	}
}

// Nobody waits for a task that does not listen.
func TestInterruptDeafTask(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"threads", "async", "processes"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			l := start(t, "run", "--engine", engine, "-j2", "deaf", "a")
			l.hears("started")
			for _, says := range []string{"interrupted", "stopping", "killed"} {
				l.signal(os.Interrupt)
				l.hears(says)
			}
			l.ends(130)
		})
	}
}

// In compare there is nothing to wait for that is worth having.
func TestInterruptCompare(t *testing.T) {
	t.Parallel()
	l := start(t, "compare", "block", "a")
	l.hears("started")
	l.signal(os.Interrupt)
	l.hears("stopping what runs")
	if o := l.ends(130); o.out != "" {
		t.Errorf("printed %q", o.out)
	}
}

func TestInterruptTour(t *testing.T) {
	t.Parallel()
	l := start(t, "tour")
	l.hears("threading: two threads")
	l.signal(os.Interrupt)
	if o := l.ends(130); strings.Contains(o.out, "finished") {
		t.Errorf("printed %q", o.out)
	}
}

// A run that is killed by kill -9 leaves nothing half-written under its final
// name; nor does one that is interrupted.
func TestNothingHalfWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		signals []os.Signal
	}{
		{"SIGKILL", []os.Signal{syscall.SIGKILL}},
		{"interrupts", []os.Signal{os.Interrupt, os.Interrupt}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			big, small, out := filepath.Join(dir, "big"), filepath.Join(dir, "small"), filepath.Join(dir, "out")
			for _, path := range []string{big, small} {
				if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Truncate(big, 1<<42); err != nil {
				t.Skipf("the file system has no sparse files: %v", err)
			}
			// The one that fails says that the others have been begun.
			l := start(t, "run", "-j3", "gzip", "--out", out, big, small, filepath.Join(dir, "missing"))
			l.hears("missing")
			for _, s := range c.signals {
				l.signal(s)
				if s != syscall.SIGKILL {
					l.hears("interrupt again")
				}
			}
			l.talk.WriteTo(&l.said)
			_ = l.cmd.Wait()
			_ = filepath.Walk(out, func(path string, info os.FileInfo, err error) error {
				if err == nil && filepath.Base(path) == "big.gz" {
					t.Errorf("%s is there, with %d bytes", path, info.Size())
				}
				return nil
			})
		})
	}
}

// The first Ctrl-C lets the tasks in workers come to their end.
func TestInterruptProcessesOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := start(t, "run", "-k", "--engine", "processes", "-j2", "gate", dir+"/1", dir+"/2", dir+"/3", dir+"/4")
	l.hears("started")
	l.hears("started")
	l.signal(os.Interrupt)
	l.hears("braid: interrupted: waiting for what runs; interrupt again to stop it")
	for _, name := range []string{"2", "1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := l.ends(130)
	if want := dir + "/1\n" + dir + "/2\n"; o.out != want {
		t.Errorf("printed %q, want %q", o.out, want)
	}
	if !regexp.MustCompile(`braid: 2 (of 4 )?done, \d not tried`).MatchString(o.err) || strings.Count(o.err, "started") != 2 {
		t.Errorf("said:\n%s", o.err)
	}
}

// The second asks, and what does not listen is ended: no other engine can do that.
func TestInterruptProcessesTwice(t *testing.T) {
	t.Parallel()
	r := newRoll(t)
	l := start(t, "run", "--engine", "processes", "-j2", "family", r.path, r.path)
	r.wait(4)
	l.signal(os.Interrupt)
	l.hears("interrupted")
	l.signal(os.Interrupt)
	l.hears("stopping")
	r.empty()
	o := l.ends(130)
	if n := strings.Count(o.err, "the run was terminated"); n != 2 {
		t.Errorf("%d were said to be stopped:\n%s", n, o.err)
	}
}

// The third kills the workers, together with what they have started, and at once.
func TestInterruptProcessesThrice(t *testing.T) {
	t.Parallel()
	r := newRoll(t)
	l := start(t, "run", "--engine", "processes", "-j2", "family", r.path, r.path, r.path)
	r.wait(4)
	for _, says := range []string{"interrupted", "stopping", "braid: killed"} {
		l.signal(os.Interrupt)
		l.hears(says)
	}
	r.empty()
	l.ends(130)
}

// Workers do not outlive a braid that is killed.
func TestKilledBraidLeavesNoWorker(t *testing.T) {
	t.Parallel()
	r := newRoll(t)
	l := start(t, "run", "--engine", "processes", "-j2", "enrol", r.path, r.path, r.path)
	r.wait(2)
	l.signal(syscall.SIGKILL)
	r.empty()
	l.ends(-1)
}

// A worker that somebody ends, such as the system for want of memory, costs the input
// that it was working on, or none if that can be done again. The others are done.
func TestKilledWorkerCostsOneInput(t *testing.T) {
	t.Parallel()
	for task, failed := range map[string]int{"hold": 1, "hold-idempotent": 0} {
		t.Run(task, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := start(t, "run", "--engine", "processes", "-j2", task, dir+"/1", dir+"/2", dir+"/3")
			var victim int
			if _, err := fmt.Sscanf(l.hears("process"), "process %d", &victim); err != nil {
				t.Fatal(err)
			}
			l.hears("process")
			if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			l.hears("process") // another worker has taken its place
			for _, name := range []string{"1", "2", "3"} {
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := l.ends([]int{exitOK, exitFailed}[failed])
			if n := strings.Count(o.out, dir); n != 3-failed {
				t.Errorf("%d inputs were done, want %d: %q", n, 3-failed, o.out)
			}
			if n := strings.Count(o.err, ": its process was ended by SIGKILL\n"); n != failed {
				t.Errorf("%d deaths were told, want %d:\n%s", n, failed, o.err)
			}
		})
	}
}

// Tasks that enter themselves in a roll, and do not listen; the one has a child that
// does so, too.
var (
	_ = braid.Define("enrol", enrol)
	_ = braid.Define("family", func(ctx context.Context, path string) (string, error) {
		cmd := exec.CommandContext(context.Background(), "sh", "-c", (&roll{path: path}).enter(`trap '' TERM INT; while :; do sleep 1000; done`))
		if err := cmd.Start(); err != nil {
			return "", err
		}
		return enrol(ctx, path)
	})
)

func enrol(_ context.Context, path string) (string, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(f, os.Getpid()); err != nil {
		return "", err
	}
	<-make(chan struct{})
	return f.Name(), nil // it is open until then
}
