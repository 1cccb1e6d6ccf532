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

// The tests below are the eleven that GNU parallel has for other tools; see the chapter
// TESTING OTHER TOOLS of parallel_alternatives(7). DISKFULL is with the tests of
// full disks. Each says where it asks for less than the original; with
// BRAID_PARALLEL_TESTS=full none does, which takes some minutes, 10 GB of disk and more
// than half of that in memory for files.

// scaled returns how much a test is to do: as much as the original if so asked.
func scaled(usual, original int) int {
	if os.Getenv("BRAID_PARALLEL_TESTS") == "full" {
		return original
	}
	return usual
}

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
	block := scaled(100_000, 3_000_000)
	dir, script := t.TempDir(), ""
	for i, letter := range []string{"a", "b", "c", "d", "e", "f"} {
		path := filepath.Join(dir, letter)
		if err := os.WriteFile(path, bytes.Repeat([]byte(letter), block), 0o600); err != nil {
			t.Fatal(err)
		}
		script += "cat " + path
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
	if want := int64(jobs * (3*block + 1)); out.n != want || talk.n != want {
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

// Output may be larger than memory. The original writes 20 GB, to be more than the
// machine has; here it is 300 MB, some times what braid itself may hold.
func TestParallelRAM(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 300 MB")
	}
	t.Parallel()
	jobs, each := scaled(10, 20), scaled(30_000_000, 1<<30)
	var out counting
	cmd := exec.CommandContext(t.Context(), "braid", "run", "-q", "-j2", "--", "sh", "-c", fmt.Sprintf("head -c %d /dev/zero; : {}", each))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = numbers(jobs), &out, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if out.n != int64(jobs*each) {
		t.Errorf("%d bytes, want %d", out.n, jobs*each)
	}
	checkPeak(t, cmd)
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
	lines := scaled(250, 2700)
	if err := os.WriteFile(path, []byte(strings.Repeat(words.String()+"\n", lines)), 0o600); err != nil {
		t.Fatal(err)
	}
	var out counting
	process(t, func(cmd *exec.Cmd) { cmd.Stdin, cmd.Stdout = numbers(30), &out }, "run", "-q", "-j", "10", "--", "sh", "-c", "cat "+path+"; : {}")
	if want := int64(30 * lines * (words.Len() + 1)); out.n != want || out.lines != int64(30*lines) {
		t.Errorf("%d bytes in %d lines, want %d in %d", out.n, out.lines, want, 30*lines)
	}
}

// A line of output may be longer than 4 GB: nothing on the way counts bytes in 32 bits
// or keeps a line in memory. Where tests have the time, with CI=true, it has 4.3 GB, of
// which the command writes the last byte: the file that keeps its output has a hole for
// the rest, so that it takes no disk. Elsewhere it has 200 MB. The original has 5 GB.
func TestParallel4GB(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 200 MB or more")
	}
	t.Parallel()
	size := scaled(200_000_000, 5_000_000_000)
	if os.Getenv("CI") == "true" {
		size = max(size, 4_300_000_000)
	}
	script := repeat("a", size)
	if runtime.GOOS == "linux" {
		script = fmt.Sprintf("truncate -s %d /proc/self/fd/1", size)
	}
	var out counting
	cmd := exec.CommandContext(t.Context(), "braid", "run", "-q", "--shell", "--", script+"; : {}", ":::", "")
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if out.n != int64(size) || out.lines != 0 {
		t.Errorf("%d bytes in %d lines, want %d in none", out.n, out.lines, size)
	}
	checkPeak(t, cmd)
}

// checkPeak fails if a braid that has ended held much of what went through it.
func checkPeak(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	if runtime.GOOS != "darwin" {
		peak *= 1024
	}
	most := int64(150_000_000)
	if raceEnabled {
		most *= 2 // the race detector remembers
	}
	if peak > most {
		t.Errorf("braid used %d MB of memory", peak/1_000_000)
	}
}
