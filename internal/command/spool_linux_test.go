package command

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/go-braid/braid/internal/proctest"
)

func wantIncomplete(t *testing.T, err error, dir string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error though the disk was full")
	}
	if e := as[*SpoolError](t, err); !errors.Is(e, syscall.ENOSPC) || e.Dir != dir {
		t.Errorf("error %v of directory %s, want ENOSPC of %s", e, e.Dir, dir)
	}
	wantText(t, err, "its output is incomplete", "no space left for "+dir, "TMPDIR")
}

func TestFullDisk(t *testing.T) {
	dir := proctest.Tmpfs(t, "size=1m")
	r := newRunner(t, Config{Spool: dir})
	// It writes 2 MB, does not look whether that works, and ends well.
	res, err := r.Run(t.Context(), play("blocks", "200", "10000", "x"))
	wantIncomplete(t, err, dir)
	if res.Code != 0 || res.Stdout.Size() >= 2_000_000 || res.Stdout.Size() == 0 {
		t.Errorf("code %d, %d bytes", res.Code, res.Stdout.Size())
	}
	// While the disk is full, a command that wrote nothing may have tried to.
	next, err := r.Run(t.Context(), play("args"))
	wantIncomplete(t, err, dir)
	next.Close()
	res.Close()

	// There is room again, so all is well again.
	if got, _ := mustRun(t, r, play("args", "x")); got != "x\x00" {
		t.Errorf("output %q", got)
	}
	// A command that fails is still told as one.
	res, err = r.Run(t.Context(), play("exit", "3", strings.Repeat("x", 100_000)))
	res.Close()
	if _, ok := errors.AsType[*SpoolError](err); ok || as[*ExitError](t, err).Code != 3 {
		t.Errorf("error %v", err)
	}
}

// Two commands run into the full disk. The first gives its room back before the
// second ends: the second is incomplete all the same.
func TestFullDiskForAllThatRun(t *testing.T) {
	dir := proctest.Tmpfs(t, "size=1m")
	r := newRunner(t, Config{Spool: dir})
	ready, goOn := newPipe(t), newPipe(t)
	done := start(t.Context(), r, play("hold", "1", "2000000", "x", ready.path, goOn.path))
	ready.expect(t, "written")
	res, err := r.Run(t.Context(), play("exit", "3", "y"))
	wantIncomplete(t, err, dir)
	as[*ExitError](t, err)
	res.Close()

	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o600); err == nil {
		t.Error("the disk is not full")
	}
	goOn.tell(t)
	o := <-done
	wantIncomplete(t, o.err, dir)
	o.res.Close()
}

// The room that a kept result gives back comes too late for a command whose
// write has failed.
func TestFullDiskBeforeRelease(t *testing.T) {
	dir := proctest.Tmpfs(t, "size=1m")
	r := newRunner(t, Config{Spool: dir})
	kept, err := r.Run(t.Context(), play("blocks", "1", "600000", "x"))
	if err != nil {
		t.Fatal(err)
	}
	ready, goOn := newPipe(t), newPipe(t)
	done := start(t.Context(), r, play("hold", "1", "600000", "x", ready.path, goOn.path))
	ready.expect(t, "written")
	kept.Close()
	goOn.tell(t)
	o := <-done
	wantIncomplete(t, o.err, dir)
	o.res.Close()
}

// A command may open its output again, under a name that many systems have for
// it, and both ways write to the end.
func TestOutputOpenedAgain(t *testing.T) {
	r := newRunner(t, Config{})
	stdout, stderr := mustRun(t, r, Command{Args: []string{"sh", "-c",
		"echo first; echo 2 >>/dev/stdout; echo third; echo one >&2; echo 2 >>/dev/stderr; echo three >&2"}})
	if stdout != "first\n2\nthird\n" || stderr != "one\n2\nthree\n" {
		t.Errorf("output %q and %q", stdout, stderr)
	}
}

func TestInputLargerThanDisk(t *testing.T) {
	dir := proctest.Tmpfs(t, "size=1m")
	r := newRunner(t, Config{Spool: dir})
	c := play("cat")
	c.Stdin = strings.NewReader(strings.Repeat("x", 2_000_000))
	_, err := r.Run(t.Context(), c)
	if e := as[*StartError](t, err); !errors.Is(e, syscall.ENOSPC) {
		t.Errorf("error %v, want ENOSPC", err)
	}
	wantText(t, err, dir, "TMPDIR")
}

