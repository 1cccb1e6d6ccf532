package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestArgumentsArriveAsTheyAre(t *testing.T) {
	r := newRunner(t, Config{})
	args := []string{
		`My brother's 12" *** record  (costs $$$).jpg`,
		"", " ", "a;b", "$(id)", "`id`", "line\nline", "-n", "é�", "\xff\xfe",
	}
	if runtime.GOOS == "windows" {
		args = args[:len(args)-1] // not UTF-8
	}
	stdout, _ := mustRun(t, r, play("args", args...))
	if want := strings.Join(args, "\x00") + "\x00"; stdout != want {
		t.Errorf("arguments = %q, want %q", stdout, want)
	}
}

func TestStderrIsKeptApart(t *testing.T) {
	r := newRunner(t, Config{})
	stdout, stderr := mustRun(t, r, play("both"))
	if want := strings.Repeat("out\n", 100); stdout != want {
		t.Errorf("stdout = %q", stdout)
	}
	if want := strings.Repeat("err\n", 100); stderr != want {
		t.Errorf("stderr = %q", stderr)
	}
}

// 30 commands at once, each with 6 blocks of 3 MB of its own letter.
func TestOutputsNeverMix(t *testing.T) {
	blocks, size := 6, 3<<20
	if testing.Short() {
		size = 1 << 16
	}
	r := newRunner(t, Config{})
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			letter := string(rune('A' + i))
			res, err := r.Run(t.Context(), play("blocks", fmt.Sprint(blocks), fmt.Sprint(size), letter))
			defer res.Close()
			if err != nil {
				t.Error(err)
				return
			}
			if res.Stdout.Size() != int64(blocks*size) || res.Stderr.Size() != 0 {
				t.Errorf("%s: %d and %d bytes, want %d and 0", letter, res.Stdout.Size(), res.Stderr.Size(), blocks*size)
			}
			if _, err := res.Stdout.WriteTo(only(letter[0])); err != nil {
				t.Errorf("%s: %v", letter, err)
			}
		})
	}
	wg.Wait()
}

// only is a Writer that takes one letter.
type only byte

func (c only) Write(p []byte) (int, error) {
	if n := bytes.Count(p, []byte{byte(c)}); n != len(p) {
		return 0, fmt.Errorf("%d of %d bytes are another command's", len(p)-n, len(p))
	}
	return len(p), nil
}

