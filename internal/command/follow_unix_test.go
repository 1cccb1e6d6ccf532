//go:build unix

package command

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

func init() {
	// halves writes args[0] to stdout and args[1] to stderr, waits until it is
	// told to go on by the pipe args[2], and writes args[3] and args[4].
	roles["halves"] = func(args []string) int {
		fmt.Print(args[0])
		fmt.Fprint(os.Stderr, args[1])
		listen(args[2])
		fmt.Print(args[3])
		fmt.Fprint(os.Stderr, args[4])
		return 0
	}
	// rewrite writes a line, waits for the pipe args[0], and begins its output anew.
	roles["rewrite"] = func(args []string) int {
		fmt.Println("a line of some length")
		listen(args[0])
		os.Stdout.Truncate(0)
		fmt.Println("new")
		return 0
	}
}

// A heard is what Follow was handed.
type heard struct {
	stream Stream
	text   string
}

// Lines come while the command runs, whole; what lacks a newline comes at the end.
func TestFollow(t *testing.T) {
	r := newRunner(t, Config{})
	goOn := newPipe(t)
	c := play("halves", "one\ntwo\nthr", "err\n", goOn.path, "ee\nfo", "or\n")
	var all []heard
	told := false
	c.Follow = func(s Stream, lines io.WriterTo) {
		var b bytes.Buffer
		if n, err := lines.WriteTo(&b); err != nil || n != int64(b.Len()) || n == 0 {
			t.Errorf("WriteTo = %d, %v", n, err)
		}
		all = append(all, heard{s, b.String()})
		out := ""
		for _, h := range all {
			if h.stream == Stdout {
				out += h.text
			}
		}
		// It waits for us, so this can only be what it wrote before.
		if !told && out == "one\ntwo\n" {
			told = true
			goOn.tell(t)
		}
	}
	res, err := r.Run(t.Context(), c)
	defer res.Close()
	if err != nil {
		t.Fatal(err)
	}
	got := map[Stream]string{}
	for i, h := range all {
		got[h.stream] += h.text
		if !strings.HasSuffix(h.text, "\n") && i < len(all)-2 {
			t.Errorf("%q is no whole line, and not the last one", h.text)
		}
	}
	if got[Stdout] != "one\ntwo\nthree\nfo" || got[Stderr] != "err\nor\n" {
		t.Errorf("followed %q", got)
	}
	if text(t, res.Stdout) != got[Stdout] || text(t, res.Stderr) != got[Stderr] {
		t.Errorf("the result has %q and %q", text(t, res.Stdout), text(t, res.Stderr))
	}
}

// A line that is longer than any buffer is handed over as one.
func TestFollowLongLine(t *testing.T) {
	r := newRunner(t, Config{})
	c := play("blocks", "100", "50000", "x")
	calls, size := 0, int64(0)
	c.Follow = func(s Stream, lines io.WriterTo) {
		n, err := lines.WriteTo(io.Discard)
		if err != nil || s != Stdout {
			t.Errorf("stream %d: %v", s, err)
		}
		calls++
		size += n
	}
	res, err := r.Run(t.Context(), c)
	defer res.Close()
	if err != nil || calls != 1 || size != 5_000_000 {
		t.Errorf("%d bytes in %d calls, %v", size, calls, err)
	}
}

// A command may truncate its output: what it writes then is followed from its start.
func TestFollowTruncated(t *testing.T) {
	r := newRunner(t, Config{})
	goOn := newPipe(t)
	c := play("rewrite", goOn.path)
	var all bytes.Buffer
	c.Follow = func(_ Stream, lines io.WriterTo) {
		first := all.Len() == 0
		lines.WriteTo(&all)
		if first {
			goOn.tell(t)
		}
	}
	res, err := r.Run(t.Context(), c)
	defer res.Close()
	if err != nil || all.String() != "a line of some length\nnew\n" {
		t.Errorf("followed %q, %v", all.String(), err)
	}
}
