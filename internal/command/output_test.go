package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// output returns an Output that a command wrote.
func output(t *testing.T, r *Runner, content string) *Output {
	t.Helper()
	c := play("cat")
	c.Stdin = strings.NewReader(content)
	res, err := r.Run(t.Context(), c)
	t.Cleanup(res.Close)
	if err != nil {
		t.Fatal(err)
	}
	return res.Stdout
}

var contents = []string{"", "x", strings.Repeat("0123456789abcde\n", bufferSize/16), strings.Repeat("0123456789abcdef\n", 100_000)}

func TestReadAt(t *testing.T) {
	r := newRunner(t, Config{})
	for _, content := range []string{"", "x", strings.Repeat("0123456789abcde\n", 300)} {
		o := output(t, r, content)
		if err := iotest.TestReader(io.NewSectionReader(o, 0, o.Size()), []byte(content)); err != nil {
			t.Errorf("%d bytes: %v", len(content), err)
		}
	}
}

// The ways to the kernel: a file, a file that is open for appending, a pipe.
func TestWriteToFile(t *testing.T) {
	r := newRunner(t, Config{})
	for _, content := range contents {
		o := output(t, r, content)
		for _, flag := range []int{0, os.O_APPEND} {
			path := filepath.Join(t.TempDir(), "file")
			f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flag, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(f, "before\n")
			for range 2 {
				if n, err := o.WriteTo(f); n != o.Size() || err != nil {
					t.Errorf("WriteTo = %d, %v; want %d", n, err, o.Size())
				}
			}
			f.Close()
			got, err := os.ReadFile(path)
			if want := "before\n" + content + content; string(got) != want || err != nil {
				t.Errorf("the file has %d bytes, %v; want %d", len(got), err, len(want))
			}
		}
	}
}

func TestWriteToPipe(t *testing.T) {
	r := newRunner(t, Config{})
	for _, content := range contents {
		o := output(t, r, content)
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		var wg sync.WaitGroup
		wg.Go(func() { got, _ = io.ReadAll(in) })
		if n, err := o.WriteTo(out); n != o.Size() || err != nil {
			t.Errorf("WriteTo = %d, %v; want %d", n, err, o.Size())
		}
		out.Close()
		wg.Wait()
		in.Close()
		if string(got) != content {
			t.Errorf("%d bytes arrived, want %d", len(got), len(content))
		}
	}
}

func TestWriteToFails(t *testing.T) {
	r := newRunner(t, Config{})
	o := output(t, r, contents[3])

	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	if n, err := o.WriteTo(out); n != 0 || err == nil {
		t.Errorf("to a pipe that nobody reads: %d, %v", n, err)
	}
	out.Close()
	if n, err := o.WriteTo(out); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("to a closed file: %d, %v", n, err)
	}

	full := errors.New("full")
	if n, err := o.WriteTo(&limited{left: 100_000, err: full}); n != 100_000 || err != full {
		t.Errorf("to a writer that fails: %d, %v; want 100000 and its error", n, err)
	}
}

// limited is a Writer that takes so many bytes and then fails.
type limited struct {
	left int
	err  error
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		n := l.left
		l.left = 0
		return n, l.err
	}
	l.left -= len(p)
	return len(p), nil
}

// What was cut off by a process left behind is missed, not made up.
func TestWriteToTruncated(t *testing.T) {
	r := newRunner(t, Config{})
	o := output(t, r, contents[3])
	if err := o.file.Truncate(70_000); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if n, err := o.WriteTo(&b); n != 70_000 || err != io.ErrUnexpectedEOF {
		t.Errorf("WriteTo = %d, %v; want 70000 and io.ErrUnexpectedEOF", n, err)
	}
}

func TestTail(t *testing.T) {
	r := newRunner(t, Config{})
	for _, test := range []struct{ content, want string }{
		{"", ""},
		{"short\n", "short\n"},
		{"0123456789", "0123456789"},
		{"first\nsecond\n", "second\n"},
		{"0123456789abcdef", "6789abcdef"},
		{"0123456789abcdef\n", "789abcdef\n"},
	} {
		if got := output(t, r, test.content).tail(10); got != test.want {
			t.Errorf("tail of %q = %q, want %q", test.content, got, test.want)
		}
	}
}

// After Close the file may be another command's: nobody reads it as this one's.
func TestClosedOutput(t *testing.T) {
	r := newRunner(t, Config{})
	res, err := r.Run(t.Context(), play("exit", "0", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	copied := res
	res.Close()
	copied.Close() // does nothing: the file is not to be given away twice
	if _, err := mustRun(t, r, play("both")); len(err) != 400 {
		t.Errorf("another command's stderr has %d bytes, want 400", len(err))
	}
	for _, o := range []*Output{res.Stdout, res.Stderr} {
		if n, err := o.WriteTo(io.Discard); n != 0 || !errors.Is(err, os.ErrClosed) {
			t.Errorf("WriteTo = %d, %v; want os.ErrClosed", n, err)
		}
		if n, err := o.ReadAt(make([]byte, 1), 0); n != 0 || !errors.Is(err, os.ErrClosed) {
			t.Errorf("ReadAt = %d, %v; want os.ErrClosed", n, err)
		}
	}
}

// Bytes that lie in a pipe stay what they are when the file that they came from
// is closed and used by another command.
func TestSentBytesStay(t *testing.T) {
	for _, dir := range []string{os.TempDir(), "/dev/shm"} {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		r := newRunner(t, Config{Spool: dir})
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		const size = 10_000
		for i, letter := range []string{"a", "b", "c"} {
			res, err := r.Run(t.Context(), play("blocks", "1", fmt.Sprint(size*(i+1)), letter))
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				if n, err := res.Stdout.WriteTo(out); n != size || err != nil {
					t.Errorf("WriteTo = %d, %v; want %d", n, err, size)
				}
			}
			res.Close()
		}
		out.Close()
		if got, err := io.ReadAll(in); string(got) != strings.Repeat("a", size) || err != nil {
			t.Errorf("%s: %d bytes, %v; not those that were written", dir, len(got), err)
		}
	}
}