// 100 MB go through in a constant amount of memory.
func TestLargeOutput(t *testing.T) {
	const size = 100 << 20
	r := newRunner(t, Config{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res, err := r.Run(t.Context(), play("blocks", "100", "1048576", "x"))
	defer res.Close()
	if err != nil {
		t.Fatal(err)
	}
	n, err := res.Stdout.WriteTo(only('x'))
	if n != size || err != nil {
		t.Errorf("WriteTo = %d, %v; want %d", n, err, size)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > size/20 {
		t.Errorf("%d bytes were allocated for %d bytes of output", used, size)
	}
}

func TestStdin(t *testing.T) {
	r := newRunner(t, Config{})
	if got, _ := mustRun(t, r, play("cat")); got != "" {
		t.Errorf("no input: %q", got)
	}

	c := play("cat")
	long := strings.Repeat("a line of input\n", 100_000)
	c.Stdin = strings.NewReader(long)
	if got, _ := mustRun(t, r, c); got != long {
		t.Errorf("from a reader: %d bytes, want %d", len(got), len(long))
	}

	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	go func() {
		out.WriteString(long)
		out.Close()
	}()
	c.Stdin = in
	if got, _ := mustRun(t, r, c); got != long {
		t.Errorf("from a file: %d bytes, want %d", len(got), len(long))
	}

	c.Stdin = failing{}
	_, err = r.Run(t.Context(), c)
	if e := as[*StartError](t, err); !errors.Is(e, errRead) {
		t.Errorf("error = %v, want that of the reader", err)
	}
}

var errRead = errors.New("the reader failed")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errRead }

func TestEnvironment(t *testing.T) {
	r := newRunner(t, Config{Env: append(os.Environ(), "KEPT=1", "CHANGED=1", "KEPTX=1")})
	c := play("env")
	dir := t.TempDir()
	c.Dir = dir
	c.Env = append(c.Env, "CHANGED=2", "ADDED=2", "CHANGED=3")
	stdout, _ := mustRun(t, r, c)
	lines := strings.Split(stdout, "\n")
	for _, want := range []string{"KEPT=1", "KEPTX=1", "CHANGED=3", "ADDED=2", "PWD=" + dir} {
		if !slices.Contains(lines, want) {
			t.Errorf("no %s in %q", want, lines)
		}
	}
	for _, bad := range []string{"CHANGED=1", "CHANGED=2"} {
		if slices.Contains(lines, bad) {
			t.Errorf("%s is still there", bad)
		}
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(lines, "cwd="+dir) && !slices.Contains(lines, "cwd="+real) {
		t.Errorf("the working directory is not %s: %q", dir, lines)
	}
}

func TestEnviron(t *testing.T) {
	base := []string{"A=1", "B=2", "=C:=x", "odd"}
	for _, test := range []struct{ extra, want []string }{
		{nil, base},
		{[]string{"B=3"}, []string{"A=1", "=C:=x", "odd", "B=3"}},
		{[]string{"B=3", "B=4"}, []string{"A=1", "=C:=x", "odd", "B=4"}},
		{[]string{"=C:=y", "AA="}, []string{"A=1", "B=2", "odd", "=C:=y", "AA="}},
	} {
		if got := environ(base, test.extra, ""); !slices.Equal(got, test.want) {
			t.Errorf("environ with %q = %q, want %q", test.extra, got, test.want)
		}
	}
	// An empty environment is not the one of this process.
	if got := environ([]string{}, nil, ""); got == nil {
		t.Error("an empty environment became nil")
	}
}

func TestResult(t *testing.T) {
	r := newRunner(t, Config{})
	before := time.Now()
	res, err := r.Run(t.Context(), play("exit", "0", "x"))
	defer res.Close()
	if err != nil {
		t.Fatal(err)
	}
	if res.PID <= 0 || res.PID == os.Getpid() || res.Code != 0 || res.Signal != "" {
		t.Errorf("PID %d, code %d, signal %q", res.PID, res.Code, res.Signal)
	}
	if res.Started.Before(before) || res.Wall <= 0 || res.Wall > time.Since(before) {
		t.Errorf("started %v, %v long; it was between %v and now", res.Started, res.Wall, before)
	}
	if runtime.GOOS != "windows" {
		// A Go program cannot start in less than a megabyte, nor without CPU time.
		if res.MaxRSS < 1<<20 || res.MaxRSS > 1<<40 {
			t.Errorf("MaxRSS = %d bytes", res.MaxRSS)
		}
		if res.User+res.System <= 0 {
			t.Errorf("CPU time is %v + %v", res.User, res.System)
		}
	}
	res.Close()
	res.Close() // no harm
}

func TestExitCode(t *testing.T) {
	r := newRunner(t, Config{})
	long := strings.Repeat("filler\n", 1000)
	res, err := r.Run(t.Context(), play("exit", "3", long+"it broke\n\n"))
	defer res.Close()
	e := as[*ExitError](t, err)
	if e.Code != 3 || e.Signal != "" || res.Code != 3 {
		t.Errorf("code %d, signal %q, result's code %d; want 3", e.Code, e.Signal, res.Code)
	}
	if len(e.Stderr) > 4<<10 || !strings.HasPrefix(e.Stderr, "filler\n") || !strings.HasSuffix(e.Stderr, "\nit broke\n\n") {
		t.Errorf("Stderr is %d bytes: %.20q … not the last whole lines", len(e.Stderr), e.Stderr)
	}
	wantText(t, err, "exit code 3: it broke")
	if got := text(t, res.Stderr); got != long+"it broke\n\n" {
		t.Errorf("the whole stderr has %d bytes", len(got))
	}
}

func TestDoneBeforeStart(t *testing.T) {
	r := newRunner(t, Config{})
	cause := errors.New("the deadline of the run")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	res, err := r.Run(ctx, play("exit", "0", ""))
	res.Close() // of a zero Result
	if e := as[*StartError](t, err); !errors.Is(e, cause) || res.PID != 0 {
		t.Errorf("error = %v, PID = %d; want the cause, and no process", err, res.PID)
	}
}

func TestNoStartAfterEnd(t *testing.T) {
	r := newRunner(t, Config{})
	for _, step := range []struct {
		end  func()
		want error
	}{
		{r.Terminate, ErrTerminated},
		{r.Kill, ErrKilled},
		{r.Terminate, ErrKilled}, // there is no way back
	} {
		step.end()
		_, err := r.Run(t.Context(), play("exit", "0", ""))
		if e := as[*StartError](t, err); !errors.Is(e, step.want) {
			t.Errorf("error = %v, want %v", err, step.want)
		}
	}
}

func TestErrorTexts(t *testing.T) {
	exit := &ExitError{Args: []string{"cp", "a b", "c"}, Code: 1, Stderr: "cp: one\ncp: \x1b[31mtwo\r\n\n"}
	killed := &ExitError{Args: []string{"sleep", "9"}, Code: -1, Signal: "SIGKILL"}
	for _, test := range []struct {
		err  error
		want string
	}{
		{exit, `cp 'a b' c: exit code 1: cp: �[31mtwo`},
		{killed, `sleep 9: ended by SIGKILL (by hand, or by the system for want of memory)`},
		{&ExitError{Args: []string{"x", ""}, Code: -1, Signal: "SIGSEGV"}, `x '': ended by SIGSEGV`},
		{&ExitError{Args: []string{"it's"}, Code: 2}, `'it'\''s': exit code 2`},
		{&ExitError{Args: []string{strings.Repeat("é", 500), "x"}, Code: 2}, strings.Repeat("é", 120) + `…: exit code 2`},
		{&StoppedError{Args: []string{"sleep", "9"}, Cause: context.DeadlineExceeded, Exit: killed}, `sleep 9: stopped: context deadline exceeded`},
		{&StartError{Name: "foo", Err: ErrNotFound, Hint: "do this"}, `cannot run foo: command not found: do this`},
		{&SpoolError{Args: []string{"x"}, Dir: "/tmp"}, `x: its output is incomplete: no space left for /tmp: make room there, or set TMPDIR to a directory on another file system`},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("Error() = %q\n    want  %q", got, test.want)
		}
	}
	stopped := &StoppedError{Cause: context.DeadlineExceeded, Exit: killed}
	if !errors.Is(stopped, context.DeadlineExceeded) || as[*ExitError](t, stopped) != killed {
		t.Error("a StoppedError does not lead to its cause and to its exit")
	}
	spool := &SpoolError{Err: exit}
	if !errors.Is(spool, errsNoSpace[0]) && runtime.GOOS != "windows" || as[*ExitError](t, spool) != exit {
		t.Error("a SpoolError does not lead to ENOSPC and to the exit")
	}
}

func FuzzDisplay(f *testing.F) {
	f.Add("ls", "-l")
	f.Add("a\x1b[2Jb", "it's \xff")
	f.Add("", strings.Repeat("'", 500))
	f.Fuzz(func(t *testing.T, a, b string) {
		s := display([]string{a, b})
		if n := len([]rune(s)); n > 121 {
			t.Errorf("%d characters", n)
		}
		for _, c := range s {
			if c < ' ' || c == 0x7f || c == 0x9b {
				t.Errorf("control character %q in %q", c, s)
			}
		}
	})
}

// Failures are alike if the commands ended alike, whatever their arguments and their words.
func TestFingerprints(t *testing.T) {
	one := &ExitError{Args: []string{"cp", "a"}, Code: 1, Stderr: "no such file"}
	killed := &ExitError{Args: []string{"cp", "b"}, Code: -1, Signal: "SIGKILL"}
	for _, c := range []struct {
		err  interface{ Fingerprint() string }
		want string
	}{
		{one, "exit code 1"},
		{&ExitError{Args: []string{"cp", "b"}, Code: 1, Stderr: "denied"}, "exit code 1"},
		{&ExitError{Args: []string{"cp", "a"}, Code: 2, Stderr: "no such file"}, "exit code 2"},
		{killed, "SIGKILL"},
		{&StoppedError{Args: one.Args, Cause: context.DeadlineExceeded}, "stopped"},
		{&StoppedError{Args: one.Args, Cause: context.DeadlineExceeded, Exit: killed}, "stopped"},
		{&SpoolError{Args: one.Args, Dir: "/tmp"}, "no space left"},
		{&SpoolError{Args: one.Args, Dir: "/tmp", Err: one}, "no space left"},
	} {
		if got := c.err.Fingerprint(); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	if one.ExitCode() != 1 || killed.ExitCode() != -1 {
		t.Errorf("exit codes %d and %d", one.ExitCode(), killed.ExitCode())
	}
}
