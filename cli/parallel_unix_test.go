//go:build unix

package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The tests below are those that GNU parallel has for other tools; see the chapter
// TESTING OTHER TOOLS of parallel_alternatives(7). DISKFULL is with the tests of
// full disks.

// squeeze drops a byte that is the same as the one before, as tr -s does.
type squeeze struct {
	to   bytes.Buffer
	last byte
	n    int64
}

func (s *squeeze) Write(p []byte) (int, error) {
	for _, c := range p {
		if c != s.last {
			s.to.WriteByte(c)
		}
		s.last = c
	}
	s.n += int64(len(p))
	return len(p), nil
}

// repeat is a command that writes n times the letter.
func repeat(letter string, n int) string {
	return fmt.Sprintf("head -c %d /dev/zero | tr '\\0' %s", n, letter)
}

// numbers are the lines 1 to n.
func numbers(n int) io.Reader {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, i+1)
	}
	return strings.NewReader(b.String())
}

// Output does not mix. The original has six blocks of 3 MB; here they have 100 kB,
// which is more than a pipe holds.
func TestParallelMIX(t *testing.T) {
	t.Parallel()
	dir, script := t.TempDir(), ""
	for i, letter := range []string{"a", "b", "c", "d", "e", "f"} {
		block := filepath.Join(dir, letter)
		if err := os.WriteFile(block, bytes.Repeat([]byte(letter), 100_000), 0o600); err != nil {
			t.Fatal(err)
		}
		script += "cat " + block
		if i%2 == 1 {
			script += " >&2"
		}
		script += "; "
	}
	const jobs = 30
	var out, talk squeeze
	process(t, func(cmd *exec.Cmd) {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = numbers(jobs), &out, &talk
	}, "run", "-q", "-j", "10", "--", "sh", "-c", script+"echo; echo >&2; :")
	if want := strings.Repeat("ace\n", jobs); out.to.String() != want {
		t.Errorf("standard output is mixed: %q", out.to.String())
	}
	if want := strings.Repeat("bdf\n", jobs); talk.to.String() != want {
		t.Errorf("standard error is mixed: %q", talk.to.String())
	}
	if want := int64(jobs * 300_001); out.n != want || talk.n != want {
		t.Errorf("%d and %d bytes, want %d each", out.n, talk.n, want)
	}
}

// Standard error is kept apart.
func TestParallelSTDERRMERGE(t *testing.T) {
	t.Parallel()
	o := process(t, nil, "run", "-q", "--", "sh", "-c", "echo stdout; echo stderr >&2; echo stdout; echo stderr >&2", ":::", "")
	if o.out != "stdout\nstdout\n" || o.err != "stderr\nstderr\n" {
		t.Errorf("output %q, error %q", o.out, o.err)
	}
}

// Output may be larger than memory. The original writes more than the machine has;
// here it is some times what braid itself may hold.
func TestParallelRAM(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 300 MB")
	}
	t.Parallel()
	const jobs, each = 10, 30_000_000
	var out counting
	cmd := exec.CommandContext(t.Context(), "braid", "run", "-q", "-j2", "--", "sh", "-c", fmt.Sprintf("head -c %d /dev/zero; : {}", each))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = numbers(jobs), &out, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if out.n != jobs*each {
		t.Errorf("%d bytes, want %d", out.n, jobs*each)
	}
	peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	if runtime.GOOS != "darwin" {
		peak *= 1024
	}
	if peak > jobs*each/2 {
		t.Errorf("braid used %d MB of memory for %d MB of output", peak/1_000_000, jobs*each/1_000_000)
	}
}

type counting struct {
	n, lines int64
}

func (c *counting) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	c.lines += int64(bytes.Count(p, []byte("\n")))
	return len(p), nil
}

// A kill -9 leaves no file behind. The commands go on, as documented.
func TestParallelCLEANUP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newRoll(t)
	cmd := exec.CommandContext(t.Context(), "braid", "run", "-j2", "--", "sh", "-c", r.enter("echo something; exec sleep 1000"), ":::", "1", "2")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pids := r.wait(2)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for _, pid := range pids {
		if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
			t.Errorf("command %d: %v", pid, err)
		}
	}
	r.empty()
}

