package cli

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system with room for size bytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	need(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size), "the right to mount a small file system")
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// The disk on which outputs are kept is full while a command writes: the input
// has failed, although the command does not notice. Unlike the original, the disk
// stays full until the command ends: room that is gone and back before that is
// not seen, as package command says.
func TestParallelDISKFULL(t *testing.T) {
	disk := smallDisk(t, "1m")
	spool := func(cmd *exec.Cmd) { cmd.Env = append(os.Environ(), "TMPDIR="+disk) }
	const script = `case {} in
		big) head -c 3000000 /dev/zero; exit 0;;
	esac; echo {}`
	o := process(t, spool, "run", "-k", "-j1", "-q", "--", "sh", "-c", script, ":::", "small", "big", "other")
	o.want(t, exitFailed, "its output is incomplete: no space left for "+disk, "set TMPDIR to a directory on another file system")
	if !strings.HasPrefix(o.out, "small\n") {
		t.Errorf("the output begins with %.20q", o.out)
	}
	// The next one finds room, or is told of as well.
	if !strings.HasSuffix(o.out, "other\n") && strings.Count(o.err, "incomplete") != 2 {
		t.Errorf("input other is lost: %s", o.err)
	}

	// Others fill the disk, and it stays full.
	fill := filepath.Join(disk, "fill")
	o = process(t, spool, "run", "-q", "--", "sh", "-c", `head -c 3000000 /dev/zero > `+fill+` 2>/dev/null; echo lost; :`, ":::", "1")
	o.want(t, exitFailed, "its output is incomplete: no space left")

	// It is full from the start.
	if err := os.WriteFile(filepath.Join(disk, "rest"), nil, 0o600); err != nil {
		t.Log(err)
	}
	o = process(t, spool, "run", "-q", "--", "echo", ":::", "1", "2")
	if o.code == exitOK || !strings.Contains(o.err, "no space left") {
		t.Errorf("exit code %d, %q", o.code, o.err)
	}
}

// No room for results: each is named, and nothing is left under its final name.
func TestOutOnFullDisk(t *testing.T) {
	disk := smallDisk(t, "1m")
	dir := t.TempDir()
	noise := make([]byte, 3_000_000)
	_, _ = rand.Read(noise)
	for name, data := range map[string][]byte{"noise": noise, "text": []byte("text")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := process(t, func(cmd *exec.Cmd) { cmd.Dir = dir }, "run", "-j1", "-q", "gzip", "--out", disk, "noise", "text")
	o.want(t, exitFailed, "braid: noise", "no space left")
	left, err := os.ReadDir(disk)
	if err != nil || len(left) != 1 || left[0].Name() != "text.gz" {
		t.Errorf("on the disk: %v, %v; want text.gz alone", left, err)
	}
}

// Standard output is full: the run ends, and says so once.
func TestStdoutFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	need(t, err, "/dev/full")
	defer full.Close()
	for _, args := range [][]string{
		{"run", "sleep", "0", "0"},
		{"run", "--json", "sleep", "0"},
		{"run", "--", "echo", ":::", "1"},
		{"run", "--dry-run", "sleep", "0"},
		{"compare", "--rounds", "1", "sleep", "0"},
		{"tasks"},
		{"completion", "bash"},
	} {
		var talk bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "braid", args...)
		cmd.Stdout, cmd.Stderr = full, &talk
		_ = cmd.Run()
		o := outcome{code: cmd.ProcessState.ExitCode(), err: talk.String()}
		o.want(t, exitUsage, "braid: cannot write the results: ", "no space left on device", "Try: make room, or send the output elsewhere")
		if strings.Count(o.err, "no space left") != 1 {
			t.Errorf("%q: said\n%s", args, o.err)
		}
	}
}

// The disk of the record is full: the run goes on, and says so once.
func TestRecordOnFullDisk(t *testing.T) {
	disk := smallDisk(t, "256k")
	names := make([]string, 3000)
	for i := range names {
		names[i] = strings.Repeat("x", 500)
	}
	o := process(t, func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader(strings.Join(names, "\n")) },
		"run", "--record", disk, "upper")
	o.want(t, exitOK, "braid: recording ends here, and the run goes on: ", "no space left on device")
	if got := strings.Count(o.out, " UP\n"); got != len(names) {
		t.Errorf("%d results, want %d", got, len(names))
	}
	if got := strings.Count(o.err, "recording"); got != 1 {
		t.Errorf("it is said %d times:\n%s", got, o.err)
	}

	// So full that a record cannot even begin.
	_ = os.WriteFile(filepath.Join(disk, "fill"), make([]byte, 1<<20), 0o600)
	o = process(t, nil, "run", "--record", disk, "upper", "a")
	o.want(t, exitOK, "record")
	if o.out != "a UP\n" || strings.Count(o.err, "not recorded: ") != 1 || strings.Contains(o.err, "ends here") {
		t.Errorf("printed %q, said %q", o.out, o.err)
	}
}
