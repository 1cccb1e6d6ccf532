//go:build unix

package asyncio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/strand"
)

// shell starts a script, whose streams are pipes but for those that c redirects.
func shell(t testing.TB, ctx context.Context, script string, c asyncio.Command) *asyncio.Process {
	t.Helper()
	c.Args = []string{"sh", "-c", script}
	p, err := asyncio.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// expect reads want from r, and not more.
func expect(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); string(got) != want {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
}

// exitCode returns the exit code in err.
func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// endedBy returns the signal that has ended p, or 0.
func endedBy(p *asyncio.Process) syscall.Signal {
	if ws, ok := p.State().Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ws.Signal()
	}
	return 0
}

// leaper is a clock that goes forward by what it is asked to wait for, unless it is
// woken, so that an hour takes no time.
type leaper struct {
	ahead atomic.Int64
	bell  chan struct{}
}

func newLeaper() *leaper { return &leaper{bell: make(chan struct{}, 1)} }

func (c *leaper) Now() time.Time { return time.Unix(0, c.ahead.Load()) }

func (c *leaper) Wait(d time.Duration) {
	if d < 0 {
		<-c.bell
		return
	}
	select {
	case <-c.bell:
	default:
		c.ahead.Add(int64(d))
	}
}

func (c *leaper) Wake() {
	select {
	case c.bell <- struct{}{}:
	default:
	}
}

func TestProcess(t *testing.T) {
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `read x; echo "out $x"; echo "err $x" >&2; exit 3`, asyncio.Command{})
		if _, err := io.WriteString(p.Stdin, "42\n"); err != nil {
			t.Errorf("Write = %v", err)
		}
		expect(t, p.Stdout, "out 42\n")
		expect(t, p.Stderr, "err 42\n")
		if n, err := p.Stdout.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("Read at the end = %d, %v", n, err)
		}
		err := p.Wait(ctx)
		if exitCode(err) != 3 || p.ExitCode() != 3 || p.State().Pid() != p.PID() {
			t.Errorf("Wait = %v, ExitCode = %d", err, p.ExitCode())
		}
	})
}

func TestStdinBrokenPipe(t *testing.T) {
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `exec 0<&-; echo closed; exec sleep 1000`, asyncio.Command{})
		expect(t, p.Stdout, "closed\n")
		big := make([]byte, 1<<20)
		if _, err := p.Stdin.Write(big); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write = %v, want EPIPE", err)
		}
		if err := p.Kill(); err != nil {
			t.Errorf("Kill = %v", err)
		}
		if err := p.Wait(ctx); err == nil || endedBy(p) != syscall.SIGKILL {
			t.Errorf("Wait = %v", err)
		}

		p = shell(t, ctx, `echo done`, asyncio.Command{})
		out, _, err := p.Communicate(ctx, big)
		if string(out) != "done\n" || err != nil {
			t.Errorf("Communicate = %q, %v", out, err)
		}
		if _, err := p.Stdin.Write(big); !errors.Is(err, syscall.EPIPE) && !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write to a process that has ended = %v", err)
		}
	})
}

func TestCancelProcessWait(t *testing.T) {
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `read x`, asyncio.Command{})
		short, cancel := context.WithCancelCause(ctx)
		why := errors.New("no patience")
		c := asyncio.Go(short, func(ctx context.Context) error { return p.Wait(ctx) })
		strand.Yield(ctx)
		cancel(why)
		if err := c.Join(ctx); !errors.Is(err, why) {
			t.Errorf("Wait = %v, want %v", err, why)
		}
		if p.State() != nil || p.ExitCode() != -1 {
			t.Errorf("the process ended with the wait: %v", p.State())
		}
		p.Stdin.Write([]byte("\n"))
		if err := p.Wait(ctx); err != nil {
			t.Errorf("Wait = %v", err)
		}
	})
}

func TestSendSignalRace(t *testing.T) {
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `exit 0`, asyncio.Command{})
		done := asyncio.Go(ctx, func(ctx context.Context) error { return p.Wait(ctx) })
		var err error
		for err == nil {
			err = p.Signal(syscall.SIGCONT)
			strand.Yield(ctx)
		}
		if !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("Signal = %v", err)
		}
		if err := done.Join(ctx); err != nil {
			t.Errorf("Wait = %v", err)
		}
		for name, err := range map[string]error{"Signal": p.Signal(syscall.SIGKILL), "Terminate": p.Terminate(), "Kill": p.Kill()} {
			if !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("%s after the end = %v", name, err)
			}
		}
	})
}

