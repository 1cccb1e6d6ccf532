//go:build unix

package command

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// A pipe is a named one, through which a command and a test wait for each other.
type pipe struct {
	path  string
	file  *os.File // the test's end; both ends, so that no open blocks the test
	lines *bufio.Reader
}

func newPipe(t *testing.T) *pipe {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &pipe{path, f, bufio.NewReader(f)}
}

// expect waits for a line.
func (p *pipe) expect(t *testing.T, want string) {
	t.Helper()
	line, err := p.lines.ReadString('\n')
	if err != nil || line != want+"\n" {
		t.Fatalf("the command said %q, %v; want %q", line, err, want)
	}
}

// tell writes a line.
func (p *pipe) tell(t *testing.T) {
	t.Helper()
	if _, err := p.file.WriteString("go on\n"); err != nil {
		t.Fatal(err)
	}
}

// An outcome is what Run returned.
type outcome struct {
	res Result
	err error
}

// start runs a command on a goroutine.
func start(ctx context.Context, r *Runner, c Command) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		res, err := r.Run(ctx, c)
		done <- outcome{res, err}
	}()
	return done
}

const never = time.Hour // a wait that a test must not wait for

func TestCancelAsksFirst(t *testing.T) {
	r := newRunner(t, Config{Stop: Sequence{{syscall.SIGTERM, never}}})
	ready := newPipe(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	done := start(ctx, r, play("polite", ready.path))
	ready.expect(t, "ready")
	cause := errors.New("the run is over")
	cancel(cause)

	o := <-done
	defer o.res.Close()
	// It exited with code 0, but nobody can know whether it was done.
	e := as[*StoppedError](t, o.err)
	if e.Cause != cause || e.Exit != nil || o.res.Code != 0 {
		t.Errorf("cause %v, exit %v, code %d", e.Cause, e.Exit, o.res.Code)
	}
	if got := text(t, o.res.Stdout); got != "last words\n" {
		t.Errorf("stdout = %q", got)
	}
}

func TestSequenceEndsInKill(t *testing.T) {
	r := newRunner(t, Config{Stop: Sequence{{syscall.SIGTERM, time.Millisecond}, {syscall.SIGTERM, time.Millisecond}}})
	ready := newPipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := start(ctx, r, play("stubborn", ready.path))
	ready.expect(t, "ready")
	cancel()

	o := <-done
	defer o.res.Close()
	e := as[*StoppedError](t, o.err)
	if !errors.Is(e, context.Canceled) || e.Exit == nil || e.Exit.Signal != "SIGKILL" || o.res.Signal != "SIGKILL" || o.res.Code != -1 {
		t.Errorf("error %v, exit %+v, signal %q, code %d", e, e.Exit, o.res.Signal, o.res.Code)
	}
}

func TestEmptySequenceKillsAtOnce(t *testing.T) {
	r := newRunner(t, Config{Stop: Sequence{}})
	ready := newPipe(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), never, errors.New("unused"))
	done := start(ctx, r, play("polite", ready.path))
	ready.expect(t, "ready")
	cancel()
	o := <-done
	defer o.res.Close()
	if o.res.Signal != "SIGKILL" {
		t.Errorf("signal %q, want SIGKILL", o.res.Signal)
	}
}

// The second Ctrl-C asks, the third kills, and neither waits for the grace.
func TestTerminateThenKill(t *testing.T) {
	r := newRunner(t, Config{Stop: Sequence{{syscall.SIGTERM, never}}})
	a, b := newPipe(t), newPipe(t)
	doneA := start(t.Context(), r, play("stubborn", a.path))
	doneB := start(t.Context(), r, play("stubborn", b.path))
	a.expect(t, "ready")
	b.expect(t, "ready")
	r.Terminate()
	a.expect(t, "asked")
	b.expect(t, "asked")
	r.Kill()
	for _, done := range []<-chan outcome{doneA, doneB} {
		o := <-done
		defer o.res.Close()
		if e := as[*StoppedError](t, o.err); e.Cause != ErrTerminated || o.res.Signal != "SIGKILL" {
			t.Errorf("cause %v, signal %q", e.Cause, o.res.Signal)
		}
	}
}

func TestKillAtOnce(t *testing.T) {
	r := newRunner(t, Config{})
	ready := newPipe(t)
	done := start(t.Context(), r, play("stubborn", ready.path))
	ready.expect(t, "ready")
	r.Kill()
	o := <-done
	defer o.res.Close()
	if e := as[*StoppedError](t, o.err); e.Cause != ErrKilled || o.res.Signal != "SIGKILL" {
		t.Errorf("cause %v, signal %q", e.Cause, o.res.Signal)
	}
}

// running returns the commands that run: one can be heard of before it is among them.
func running(r *Runner) []*process {
	r.starting.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.running))
}

