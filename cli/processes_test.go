package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

// A worker whose program has this in its environment ends before it can say anything.
func init() {
	if multiprocessing.IsWorker() && os.Getenv("GO_BRAID_TEST_STILLBORN") != "" {
		fmt.Fprintln(os.Stderr, "never born")
		os.Exit(5)
	}
}

// Tasks that a program should not have.
var (
	// Crash ends its process in the way that it is given, or returns that.
	_ = braid.Define("crash", crash)
	_ = braid.Define("crash-idempotent", crash, braid.Idempotent())
	// Crash-once ends its process unless the file that it is given is there, and makes it.
	_ = braid.Define("crash-once", func(_ context.Context, path string) (string, error) {
		if _, err := os.Stat(path); err == nil {
			return "done", nil
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return "", err
		}
		os.Exit(9)
		return "", nil
	}, braid.Idempotent())
	// Chat prints a line, says another, and leaves a third without its end.
	_ = braid.Define("chat", func(_ context.Context, s string) (string, error) {
		fmt.Println("printed " + s)
		fmt.Fprintln(os.Stderr, "said "+s)
		fmt.Print("and " + s)
		return "result " + s, nil
	})
	// Pid gives the process that it runs in.
	_ = braid.Define("pid", func(context.Context, string) (int, error) { return os.Getpid(), nil })
	// Getenv gives a variable, and the working directory.
	_ = braid.Define("getenv", func(_ context.Context, name string) (string, error) {
		dir, err := os.Getwd()
		return os.Getenv(name) + " in " + filepath.Base(dir), err
	})
	// Hold says which process it runs in, and ends when somebody makes the file.
	_ = braid.Define("hold", hold)
	_ = braid.Define("hold-idempotent", hold, braid.Idempotent())
	// Immobile has a result that cannot travel.
	_ = braid.Define("immobile", func(context.Context, string) (immobile, error) { return immobile{}, nil })
)

func hold(ctx context.Context, path string) (string, error) {
	fmt.Fprintln(os.Stderr, "process", os.Getpid())
	return gate(ctx, path)
}

type immobile struct{ Ch chan int }

func (immobile) String() string { return "here" }

var hoard [][]byte

func crash(ctx context.Context, how string) (string, error) {
	switch how {
	case "exit":
		fmt.Fprintln(os.Stderr, "first words")
		fmt.Fprintln(os.Stderr, "last words")
		os.Exit(7)
	case "kill":
		p, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = p.Signal(os.Kill)
		}
		if err != nil {
			return "", err
		}
		select {}
	case "goroutine":
		go func() { panic("elsewhere") }()
		select {}
	case "hoard":
		for {
			b := make([]byte, 16<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			hoard = append(hoard, b)
		}
	case "deaf":
		select {}
	case "polite":
		<-ctx.Done()
		return "", ctx.Err()
	}
	return how, nil
}

func TestParseSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
	}{
		{"67108864", 64 << 20}, {"64M", 64 << 20}, {"64m", 64 << 20}, {"64MB", 64 << 20}, {"64 MiB", 64 << 20},
		{"65536K", 64 << 20}, {"1.5G", 3 << 29}, {"2T", 2 << 40}, {"67108864B", 64 << 20}, {"64Mi", 64 << 20},
	} {
		if got, err := parseSize(c.text); err != nil || got != c.want {
			t.Errorf("%q: %d, %v; want %d", c.text, got, err, c.want)
		}
	}
	for text, says := range map[string]string{
		"": "it is a number of bytes", "much": "it is a number of bytes", "-64M": "it is a number of bytes",
		"64X": "it is a number of bytes", "64I": "it is a number of bytes", "1.2.3G": "it is a number of bytes", "1G 2G": "it is a number of bytes", "M": "it is a number of bytes", "64M ": "it is a number of bytes",
		"63M": "at least 64M", "1": "at least 64M", "9999999T": "no machine", strings.Repeat("9", 400): "no machine",
	} {
		if got, err := parseSize(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %d, %v; want an error that says %q", text, got, err, says)
		}
	}
}

func TestDeath(t *testing.T) {
	for _, c := range []struct {
		crash braid.CrashError
		want  string
	}{
		{braid.CrashError{ExitCode: 7}, "its process exited with code 7"},
		{braid.CrashError{ExitCode: 7, Stderr: "one\ntwo\n\n"}, "its process exited with code 7: two"},
		{braid.CrashError{ExitCode: -1, Signal: "SIGABRT", Stderr: "alone"}, "its process was ended by SIGABRT: alone"},
		{braid.CrashError{ExitCode: -1, Signal: "SIGKILL", Stderr: "before"}, "its process was ended by SIGKILL"},
		{braid.CrashError{ExitCode: 2, Reason: "panic: boom", Stderr: "panic: boom\n\ngoroutine 1"}, "its process exited with code 2: panic: boom"},
		{braid.CrashError{ExitCode: -1, Signal: "SIGKILL", OOM: true}, "its process was killed for want of memory"},
	} {
		if got := death(&c.crash); got != c.want {
			t.Errorf("%+v: %q, want %q", c.crash, got, c.want)
		}
		// Whatever the error is wrapped in, and however long its own text.
		err := &braid.TaskError{Task: "x", Err: fmt.Errorf("after all: %w", &c.crash)}
		if got := reason(err); got != "after all: "+c.want {
			t.Errorf("reason %q, want %q", got, "after all: "+c.want)
		}
	}
}