func TestConcurrentWait(t *testing.T) {
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `read x; exit 5`, asyncio.Command{})
		var waits []*asyncio.Coroutine
		for range 10 {
			waits = append(waits, asyncio.Go(ctx, func(ctx context.Context) error { return p.Wait(ctx) }))
		}
		outside := make(chan error, 1)
		go func() { outside <- p.Wait(context.Background()) }()
		strand.Yield(ctx)
		p.Stdin.Close()
		for _, c := range waits {
			if err := c.Join(ctx); exitCode(err) != 5 {
				t.Errorf("Wait = %v", err)
			}
		}
		if err := <-outside; exitCode(err) != 5 {
			t.Errorf("Wait on a goroutine = %v", err)
		}
	})
}

func TestReadStdoutAfterProcessExit(t *testing.T) {
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `echo late`, asyncio.Command{})
		if err := p.Wait(ctx); err != nil {
			t.Errorf("Wait = %v", err)
		}
		if out, err := io.ReadAll(p.Stdout); string(out) != "late\n" || err != nil {
			t.Errorf("ReadAll = %q, %v", out, err)
		}
	})
}

// The process ends, and what it has started still has its standard output open.
func TestWaitEvenIfPipeIsOpen(t *testing.T) {
	within(t, func(ctx context.Context) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p := shell(t, ctx, `exec 3<&0; cat <&3 & exit 7`, asyncio.Command{Stdin: asyncio.Redirect(r)})
		r.Close()
		if err := p.Wait(ctx); exitCode(err) != 7 {
			t.Errorf("Wait = %v", err)
		}
		io.WriteString(w, "alive")
		w.Close()
		if out, err := io.ReadAll(p.Stdout); string(out) != "alive" || err != nil {
			t.Errorf("ReadAll = %q, %v", out, err)
		}
	})
}

func TestTwoChildrenTerminatingTogether(t *testing.T) {
	within(t, func(ctx context.Context) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		a := shell(t, ctx, `read x; exit 3`, asyncio.Command{Stdin: asyncio.Redirect(r)})
		b := shell(t, ctx, `read x; exit 4`, asyncio.Command{Stdin: asyncio.Redirect(r)})
		r.Close()
		w.Close()
		if errA, errB := a.Wait(ctx), b.Wait(ctx); exitCode(errA) != 3 || exitCode(errB) != 4 {
			t.Errorf("Wait = %v, %v", errA, errB)
		}
	})
}

// Somebody else waits for the process, and either of the two gets its status.
func TestReapedElsewhere(t *testing.T) {
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `read x; exit 0`, asyncio.Command{})
		p.Stdin.Close()
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(p.PID(), &ws, 0, nil)
		waited := p.Wait(ctx)
		if err == nil && pid == p.PID() && (waited == nil || p.ExitCode() != -1) {
			t.Errorf("Wait = %v with code %d, though the status is lost", waited, p.ExitCode())
		}
		if err != nil && waited != nil {
			t.Errorf("Wait = %v, though nobody else had the status", waited)
		}
	})
}

func TestProcessEndsWithContext(t *testing.T) {
	within(t, func(ctx context.Context) {
		own, cancel := context.WithCancelCause(ctx)
		why := errors.New("enough")
		p := shell(t, own, `trap 'exit 9' TERM; (echo ready; exec sleep 1000) & wait`, asyncio.Command{})
		expect(t, p.Stdout, "ready\n")
		cancel(why)
		err := p.Wait(ctx)
		if exitCode(err) != 9 || !errors.Is(err, why) || !errors.Is(err, context.Canceled) {
			t.Errorf("Wait = %v", err)
		}
		if _, err := asyncio.Start(own, asyncio.Command{Args: []string{"true"}}); !errors.Is(err, why) {
			t.Errorf("Start with a context that is done = %v", err)
		}
	})
}

// The grace is on the loop's clock.
func TestProcessGrace(t *testing.T) {
	clock := newLeaper()
	within(t, func(ctx context.Context) {
		own, cancel := context.WithCancel(ctx)
		p := shell(t, own, `trap '' TERM; echo ready; exec sleep 1000`, asyncio.Command{Grace: 3 * time.Hour})
		expect(t, p.Stdout, "ready\n")
		start := strand.Now(ctx)
		cancel()
		err := p.Wait(ctx)
		if !errors.Is(err, context.Canceled) || endedBy(p) != syscall.SIGKILL {
			t.Errorf("Wait = %v", err)
		}
		if d := strand.Now(ctx).Sub(start); d != 3*time.Hour {
			t.Errorf("killed after %v", d)
		}
	}, asyncio.With(asyncio.Config{Driver: clock}))
}