// A command that a stranger kills was not stopped.
func TestKilledByOthers(t *testing.T) {
	r := newRunner(t, Config{})
	ready := newPipe(t)
	done := start(t.Context(), r, play("stubborn", ready.path))
	ready.expect(t, "ready")
	for _, p := range running(r) {
		p.proc.Kill()
	}
	o := <-done
	defer o.res.Close()
	if e := as[*ExitError](t, o.err); e.Signal != "SIGKILL" || e.Code != -1 {
		t.Errorf("signal %q, code %d", e.Signal, e.Code)
	}
	if _, ok := errors.AsType[*StoppedError](o.err); ok {
		t.Errorf("%v is a StoppedError", o.err)
	}
}

// The shell ends at SIGTERM, what it runs cleans up first: it gets the time.
func TestGroupGetsItsGrace(t *testing.T) {
	r := newRunner(t, Config{Stop: Sequence{{syscall.SIGTERM, never}}})
	ready := newPipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := start(ctx, r, play("parent", "polite", ready.path))
	ready.expect(t, "ready")
	cancel()
	o := <-done
	defer o.res.Close()
	if o.res.Signal != "SIGTERM" {
		t.Errorf("the parent ended by %q, want SIGTERM", o.res.Signal)
	}
	if got := text(t, o.res.Stdout); got != "last words\n" {
		t.Errorf("stdout = %q: Run did not wait for the group", got)
	}
}

// What does not heed SIGTERM is killed, though the command itself is long gone.
func TestGroupIsKilled(t *testing.T) {
	r := newRunner(t, Config{Stop: Sequence{{syscall.SIGTERM, 50 * time.Millisecond}}})
	ready := newPipe(t)
	alive, held := whileAlive(t)
	c := play("parent", "stubborn", ready.path)
	c.Stdin = held
	ctx, cancel := context.WithCancel(t.Context())
	done := start(ctx, r, c)
	ready.expect(t, "ready")
	cancel()
	o := <-done
	defer o.res.Close()
	as[*StoppedError](t, o.err)
	held.Close()
	alive()
}

// whileAlive returns a file to be held by processes, and a function that waits
// until none of them lives.
func whileAlive(t *testing.T) (wait func(), held *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		io.Copy(io.Discard, r)
		r.Close()
	}, w
}

// A background process neither holds its command up, nor adds to its output
// once that is told, nor can write to another's.
func TestBackgroundProcess(t *testing.T) {
	r := newRunner(t, Config{})
	goOn, said := newPipe(t), newPipe(t)
	res, err := r.Run(t.Context(), play("deserter", goOn.path, said.path))
	if err != nil {
		t.Fatal(err)
	}
	other, err := r.Run(t.Context(), play("exit", "0", "other"))
	defer other.Close()
	if err != nil {
		t.Fatal(err)
	}
	goOn.tell(t)
	said.expect(t, "done")
	if out, errs := text(t, res.Stdout), text(t, res.Stderr); out != "early\n" || errs != "" {
		t.Errorf("output %q and %q, want only what was written by the end", out, errs)
	}
	buf := make([]byte, 64)
	if n, err := res.Stdout.ReadAt(buf, 0); string(buf[:n]) != "early\n" || err != io.EOF {
		t.Errorf("ReadAt = %q, %v", buf[:n], err)
	}
	res.Close()
	if out, errs := text(t, other.Stdout), text(t, other.Stderr); out != "" || errs != "other" {
		t.Errorf("the other's output is %q and %q", out, errs)
	}
}

// A file that a background process has is not given to another command.
func TestBackgroundProcessKeepsItsFile(t *testing.T) {
	r := newRunner(t, Config{})
	goOn, said := newPipe(t), newPipe(t)
	res, err := r.Run(t.Context(), play("deserter", goOn.path, said.path))
	if err != nil {
		t.Fatal(err)
	}
	res.Close()
	other, err := r.Run(t.Context(), play("exit", "0", "other"))
	defer other.Close()
	if err != nil {
		t.Fatal(err)
	}
	goOn.tell(t)
	said.expect(t, "done")
	for _, o := range []*Output{other.Stdout, other.Stderr} {
		if info, err := o.file.Stat(); err != nil || info.Size() != o.Size() {
			t.Errorf("the other's file has grown from %d to %d bytes, %v", o.Size(), info.Size(), err)
		}
	}
}

func TestCommandHasItsOwnGroup(t *testing.T) {
	r := newRunner(t, Config{})
	ready, goOn := newPipe(t), newPipe(t)
	done := start(t.Context(), r, play("hold", "0", "0", "x", ready.path, goOn.path))
	ready.expect(t, "written")
	for _, p := range running(r) {
		if pgid, err := syscall.Getpgid(p.proc.Pid); pgid != p.proc.Pid || err != nil {
			t.Errorf("group %d, %v; want %d", pgid, err, p.proc.Pid)
		}
	}
	goOn.tell(t)
	o := <-done
	o.res.Close()
	if o.err != nil {
		t.Error(o.err)
	}
}
