package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
	_ "github.com/go-braid/braid/tasks"
)

// The test binary plays braid: it is in the PATH under that name.
func TestMain(m *testing.M) {
	multiprocessing.Main() // worker processes are this binary, too
	testscript.Main(checked{m}, map[string]func(){"braid": Main})
}

const quickExit = "atexit_sleep_ms=0"

// checked tests run, and leave no goroutine behind.
type checked struct{ *testing.M }

func (c checked) Run() int {
	// Under the race detector a process waits for a second before it ends, to see
	// what its goroutines still do. Each command of a script is one.
	os.Setenv("GORACE", quickExit)
	os.Setenv(recordEnv, recordOff) // but in the tests of records
	// The goroutine that starts processes never ends. It is started here, so that no
	// test takes it for a leak.
	p, err := multiprocessing.Start(context.Background(), printing, lines{})
	if err == nil {
		err = p.Join(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "there are no processes:", err)
		return 1
	}
	before := goleak.IgnoreCurrent()
	code := c.M.Run()
	if code == 0 {
		if err := goleak.Find(before); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left:", err)
			return 1
		}
	}
	return code
}

// Tasks that only tests need.
var (
	_ = braid.Define("double", func(_ context.Context, n int) (int, error) { return 2 * n, nil },
		braid.Doc("A number, doubled."))
	_ = braid.Define("upper", func(_ context.Context, s string) (string, error) { return s + " UP", nil })
	_ = braid.Define("length", func(_ context.Context, path string) (int64, error) {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	})
	_ = braid.Define("greet", greet, braid.Doc("A greeting."))
	_ = braid.Define("fail", func(_ context.Context, why string) (string, error) {
		return "", errors.New("failed on purpose: " + why)
	})
	_ = braid.Define("panic", func(_ context.Context, why string) (string, error) { panic(why) })
	_ = braid.Define("nan", func(_ context.Context, s string) (float64, error) {
		if s == "nan" {
			return math.NaN(), nil
		}
		return 1, nil
	})
	// The answer is a different one each time.
	_ = braid.Define("count", func(context.Context, string) (int64, error) { return counter.Add(1), nil })
	// Flaky fails until the file that it is given has two bytes, and adds one.
	_ = braid.Define("flaky", flaky)
	// Check writes its input into a log, and fails until there is a file ok-INPUT.
	_ = braid.Define("check", check)
	// Block says that it has begun, and waits until it is cancelled; deaf does not
	// even listen.
	_ = braid.Define("block", func(ctx context.Context, name string) (string, error) {
		fmt.Fprintln(os.Stderr, "started", name)
		<-ctx.Done()
		return "", ctx.Err()
	})
	_ = braid.Define("deaf", func(_ context.Context, name string) (string, error) {
		fmt.Fprintln(os.Stderr, "started", name)
		select {}
	})
	// Park waits likewise, but so that others can run on its thread.
	_ = braid.Define("park", func(ctx context.Context, name string) (string, error) {
		fmt.Fprintln(os.Stderr, "started", name)
		return "", strand.Sleep(ctx, time.Hour)
	})
	// Gate ends when somebody makes the file.
	_ = braid.Define("gate", gate)
)

var counter atomic.Int64

type person struct {
	Name string `json:"name"`
	City string `json:"city,omitempty"`
	Age  int    `json:"age,omitempty"`
}

func greet(_ context.Context, p person) (string, error) {
	s := "Hello " + p.Name
	if p.City != "" {
		s += " of " + p.City
	}
	if p.Age != 0 {
		s += fmt.Sprintf(" (%d)", p.Age)
	}
	return s, nil
}

func flaky(_ context.Context, path string) (string, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Size() >= 2 {
		return "done", nil
	}
	if _, err := f.WriteString("."); err != nil {
		return "", err
	}
	return "", errors.New("not yet")
}

func check(_ context.Context, name string) (string, error) {
	f, err := os.OpenFile("log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.WriteString(name + "\n"); err != nil {
		return "", err
	}
	if _, err := os.Stat("ok-" + name); err != nil {
		return "", errors.New("not ok")
	}
	return name, nil
}

func gate(ctx context.Context, path string) (string, error) {
	fmt.Fprintln(os.Stderr, "started", path)
	for {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// outcome is what came of a command line.
type outcome struct {
	code     int
	out, err string
}

// invoke runs a command line in this process.
func invoke(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	var out, talk bytes.Buffer
	code := Run(t.Context(), args, Streams{In: strings.NewReader(stdin), Out: &out, Err: &talk})
	return outcome{code, out.String(), talk.String()}
}

// want fails the test if the outcome has another code, or if its talk lacks a text.
func (o outcome) want(t *testing.T, code int, says ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d", o.code, code)
	}
	for _, s := range says {
		if !strings.Contains(o.err, s) {
			t.Errorf("standard error lacks %q", s)
		}
	}
	if t.Failed() {
		t.Logf("standard output:\n%s\nstandard error:\n%s", o.out, o.err)
	}
}

// process runs a braid of its own to its end.
func process(t *testing.T, change func(*exec.Cmd), args ...string) outcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "braid", args...)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if change != nil {
		change(cmd)
	}
	err := cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	} else if ok && e.ExitCode() < 0 {
		t.Logf("braid: %v", e)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), talk.String()}
}

// need skips a test that needs what is not there, or lets it fail where
// everything has to be.
func need(t *testing.T, err error, what string) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true" && runtime.GOOS == "linux":
		t.Fatalf("%s is needed: %v", what, err)
	default:
		t.Skipf("SKIPPED: %s is needed: %v", what, err)
	}
}

// needTool is need for a program.
func needTool(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := exec.LookPath(name)
		need(t, err, name)
	}
}