func TestProcessNoGrace(t *testing.T) {
	within(t, func(ctx context.Context) {
		own, cancel := context.WithCancel(ctx)
		p := shell(t, own, `trap '' TERM; echo ready; exec sleep 1000`, asyncio.Command{Grace: -1})
		expect(t, p.Stdout, "ready\n")
		cancel()
		if err := p.Wait(ctx); !errors.Is(err, context.Canceled) || endedBy(p) != syscall.SIGKILL {
			t.Errorf("Wait = %v", err)
		}
	})
}

// What a process has started is stopped with it, and has the grace as well.
func TestProcessGroup(t *testing.T) {
	for _, c := range []struct{ name, script, want string }{
		{"asked", `(trap 'echo bye; exit' TERM; (echo ready; exec sleep 1000) & wait) & wait`, "bye\n"},
		{"killed", `(trap '' TERM; echo ready; sleep 1000) & wait`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			opts := []asyncio.Option{}
			if c.name == "killed" {
				opts = append(opts, asyncio.With(asyncio.Config{Driver: newLeaper()}))
			}
			within(t, func(ctx context.Context) {
				own, cancel := context.WithCancel(ctx)
				p := shell(t, own, c.script, asyncio.Command{Stdout: asyncio.Redirect(w)})
				w.Close()
				expect(t, r, "ready\n")
				cancel()
				if err := p.Wait(ctx); !errors.Is(err, context.Canceled) || endedBy(p) == 0 {
					t.Errorf("Wait = %v", err)
				}
			}, opts...)
			// All who can write were gone when Wait returned.
			var out []byte
			n := -1
			conn, err := r.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			for n != 0 && err == nil {
				buf := make([]byte, 100)
				_ = conn.Read(func(fd uintptr) bool {
					n, err = syscall.Read(int(fd), buf)
					return true
				})
				out = append(out, buf[:max(n, 0)]...)
			}
			if string(out) != c.want || err != nil {
				t.Errorf("the rest of the output = %q, %v", out, err)
			}
		})
	}
}

func TestTerminateAndKillTheGroup(t *testing.T) {
	for _, stop := range []func(*asyncio.Process) error{(*asyncio.Process).Terminate, (*asyncio.Process).Kill} {
		within(t, func(ctx context.Context) {
			p := shell(t, ctx, `(echo ready; exec sleep 1000) & wait`, asyncio.Command{})
			expect(t, p.Stdout, "ready\n")
			if err := stop(p); err != nil {
				t.Errorf("stop = %v", err)
			}
			if err := p.Wait(ctx); errors.Is(err, context.Canceled) || endedBy(p) == 0 {
				t.Errorf("Wait = %v", err)
			}
			if out, err := io.ReadAll(p.Stdout); len(out) != 0 || err != nil {
				t.Errorf("ReadAll = %q, %v", out, err)
			}
		})
	}
}

// The main coroutine leaves processes behind, and a loop whose grace is over does not
// wait for theirs.
func TestProcessesLeftBehind(t *testing.T) {
	for _, c := range []struct {
		name   string
		script string
		shield bool
		grace  time.Duration
		want   syscall.Signal
	}{
		{"asked", `echo ready; exec sleep 1000`, false, 0, syscall.SIGTERM},
		{"forced", `trap '' TERM; echo ready; exec sleep 1000`, false, -1, syscall.SIGKILL},
		{"shielded", `echo ready; exec sleep 1000`, true, -1, syscall.SIGKILL},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p *asyncio.Process
			within(t, func(ctx context.Context) {
				own := ctx
				if c.shield {
					own = context.WithoutCancel(ctx)
				}
				p = shell(t, own, c.script, asyncio.Command{Grace: time.Hour, Stdin: asyncio.Null})
				expect(t, p.Stdout, "ready\n")
				if c.shield { // from the end of its context, that is
					p.Stdout.Close()
					p.Stderr.Close()
				}
			}, asyncio.With(asyncio.Config{Grace: c.grace}))
			if p.State() == nil || endedBy(p) != c.want {
				t.Errorf("after Run the process is %v", p.State())
			}
		})
	}
}

// The pipes of a process that has ended by itself, whose output nobody wants, are
// closed when the context is done that it was started with.
func TestUnreadPipes(t *testing.T) {
	var p *asyncio.Process
	t.Cleanup(func() { runtime.KeepAlive(p) }) // or a finalizer might close them
	within(t, func(ctx context.Context) {
		p = shell(t, ctx, `echo x; echo y >&2`, asyncio.Command{})
		if err := p.Wait(ctx); err != nil {
			t.Errorf("Wait = %v", err)
		}
	})
}