func TestNoRoomForFiles(t *testing.T) {
	dir := proctest.Tmpfs(t, "nr_inodes=3") // the directory, the probe, and one output
	r := newRunner(t, Config{Spool: dir})
	_, err := r.Run(t.Context(), play("args"))
	if e := as[*StartError](t, err); !errors.Is(e, syscall.ENOSPC) {
		t.Errorf("error %v, want ENOSPC", err)
	}
	wantText(t, err, dir, "TMPDIR")
	// The one file is not lost.
	f, err := newSpoolFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = NewRunner(Config{Spool: dir})
	if err == nil {
		t.Fatal("a Runner without a file for its probe")
	}
	wantText(t, err, "no space left in "+dir, "TMPDIR")
}

func TestBadSpoolDirectory(t *testing.T) {
	proctest.Check(t)
	missing := filepath.Join(t.TempDir(), "missing")
	_, err := NewRunner(Config{Spool: missing})
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("error %v, want that the directory does not exist", err)
	}
	wantText(t, err, missing, "TMPDIR")

	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "", 0o600)
	if _, err = NewRunner(Config{Spool: file}); !errors.Is(err, syscall.ENOTDIR) {
		t.Fatalf("error %v, want that it is not a directory", err)
	}
}

// SIGKILL of the process with the Runner leaves nothing in the spool directory,
// not even while the command goes on.
func TestKilledRunnerLeavesNothing(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	ready, goOn := newPipe(t), newPipe(t)
	alive, held := whileAlive(t)
	cmd := exec.Command(os.Args[0], dir, ready.path, goOn.path)
	cmd.Env = append(os.Environ(), roleVar+"=runner")
	cmd.Stderr = held
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	held.Close()
	ready.expect(t, "written")
	cmd.Process.Kill()
	cmd.Wait()
	alive()
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 0 {
		t.Errorf("left in the spool directory: %v, %v", names, err)
	}
	goOn.tell(t)
}

// On a file system without O_TMPFILE, files lose their names at once.
func TestUnlinkedFile(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	f, err := newUnlinkedFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
		t.Errorf("in the directory: %v, %v", names, err)
	}
	// It is for appending, as the others are.
	for _, s := range []string{"one ", "two"} {
		f.Seek(0, io.SeekStart)
		io.WriteString(f, s)
	}
	buf := make([]byte, 20)
	if n, _ := f.ReadAt(buf, 0); string(buf[:n]) != "one two" {
		t.Errorf("content %q", buf[:n])
	}
}

// A file is used again if and only if nobody else can write to it.
func TestExclusive(t *testing.T) {
	proctest.Check(t)
	s, err := newSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	st, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	if st.writer == st.file {
		st.close()
		t.Skip("NOT TESTED: there is no /proc")
	}
	if exclusive(st.file) {
		t.Error("exclusive while the writer is open")
	}
	dup, err := unix.FcntlInt(st.writer.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(st.writer, "content")
	o := st.started()
	if exclusive(o.file) {
		t.Error("exclusive while a duplicate of the writer is open")
	}
	unix.Close(dup)
	if !exclusive(o.file) {
		t.Error("not exclusive though all others are closed")
	}
	if err := o.finish(); err != nil || o.size != 7 {
		t.Errorf("size %d, %v; want 7", o.size, err)
	}
	used := o.file
	s.recycle(o)
	again, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	if again.file != used {
		t.Error("the file was not used again")
	}
	if info, err := again.file.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("it has %d bytes, %v", info.Size(), err)
	}
}

func TestReserve(t *testing.T) {
	dir := proctest.Tmpfs(t, "size=64k")
	var files [2]*os.File
	for i := range files {
		f, err := newSpoolFile(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	f, other := files[0], files[1]
	if _, err := other.Write(make([]byte, 48<<10)); err != nil {
		t.Fatal(err)
	}
	for range 10 { // it gives the room back
		if err := reserve(f); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := other.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := reserve(f); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("reserve = %v, want ENOSPC", err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("the file has %d bytes, %v", info.Size(), err)
	}
}