// In the process of the test: nothing is left of the workers, whatever became of them.
func TestWorkersAreGone(t *testing.T) {
	proctest.Check(t)
	o := invoke(t, "", "run", "--engine", "processes", "-j2", "-q", "crash", "exit", "fine", "goroutine", "well")
	o.want(t, exitFailed, ": exit: its process exited with code 7: last words\n", "goroutine: its process exited with code 2: panic: elsewhere\n")
	if !sameLines(o.out, "fine\nwell\n") {
		t.Errorf("printed %q", o.out)
	}
	o = invoke(t, "", "compare", "-q", "--rounds", "1", "double", "1", "2")
	o.want(t, exitOK)
}

// A worker is replaced after so many inputs.
func TestMaxTasks(t *testing.T) {
	proctest.Check(t)
	for tasks, want := range map[string]int{"1": 4, "2": 2, "4": 1, "0": 1} {
		o := invoke(t, "", "run", "--engine", "processes", "-j1", "-q", "--max-tasks", tasks, "pid", "a", "b", "c", "d")
		o.want(t, exitOK)
		pids := make(map[string]bool)
		for l := range strings.Lines(o.out) {
			pids[l] = true
		}
		if len(pids) != want || pids[fmt.Sprintln(os.Getpid())] {
			t.Errorf("--max-tasks %s: four inputs were done by %d processes, want %d: %q", tasks, len(pids), want, o.out)
		}
	}
}

func sameLines(a, b string) bool {
	count := make(map[string]int)
	for l := range strings.Lines(a) {
		count[l]++
	}
	for l := range strings.Lines(b) {
		count[l]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

// What tasks print in workers goes to the product, in whole lines; what they say is talk.
func TestWorkersPrint(t *testing.T) {
	proctest.Check(t)
	o := invoke(t, "", "run", "--engine", "processes", "-j2", "-q", "chat", "a", "b", "c")
	o.want(t, exitOK)
	var out, talk string
	for _, s := range []string{"a", "b", "c"} {
		out += "printed " + s + "\nresult " + s + "\n"
		talk += "said " + s + "\n"
	}
	// The unfinished lines run together with whatever the same worker prints next.
	for l := range strings.Lines(o.out) {
		if l = strings.TrimSpace(l); l != "" && !strings.Contains(out, l) && !strings.HasPrefix(l, "and ") {
			t.Errorf("an odd line: %q", l)
		}
	}
	if strings.Count(o.out, "printed ") != 3 || strings.Count(o.out, "result ") != 3 || strings.Count(o.out, "and ") != 3 || !sameLines(o.err, talk) {
		t.Errorf("printed %q, said %q", o.out, o.err)
	}
}

// The output of workers that cannot be written ends the run.
func TestWorkersPrintIntoNothing(t *testing.T) {
	proctest.Check(t)
	full := errors.New("full")
	var talk bytes.Buffer
	code := Run(t.Context(), []string{"run", "--engine", "processes", "-j1", "-q", "chat", "a", "b", "c"},
		Streams{In: strings.NewReader(""), Out: failingWriter{full}, Err: &talk})
	outcome{code, "", talk.String()}.want(t, exitUsage, "cannot write the results: full")
}

// Two processes print the lines of the tour, each its own, in their order.
func TestTourProcesses(t *testing.T) {
	proctest.Check(t)
	var out, talk bytes.Buffer
	quick := func(g *guide, ctx context.Context) error {
		g.pause = time.Millisecond
		return g.processes(ctx)
	}
	if err := tour(t.Context(), &out, &talk, quick); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for i, want := range []string{"01234", "ABCDE"} {
		prefix, got := fmt.Sprintf("Process %d: ", i+1), ""
		for l := range strings.Lines(text) {
			if c, ok := strings.CutPrefix(l, prefix); ok {
				got += strings.TrimSpace(c)
			}
		}
		if got != want {
			t.Errorf("%sprinted %q, want %q", prefix, got, want)
		}
	}
	if strings.Count(text, "\n") != 11 || !strings.HasSuffix(text, "\nBoth processes have finished.\n") {
		t.Errorf("printed %q", text)
	}
	var one, two, this int
	if _, err := fmt.Sscanf(talk.String(), "multiprocessing: two processes of their own, %d and %d, print the lines; this one is %d.", &one, &two, &this); err != nil ||
		one == two || one == this || two == this || this != os.Getpid() {
		t.Errorf("said %q", talk.String())
	}
}

func TestTourProcessesIsCancelled(t *testing.T) {
	proctest.Check(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	var talk bytes.Buffer
	first := writerFunc(func(p []byte) (int, error) {
		cancel(errTerminated)
		return len(p), nil
	})
	slow := func(g *guide, ctx context.Context) error {
		g.pause = 10 * time.Millisecond
		return g.processes(ctx)
	}
	if err := tour(ctx, first, &talk, slow); !errors.Is(err, errTerminated) {
		t.Errorf("error %v", err)
	}
}

func TestTourProcessesOutputFails(t *testing.T) {
	proctest.Check(t)
	full := errors.New("full")
	hours := func(g *guide, ctx context.Context) error {
		g.pause = time.Millisecond
		return g.processes(ctx)
	}
	if err := tour(t.Context(), failingWriter{full}, &bytes.Buffer{}, hours); !errors.Is(err, full) {
		t.Errorf("error %v, want that of the output", err)
	}
}

// Where no process can be started, the tour says so.
func TestTourWithoutProcesses(t *testing.T) {
	proctest.Check(t)
	t.Setenv("GO_BRAID_TEST_STILLBORN", "1")
	err := tour(t.Context(), &bytes.Buffer{}, &bytes.Buffer{}, (*guide).processes)
	if !errors.Is(err, errNoProcess) || !strings.Contains(err.Error(), "exited with code 5") {
		t.Errorf("error %v, want errNoProcess and why", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
