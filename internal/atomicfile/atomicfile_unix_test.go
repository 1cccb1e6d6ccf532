//go:build unix

package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
)

// The test binary plays the process that is killed, or that another user runs.
const roleVar = "BRAID_ATOMICFILE_TEST_ROLE"

func TestMain(m *testing.M) {
	path := os.Getenv("BRAID_ATOMICFILE_TEST_PATH")
	switch os.Getenv(roleVar) {
	case "":
		os.Exit(m.Run())
	case "half": // writes the half, says so, and waits to be killed
		f, err := Create(path, 0o644)
		if err == nil {
			_, err = f.Write(make([]byte, 1<<20))
		}
		fmt.Println(err)
		os.Stdin.Read(make([]byte, 1))
	case "often": // commits again and again, until it is killed
		for i := 0; ; i++ {
			f, err := Create(path, 0o644)
			if err == nil {
				f.Write([]byte(strings.Repeat(strconv.Itoa(i%10), 1000)))
				err = f.Commit()
			}
			if _, e := fmt.Println(err); e != nil {
				os.Exit(1)
			}
		}
	case "create": // tells how Create ends
		_, err := Create(path, 0o644)
		fmt.Println(err)
	case "umask": // makes a file under a strict umask
		syscall.Umask(0o077)
		f, err := Create(path, 0o666)
		if err == nil {
			err = f.Commit()
		}
		fmt.Println(err)
	}
}

// play starts the test binary in a role, and returns what it prints.
func play(t *testing.T, role, path string, attr *syscall.SysProcAttr) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+role, "BRAID_ATOMICFILE_TEST_PATH="+path)
	cmd.SysProcAttr = attr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd, bufio.NewScanner(stdout)
}

func wantLine(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	if !lines.Scan() || !strings.Contains(lines.Text(), want) {
		t.Fatalf("the process said %q, %v; want %q", lines.Text(), lines.Err(), want)
	}
}

func TestKilledInMidWrite(t *testing.T) {
	proctest.Check(t)
	for _, old := range []bool{false, true} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		var want []string
		if old {
			put(t, path, "old", 0o600)
			want = []string{"file"}
		}
		cmd, lines := play(t, "half", path, nil)
		wantLine(t, lines, "<nil>")
		cmd.Process.Kill()
		cmd.Wait()
		if old {
			wantContent(t, path, "old")
		}
		if nameless(t, dir) {
			wantNames(t, dir, want...)
		}
	}
}

// nameless reports whether files without names can be made in dir.
func nameless(t *testing.T, dir string) bool {
	t.Helper()
	f, temp, err := create(dir, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if temp != "" {
		os.Remove(temp)
	}
	return temp == ""
}

// A process that is killed at any moment leaves a whole file.
func TestKilledAtAnyMoment(t *testing.T) {
	proctest.Check(t)
	for i := range 10 {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		cmd, lines := play(t, "often", path, nil)
		for range 1 + 7*i {
			wantLine(t, lines, "<nil>")
		}
		cmd.Process.Kill()
		cmd.Wait()
		got, err := os.ReadFile(path)
		if err != nil || len(got) != 1000 || strings.Count(string(got), string(got[:1])) != 1000 {
			t.Errorf("%d bytes, %v: not one whole content", len(got), err)
		}
		// The one instant at which a file has a temporary name.
		others, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(others) > 2 {
			t.Errorf("in the directory: %q, %v", others, err)
		}
	}
}

func TestPermissions(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	perm := func(path string) fs.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	for i, mode := range []fs.FileMode{0o600, 0o644, 0o666, 0o777, 0o755, 0o400} {
		// As any file that is made in the usual way.
		usual, ours := filepath.Join(dir, fmt.Sprint("usual", i)), filepath.Join(dir, fmt.Sprint("ours", i))
		g, err := os.OpenFile(usual, os.O_CREATE|os.O_WRONLY, mode)
		if err != nil {
			t.Fatal(err)
		}
		g.Close()
		mustCommit(t, mustCreate(t, ours, mode))
		if perm(ours) != perm(usual) {
			t.Errorf("Create with %v: %v, want %v", mode, perm(ours), perm(usual))
		}
		// As the file that is replaced.
		put(t, ours, "", mode)
		mustCommit(t, mustCreate(t, ours, 0o640))
		if perm(ours) != mode {
			t.Errorf("replaced %v: %v", mode, perm(ours))
		}
	}

	strict := filepath.Join(dir, "strict")
	_, lines := play(t, "umask", strict, nil)
	wantLine(t, lines, "<nil>")
	if perm(strict) != 0o600 {
		t.Errorf("with umask 077: %v", perm(strict))
	}
}

func TestSymlinks(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{
		"relative": "sub/a", "absolute": filepath.Join(sub, "b"), "chain": "relative",
		"up": "sub/../sub/c", "round": "round", "lost": "nowhere/x", "todir": "sub",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ link, target string }{
		{"relative", "a"}, // does not exist yet
		{"absolute", "b"},
		{"chain", "a"}, // exists by now
		{"up", "c"},
	} {
		f := mustCreate(t, filepath.Join(dir, test.link), 0o644)
		mustWrite(t, f, test.link)
		mustCommit(t, f)
		wantContent(t, filepath.Join(sub, test.target), test.link)
		if info, err := os.Lstat(filepath.Join(dir, test.link)); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is no link any more: %v, %v", test.link, info.Mode(), err)
		}
	}
	for link, text := range map[string]string{"round": "too many symbolic links", "lost": "no such", "todir": "give the name of a file in it"} {
		_, err := Create(filepath.Join(dir, link), 0o644)
		wantError(t, err, nil, text)
	}
	wantNames(t, sub, "a", "b", "c")
}

func TestNotARegularFile(t *testing.T) {
	proctest.Check(t)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{os.DevNull, pipe} {
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Create(path, 0o644)
		wantError(t, err, nil, path, "not a regular file")
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
			t.Fatalf("%s was replaced", path)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	put(t, file, "", 0o600)
	_, err := Create(filepath.Join(file, "x"), 0o644)
	wantError(t, err, syscall.ENOTDIR, "is not a directory")
}

func TestDirectoryOfOthers(t *testing.T) {
	proctest.Check(t)
	dir := t.TempDir()
	var attr *syscall.SysProcAttr
	if os.Getuid() == 0 {
		// Root may do all: another user asks, who can come this far.
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		exe := filepath.Join(dir, "play")
		binary, err := os.ReadFile(os.Args[0])
		if err == nil {
			err = os.WriteFile(exe, binary, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func(old string) { os.Args[0] = old }(os.Args[0])
		os.Args[0] = exe
	} else if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "file")
	_, lines := play(t, "create", path, attr)
	wantLine(t, lines, path+": permission denied: this user may not make or replace files in "+dir)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}