func TestStartFails(t *testing.T) {
	within(t, func(ctx context.Context) {
		for _, c := range []struct {
			cmd  asyncio.Command
			want string
		}{
			{asyncio.Command{}, "Args is empty"},
			{asyncio.Command{Args: []string{"no-such-program-here"}}, `"no-such-program-here": executable file not found`},
			{asyncio.Command{Args: []string{"true"}, Dir: "/no/such/dir"}, "/no/such/dir"},
			{asyncio.Command{Args: []string{"true"}, OutputLimit: -1}, "OutputLimit is -1"},
			{asyncio.Command{Args: []string{"true"}, Stdout: asyncio.Merge}, "Stdout: Merge is for the standard error"},
			{asyncio.Command{Args: []string{"true"}, Stdin: asyncio.Merge}, "Stdin: only the standard error can be merged"},
			{asyncio.Command{Args: []string{"true"}, Stderr: asyncio.Redirect(nil)}, "Stderr: Redirect was given a nil file"},
		} {
			if _, err := asyncio.Start(ctx, c.cmd); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Start = %v, want %q", err, c.want)
			}
		}
	})
	_, err := asyncio.Start(context.Background(), asyncio.Command{Args: []string{"true"}})
	if err == nil || !strings.Contains(err.Error(), "use package os/exec") {
		t.Errorf("Start outside of a loop = %v", err)
	}
}

func TestStdio(t *testing.T) {
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `cat; echo $WHO; echo err >&2; pwd`, asyncio.Command{
			Stdin: asyncio.Null, Stderr: asyncio.Merge, Env: []string{"WHO=me", "PATH=" + os.Getenv("PATH")}, Dir: "/",
		})
		if p.Stdin != nil || p.Stderr != nil {
			t.Error("there are pipes where there should be none")
		}
		out, errs, err := p.Communicate(ctx, nil)
		if string(out) != "me\nerr\n/\n" || errs != nil || err != nil {
			t.Errorf("Communicate = %q, %q, %v", out, errs, err)
		}
		p = shell(t, ctx, `echo out; echo err >&2`, asyncio.Command{Stdin: asyncio.Inherit, Stdout: asyncio.Null})
		out, errs, err = p.Communicate(ctx, nil)
		if out != nil || string(errs) != "err\n" || err != nil {
			t.Errorf("Communicate = %q, %q, %v", out, errs, err)
		}
		p = shell(t, ctx, `true`, asyncio.Command{Stdin: asyncio.Null})
		if _, _, err = p.Communicate(ctx, []byte("x")); err == nil {
			t.Error("Communicate with input that cannot go anywhere succeeds")
		}
	})
}

func TestCommunicate(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `tee /dev/stderr; exit 2`, asyncio.Command{})
		out, errs, err := p.Communicate(ctx, big)
		if !bytes.Equal(out, big) || !bytes.Equal(errs, big) || exitCode(err) != 2 {
			t.Errorf("Communicate = %d bytes, %d bytes, %v", len(out), len(errs), err)
		}
		p = shell(t, ctx, `cat`, asyncio.Command{OutputLimit: 100})
		out, _, err = p.Communicate(ctx, big)
		if !bytes.Equal(out, big[:100]) || !errors.Is(err, asyncio.ErrOutputLimit) || p.ExitCode() != 0 {
			t.Errorf("Communicate with a limit = %d bytes, %v", len(out), err)
		}
		p = shell(t, ctx, `cat`, asyncio.Command{OutputLimit: len(big)})
		if out, _, err = p.Communicate(ctx, big); len(out) != len(big) || err != nil {
			t.Errorf("Communicate with as much as the limit = %d bytes, %v", len(out), err)
		}
	})
}

func TestCommunicateCancelled(t *testing.T) {
	within(t, func(ctx context.Context) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		p := shell(t, ctx, `echo begun; echo begun >&3; read x`, asyncio.Command{Stdin: asyncio.Redirect(r)})
		r.Close()
		short, cancel := context.WithCancel(ctx)
		var out []byte
		c := asyncio.Go(short, func(ctx context.Context) (err error) {
			out, _, err = p.Communicate(ctx, nil)
			return err
		})
		strand.Yield(ctx)
		cancel()
		if err := c.Join(ctx); !errors.Is(err, context.Canceled) || p.State() != nil {
			t.Errorf("Communicate = %v", err)
		}
		w.Close()
		rest, _, err := p.Communicate(ctx, nil)
		if string(out)+string(rest) != "begun\n" || exitCode(err) != 1 {
			t.Errorf("output = %q and %q, %v", out, rest, err)
		}
	})
}

