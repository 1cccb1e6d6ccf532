//go:build unix

package cli

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// fifo makes a named pipe, whose other end tell opens.
func fifo(t *testing.T) (path string, tell func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, func() {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

// Lines come while the command runs, on the stream that they were written to.
func TestLineBufferIsLive(t *testing.T) {
	t.Parallel()
	path, tell := fifo(t)
	script := "echo out {}; echo err >&2; printf half; cat " + path + "; echo ' line'"
	cmd := exec.CommandContext(t.Context(), "braid", "run", "-q", "--line-buffer", "--tag", "--shell", "--", script, ":::", "in")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	talk, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	outLines, errLines := bufio.NewReader(out), bufio.NewReader(talk)
	for _, line := range []struct {
		from *bufio.Reader
		want string
	}{{outLines, "in\tout in\n"}, {errLines, "in\terr\n"}} {
		if got, err := line.from.ReadString('\n'); got != line.want || err != nil {
			t.Errorf("read %q, %v; want %q", got, err, line.want)
		}
	}
	tell() // it still runs
	if got, err := outLines.ReadString('\n'); got != "in\thalf line\n" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// Lines of commands that write at the same time, in pieces, stay whole.
func TestLineBufferKeepsLinesWhole(t *testing.T) {
	t.Parallel()
	const jobs, lines, length = 8, 50, 20_000
	script := fmt.Sprintf(`i=0; while [ $i -lt %d ]; do
		head -c %d /dev/zero | tr '\0' $1; head -c %[2]d /dev/zero | tr '\0' $1; echo; i=$((i+1)); done`, lines, length/2)
	cmd := exec.CommandContext(t.Context(), "braid", "run", "-q", "-j8", "--line-buffer", "--tag", "--", "sh", "-c", script, "sh")
	cmd.Stdin = strings.NewReader("a\nb\nc\nd\ne\nf\ng\nh\n")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(out)) {
		letter := line[:1]
		if want := letter + "\t" + strings.Repeat(letter, length) + "\n"; line != want {
			t.Fatalf("a line of %d bytes begins with %.20q", len(line), line)
		}
		counts[letter]++
	}
	for letter, n := range counts {
		if n != lines {
			t.Errorf("%d lines of %s, want %d", n, letter, lines)
		}
	}
	if len(counts) != jobs {
		t.Errorf("lines of %d inputs, want %d", len(counts), jobs)
	}
}

// When the reader goes away, the commands are stopped, although none would end.
func TestLineBufferReaderGone(t *testing.T) {
	t.Parallel()
	r := newRoll(t)
	cmd := exec.CommandContext(t.Context(), "braid", "run", "-q", "--line-buffer", "--", "sh", "-c",
		r.enter("while echo line; do :; done"), ":::", "1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.wait(1)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "line\n" || err != nil {
		t.Errorf("read %q, %v", line, err)
	}
	out.Close()
	r.empty()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitSignal+int(syscall.SIGPIPE) {
		t.Errorf("exit code %d", code)
	}
}

// A command that runs long is named while it does, and goes on.
func TestSlow(t *testing.T) {
	t.Parallel()
	path, tell := fifo(t)
	l := start(t, "run", "--slow", "1ms", "--", "cat", "{}", ":::", path)
	l.hears("slow: " + path + " has run for 1ms")
	tell()
	l.ends(exitOK)
}

// The sequence begins with its first signal, and only its last step kills.
func TestKillSequence(t *testing.T) {
	t.Parallel()
	// The shell waits by itself: a child that is hit before it has become its program
	// would take the signal for one of the shell's, and not end.
	r, never := newRoll(t), newRoll(t)
	l := start(t, "run", "-q", "--kill-seq", "USR1,1h,KILL", "--", "sh", "-c",
		"trap 'echo asked; exit 3' USR1; exec 4<>"+never.path+"; "+r.enter("read word <&4"), ":::", "1")
	r.wait(1)
	l.signal(os.Interrupt)
	l.hears("waiting for what runs")
	l.signal(os.Interrupt)
	r.empty()
	if o := l.ends(exitSignal + int(syscall.SIGINT)); o.out != "asked\n" {
		t.Errorf("the command said %q", o.out)
	}

	r = newRoll(t)
	l = start(t, "run", "-q", "--kill-seq", "KILL", "--", "sh", "-c", "trap '' TERM; "+r.enter("sleep 1000"), ":::", "1")
	r.wait(1)
	l.signal(syscall.SIGTERM)
	r.empty()
	l.ends(exitSignal + int(syscall.SIGTERM))
}

// What takes too long beside the median of the others is stopped, also when it was
// started before there was one, and tried again if that is asked for.
func TestTimeoutOfMedian(t *testing.T) {
	t.Parallel()
	o := invoke(t, "", "run", "-q", "-j2", "-k", "--timeout", "300%", "--retries", "1", "--backoff", "none", "--retry-on", "timeout", "--",
		"sh", "-c", `test $1 = hangs || { echo $1; exit; }; echo try $BRAID_ATTEMPT; exec sleep 1000`, "sh",
		":::", "hangs", "1", "2", "3", "4", "5", "6")
	o.want(t, exitFailed, "stopped: ran longer than 1s (attempt 2)")
	if o.out != "try 2\n1\n2\n3\n4\n5\n6\n" {
		t.Errorf("printed %q", o.out)
	}
	// A task likewise, but it is not tried again if it began before.
	o = invoke(t, "", "run", "-q", "-j2", "-k", "--timeout", "300%", "sleep", "1000s", "0s", "0s", "0s", "0s", "0s", "0s")
	o.want(t, exitFailed, "1000s: stopped: ran longer than 1s")
}

// Outputs that are larger than memory should be are passed on line by line, too, and
// nothing is left of them when braid is killed.
func TestLineBufferLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := newRoll(t)
	cmd := exec.CommandContext(t.Context(), "braid", "run", "-q", "--line-buffer", "--", "sh", "-c",
		"head -c 30000000 /dev/zero; "+r.enter("exec sleep 1000"), ":::", "1")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := r.wait(1)[0]
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	r.empty()
}
