package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid/multiprocessing"
)

// asProgram is set in the environment of a process that is to be the program.
const asProgram = "EXAMPLE_AS_PROGRAM"

func TestMain(m *testing.M) {
	multiprocessing.Main()
	if pause, err := time.ParseDuration(os.Getenv(asProgram)); err == nil {
		if err := run(context.Background(), pause); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTextbookProgram(t *testing.T) {
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), asProgram+"=10ms")
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 11 {
		t.Fatalf("printed %d lines, want 11: %q", len(lines), lines)
	}
	if last := lines[10]; last != "Both processes have finished." {
		t.Errorf("the last line is %q", last)
	}
	for i, want := range []string{"01234", "ABCDE"} {
		prefix := []string{"Process 1: ", "Process 2: "}[i]
		var got string
		for _, l := range lines {
			if c, ok := strings.CutPrefix(l, prefix); ok {
				got += c
			}
		}
		if got != want {
			t.Errorf("%sprinted %q, want %q", prefix, got, want)
		}
	}
}

// TestProcessesPrint: what is printed comes from two processes, and neither is this one.
func TestProcessesPrint(t *testing.T) {
	var pids []int
	from := multiprocessing.With(multiprocessing.Config{Output: func(o multiprocessing.Output) {
		if len(pids) < 5 && strings.HasPrefix(o.Text, "Process 1: ") {
			pids = append(pids, o.PID)
		}
	}})
	p, err := multiprocessing.Start(t.Context(), numbers, time.Millisecond, from)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := slices.Repeat([]int{p.PID()}, 5); !slices.Equal(pids, want) || p.PID() == os.Getpid() {
		t.Errorf("the lines came from the processes %v, want %v; this is %d", pids, want, os.Getpid())
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("run returned %v, want the cancelling", err)
	}
}