// A write to a process that does not read waits, and knows how far it came when it
// is cancelled.
func TestPipeWriteWaits(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "go")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `read x <`+fifo+`; wc -c`, asyncio.Command{})
		short, cancel := context.WithCancel(ctx)
		var n int
		c := asyncio.Go(short, func(context.Context) (err error) {
			n, err = p.Stdin.Write(make([]byte, 1<<20))
			return err
		})
		for !blockedIn("asyncio.(*PipeWriter).Write") {
			strand.Yield(ctx)
		}
		if _, err := p.Stdin.Write([]byte("x")); err == nil || !strings.Contains(err.Error(), "another coroutine") {
			t.Errorf("second Write = %v", err)
		}
		cancel()
		if err := c.Join(ctx); !errors.Is(err, context.Canceled) || n == 0 || n == 1<<20 {
			t.Errorf("Write = %d, %v", n, err)
		}
		if err := asyncio.WriteFile(ctx, fifo, []byte("\n"), 0); err != nil {
			t.Errorf("WriteFile = %v", err)
		}
		m, err := p.Stdin.Write([]byte("more"))
		p.Stdin.Close()
		if m != 4 || err != nil {
			t.Errorf("Write after a cancelled one = %d, %v", m, err)
		}
		out, err := io.ReadAll(p.Stdout)
		if got := strings.TrimSpace(string(out)); got != strconv.Itoa(n+4) || err != nil {
			t.Errorf("the process got %s bytes, %v; want %d", got, err, n+4)
		}
		if err := p.Wait(ctx); err != nil {
			t.Errorf("Wait = %v", err)
		}
	})
}

// blockedIn reports whether a goroutine that was started in the function waits in
// the runtime's poller, and so holds no thread.
func blockedIn(function string) bool {
	buf := make([]byte, 1<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, function) && strings.Contains(g, " [IO wait") {
			return true
		}
	}
	return false
}

func TestPipeReadCancelled(t *testing.T) {
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `read x; echo $x`, asyncio.Command{})
		short, cancel := context.WithCancel(ctx)
		c := asyncio.Go(short, func(context.Context) error {
			_, err := p.Stdout.Read(make([]byte, 10))
			return err
		})
		strand.Yield(ctx)
		cancel()
		if err := c.Join(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Read = %v", err)
		}
		io.WriteString(p.Stdin, "nothing is lost\n")
		expect(t, p.Stdout, "nothing is lost\n")

		// Close ends a Read.
		p = shell(t, ctx, `read x`, asyncio.Command{})
		c = asyncio.Go(ctx, func(context.Context) error {
			_, err := p.Stdout.Read(make([]byte, 10))
			return err
		})
		strand.Yield(ctx)
		p.Stdout.Close()
		if err := c.Join(ctx); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read of a pipe that is closed = %v", err)
		}
	})
}

func TestProcessWaitHoldsNoThread(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there are pidfds on Linux only")
	}
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `read x`, asyncio.Command{})
		for !blockedIn("procgroup.awaitPidfd") {
			strand.Yield(ctx)
		}
		p.Stdin.Close()
		p.Wait(ctx)
	})
}

// A loop whose coroutines wait for processes and pipes is not deadlocked.
func TestProcessIsNoDeadlock(t *testing.T) {
	within(t, func(ctx context.Context) {
		p := shell(t, ctx, `sleep 0.01; echo x; sleep 0.01`, asyncio.Command{})
		expect(t, p.Stdout, "x\n")
		if err := p.Wait(ctx); err != nil {
			t.Errorf("Wait = %v", err)
		}
	}, asyncio.With(asyncio.Config{DeadlockAfter: 1}))
}

// A call that starts a process takes it along when it returns, and so does a loop
// that is closed.
func TestProcessOfCall(t *testing.T) {
	proctest.Check(t)
	l := asyncio.NewLoop(asyncio.Config{})
	started := make(chan *asyncio.Process, 1)
	c := engine.NewCall(engine.Spec{}, body(func(ctx context.Context) error {
		started <- shell(t, ctx, `exec sleep 1000`, asyncio.Command{})
		return nil
	}))
	l.Start(context.Background(), c)
	p := <-started
	if err := p.Wait(context.Background()); !errors.Is(err, context.Canceled) || endedBy(p) != syscall.SIGTERM {
		t.Errorf("Wait = %v", err)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Errorf("Close = %v", err)
	}
}

type body func(context.Context) error

func (b body) Run(ctx context.Context) error { return b(ctx) }
func (b body) Done(error)                    {}