// Special characters in names are no trouble.
func TestParallelSPCCHAR(t *testing.T) {
	t.Parallel()
	const name = `My brother's 12" *** record  (costs $$$).jpg`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--", "ls", "{}"},
		{"--", "ls"},
		{"--shell", "--", "ls {}"},
		{"--shell", "--", `ls "{}"; true`},
		{"--shell", "--", "ls {//}/{/.}.jpg | sed s:^./::"},
	} {
		o := process(t, func(cmd *exec.Cmd) {
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(name+"\n")
		}, append([]string{"run", "-q"}, args...)...)
		if o.out != name+"\n" || o.err != "" || o.code != 0 {
			t.Errorf("%q: exit code %d, output %q, error %q", args, o.code, o.out, o.err)
		}
	}
	o := process(t, func(cmd *exec.Cmd) { cmd.Dir = dir }, "run", "-q", "wc", "--glob", "My*.jpg")
	if !strings.HasSuffix(o.out, name+"\n") {
		t.Errorf("output %q, error %q", o.out, o.err)
	}
}

// Composed commands work, once a shell is asked for.
func TestParallelCOMPOSED(t *testing.T) {
	t.Parallel()
	o := process(t, func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader("bar\n") }, "run", "-q", "--shell", "--", "echo", "foo;", "echo", "{}")
	if o.out != "foo\nbar\n" {
		t.Errorf("output %q, error %q", o.out, o.err)
	}
}

// A placeholder may occur more than once.
func TestParallelONEREP(t *testing.T) {
	t.Parallel()
	o := process(t, func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader("bar\n") }, "run", "-q", "--", "echo", "{}", "foo", "{}")
	if o.out != "bar foo bar\n" {
		t.Errorf("output %q, error %q", o.out, o.err)
	}
}

// A line of 100 MB is an input, although no command can be given it.
func TestParallelINPUTSIZE(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some hundred MB of memory")
	}
	t.Parallel()
	long := func(n int64) func(*exec.Cmd) {
		return func(cmd *exec.Cmd) {
			cmd.Stdin = io.MultiReader(strings.NewReader("foo."), io.LimitReader(letters{}, n), strings.NewReader("\nbar\n"))
		}
	}
	o := process(t, long(100_000_000), "run", "-k", "-q", "--", "echo", "{.}")
	if o.out != "foo\nbar\n" || o.code != 0 {
		t.Errorf("exit code %d, output %q, error %q", o.code, o.out, o.err)
	}
	// What is too long is named, shortened, and the next input is done.
	o = process(t, long(10_000_000), "run", "-k", "-q", "--", "echo", "{}")
	o.want(t, exitFailed, "foo.xxx", "argument list too long: argument 1 has 10000004 bytes")
	if o.out != "bar\n" || len(o.err) > 1000 {
		t.Errorf("output %q, %d bytes of error", o.out, len(o.err))
	}
}

// letters is an endless line.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// Many words in the output are no trouble. What it costs is a benchmark's matter;
// that the output is never looked at is why it cannot depend on them. The original
// has 10 MB from each of 30 jobs; here it is 1 MB.
func TestParallelNUMWORDS(t *testing.T) {
	t.Parallel()
	var words strings.Builder
	for i := range 1000 {
		fmt.Fprint(&words, i+1, " ")
	}
	path := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(path, []byte(strings.Repeat(words.String()+"\n", 250)), 0o600); err != nil {
		t.Fatal(err)
	}
	var out counting
	process(t, func(cmd *exec.Cmd) { cmd.Stdin, cmd.Stdout = numbers(30), &out }, "run", "-q", "-j", "10", "--", "sh", "-c", "cat "+path+"; : {}")
	if want := int64(30 * 250 * (words.Len() + 1)); out.n != want || out.lines != 30*250 {
		t.Errorf("%d bytes in %d lines, want %d in %d", out.n, out.lines, want, 30*250)
	}
}

// A line of output may be longer than 4 GB. Here it has 200 MB: nothing on the way
// counts bytes in 32 bits or keeps a line in memory, which TestParallelRAM shows.
func TestParallel4GB(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 200 MB")
	}
	t.Parallel()
	const size = 200_000_000
	var out counting
	o := process(t, func(cmd *exec.Cmd) { cmd.Stdout = &out }, "run", "-q", "--shell", "--", repeat("a", size)+"; : {}", ":::", "")
	if out.n != size || out.lines != 0 {
		t.Errorf("%d bytes in %d lines, want %d in none; %q", out.n, out.lines, size, o.err)
	}
}
