package tasks

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-braid/braid"

	"github.com/go-braid/braid/internal/proctest"
)

// write makes a file in a folder of the test, and returns its name.
func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// endless makes a file that nobody could read in the time of a test.
func endless(t *testing.T) string {
	path := write(t, "endless", nil)
	if err := os.Truncate(path, 1<<42); err != nil {
		t.Skipf("the file system has no sparse files: %v", err)
	}
	return path
}

// run runs a task as its users do.
func run[In, Out any](ctx context.Context, task *braid.Task[In, Out], in In) (Out, error) {
	return braid.Submit(ctx, nil, task, in).Await(context.WithoutCancel(ctx))
}

// A countdown is a context that does something when it is looked at: before its
// n-th Err. So a test can act in the midst of a task, without regard to time. It
// is for the task's function: an engine would derive another context from it.
type countdown struct {
	context.Context
	left atomic.Int64
	act  func() error
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return c.act()
	}
	return nil
}

func atCheck(n int64, act func() error) *countdown {
	c := &countdown{Context: context.Background(), act: act}
	c.left.Store(n)
	return c
}

// cancelAtCheck returns a context that is cancelled before its n-th Err.
func cancelAtCheck(n int64) *countdown {
	return atCheck(n, func() error { return context.Canceled })
}

// tool returns the path of a program to compare with. Without it the test is
// skipped, or fails where all tools have to be there.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		var version []byte
		if version, err = exec.Command(path, "--version").Output(); err == nil && !strings.Contains(string(version), "GNU") {
			err = errors.New(name + " is not GNU's")
		}
	}
	if err == nil {
		return path
	}
	proctest.Skip(t, "%s, as there is nothing to compare with: %v", name, err)
	return ""
}

// wantFileError checks that err is about the file, as users are told.
func wantFileError(t *testing.T, err error, path string, is error, says string) {
	t.Helper()
	e, ok := errors.AsType[*FileError](err)
	if !ok {
		t.Fatalf("error %v, want a *FileError", err)
	}
	if e.Path != path {
		t.Errorf("the error is about %q, want %q", e.Path, path)
	}
	if !errors.Is(err, is) {
		t.Errorf("error %v does not match %v", err, is)
	}
	if text := err.Error(); !strings.Contains(text, display(path)) || !strings.Contains(text, says) {
		t.Errorf("error %q, want it to name %s and to say %q", text, path, says)
	}
}
