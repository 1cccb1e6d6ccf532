//go:build unix

package command

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func writeFile(t *testing.T, path, content string, perm os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), perm); err != nil {
		t.Fatal(err)
	}
}

func TestCannotStart(t *testing.T) {
	dir := t.TempDir()
	r := newRunner(t, Config{})
	t.Chdir(dir)
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	writeFile(t, "here", "#!/bin/sh\n", 0o700)
	writeFile(t, "plain", "#!/bin/sh\n", 0o600)
	writeFile(t, "bin/inpath", "#!/bin/sh\n", 0o600)
	writeFile(t, "badscript", "#!/no/such/interpreter -x\n", 0o700)
	writeFile(t, "dosscript", "#!/bin/sh\r\necho\r\n", 0o700)
	writeFile(t, "noformat", "echo hello\n", 0o700)

	for _, test := range []struct {
		name  string
		want  error
		hint  string
		check bool // whether Check finds it
	}{
		{"", ErrNotFound, "its name is empty", true},
		{"no-such-program", ErrNotFound, "PATH does not have it: check the spelling", true},
		{"here", ErrNotFound, "give ./here", true},
		{"echo hello", ErrNotFound, "separate arguments", true},
		{"./missing", ErrNotFound, "there is no such file", true},
		{"plain/x", syscall.ENOTDIR, "give the path of a program", true},
		{"./bin", ErrIsDirectory, "give a program in it", true},
		{dir, ErrIsDirectory, "give a program in it", true},
		{"./plain", ErrNotExecutable, "chmod +x ./plain", true},
		{"inpath", ErrNotExecutable, "chmod +x " + bin + "/inpath", true},
		{"./badscript", ErrNotExecutable, "asks for /no/such/interpreter, which does not exist", true},
		{"./dosscript", ErrNotExecutable, "carriage return, which becomes part of /bin/sh", true},
		{"./noformat", ErrNotExecutable, "#!/bin/sh", false},
	} {
		checkErr := r.Check(test.name)
		if !test.check && checkErr != nil {
			t.Errorf("Check(%q) = %v", test.name, checkErr)
		}
		_, runErr := r.Run(t.Context(), Command{Args: []string{test.name, "arg"}})
		for _, err := range []error{checkErr, runErr} {
			if err == nil && !test.check {
				continue
			}
			if e := as[*StartError](t, err); !errors.Is(e, test.want) || !strings.Contains(e.Hint, test.hint) || e.Name != test.name {
				t.Errorf("%q: error %v\nwant %v with hint %q", test.name, err, test.want, test.hint)
			}
		}
	}
}

func TestNoCommand(t *testing.T) {
	r := newRunner(t, Config{})
	_, err := r.Run(t.Context(), Command{})
	wantText(t, as[*StartError](t, err), "no command was given")
}

func TestBadWorkingDirectory(t *testing.T) {
	r := newRunner(t, Config{})
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), "", 0o600)
	for name, hint := range map[string]string{
		"missing": "does not exist: make it first",
		"file":    "is not a directory",
	} {
		c := play("args")
		c.Dir = filepath.Join(dir, name)
		_, err := r.Run(t.Context(), c)
		if e := as[*StartError](t, err); !errors.Is(e, ErrWorkingDir) {
			t.Errorf("%s: error %v, want ErrWorkingDir", name, err)
		}
		wantText(t, err, c.Dir, hint)
	}
}

func TestArgumentListTooLong(t *testing.T) {
	r := newRunner(t, Config{})
	_, err := r.Run(t.Context(), play("args", "short", strings.Repeat("x", 100<<20)))
	if e := as[*StartError](t, err); !errors.Is(e, ErrTooLong) {
		t.Fatalf("error %v, want ErrTooLong", err)
	}
	wantText(t, err, "argument 2 has 104857600 bytes", "by standard input or in a file")
	if len(err.Error()) > 1000 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}

	many := make([]string, 100_000)
	for i := range many {
		many[i] = strings.Repeat("x", 100)
	}
	_, err = r.Run(t.Context(), play("args", many...))
	if e := as[*StartError](t, err); !errors.Is(e, ErrTooLong) {
		t.Fatalf("error %v, want ErrTooLong", err)
	}
	wantText(t, err, "bytes of arguments and ", "of environment")

	// The longest that the system takes is not refused.
	if runtime.GOOS == "linux" {
		longest := strings.Repeat("x", maxArg-1)
		if got, _ := mustRun(t, r, play("args", longest)); got != longest+"\x00" {
			t.Errorf("%d bytes came back, want %d", len(got), len(longest)+1)
		}
	}
}

func TestNULByte(t *testing.T) {
	r := newRunner(t, Config{})
	_, err := r.Run(t.Context(), play("args", "a", "b\x00c"))
	wantText(t, as[*StartError](t, err), "argument 2 has a NUL byte")
	c := play("args")
	c.Env = append(c.Env, "X=\x00")
	_, err = r.Run(t.Context(), c)
	wantText(t, as[*StartError](t, err), "environment has a NUL byte")
}

// A program that vanished is looked up again, and may be elsewhere by then.
func TestProgramMoves(t *testing.T) {
	r := newRunner(t, Config{})
	one, two := t.TempDir(), t.TempDir()
	t.Setenv("PATH", one+string(filepath.ListSeparator)+two)
	script := "#!/bin/sh\necho \"$0\"\n"
	writeFile(t, filepath.Join(one, "tool"), script, 0o700)
	c := Command{Args: []string{"tool"}}
	if got, _ := mustRun(t, r, c); got != filepath.Join(one, "tool")+"\n" {
		t.Errorf("first run: %q", got)
	}
	if err := os.Rename(filepath.Join(one, "tool"), filepath.Join(two, "tool")); err != nil {
		t.Fatal(err)
	}
	_, err := r.Run(t.Context(), c)
	if e := as[*StartError](t, err); !errors.Is(e, ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
	wantText(t, err, "is gone since it was looked up")
	if got, _ := mustRun(t, r, c); got != filepath.Join(two, "tool")+"\n" {
		t.Errorf("second run: %q", got)
	}
}

// A path is one from the working directory of this process, not from the
// command's.
func TestRelativeProgram(t *testing.T) {
	r := newRunner(t, Config{})
	t.Chdir(t.TempDir())
	writeFile(t, "tool", "#!/bin/sh\necho here\n", 0o700)
	if got, _ := mustRun(t, r, Command{Args: []string{"./tool"}, Dir: t.TempDir()}); got != "here\n" {
		t.Errorf("output %q", got)
	}
}

func TestNoDescriptorLeft(t *testing.T) {
	r := newRunner(t, Config{})
	// A soft limit low enough to be reached soon. Go raises it to the hard one,
	// so the shell lowers both.
	sh := `ulimit -n 64 && exec "$@"`
	c := Command{
		Args: []string{"sh", "-c", sh, "sh", os.Args[0]},
		Env:  []string{roleVar + "=crowded"},
	}
	stdout, _ := mustRun(t, r, c)
	lines := strings.Split(stdout, "\n")
	for _, line := range lines[:2] {
		if !strings.Contains(line, "ulimit -n") {
			t.Errorf("error %q, want the limit named", line)
		}
	}
	// All descriptors that were free came back.
	if n, _ := strconv.Atoi(lines[2]); n != 4 {
		t.Errorf("%s descriptors are free again, want 4", lines[2])
	}
}
