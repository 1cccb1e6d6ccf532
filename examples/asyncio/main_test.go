package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// lines is a writer that notes when each line came. It has no lock: the
// coroutines of a loop need none.
type lines struct {
	start time.Time
	text  []string
	at    []time.Duration
}

func (l *lines) Write(p []byte) (int, error) {
	l.text = append(l.text, strings.TrimSuffix(string(p), "\n"))
	l.at = append(l.at, time.Since(l.start))
	return len(p), nil
}

var textbook = []string{
	"Async Task 1: 0", "Async Task 2: A",
	"Async Task 1: 1", "Async Task 2: B",
	"Async Task 1: 2", "Async Task 2: C",
	"Async Task 1: 3", "Async Task 2: D",
	"Async Task 1: 4", "Async Task 2: E",
}

// The coroutine that was started first also wakes first, each second.
func TestTextbookProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &lines{start: time.Now()}
		if err := run(t.Context(), out); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(out.start); took != 5*time.Second {
			t.Errorf("ten seconds of work took %v, want 5s", took)
		}
		if !slices.Equal(out.text, textbook) {
			t.Fatalf("printed %q, want %q", out.text, textbook)
		}
		for i, at := range out.at {
			if want := time.Duration(i/2+1) * time.Second; at != want {
				t.Errorf("%q came after %v, want %v", out.text[i], at, want)
			}
		}
	})
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		out := &lines{start: time.Now()}
		if err := run(ctx, out); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("run returned %v, want the deadline", err)
		}
		if took := time.Since(out.start); took != 2500*time.Millisecond {
			t.Errorf("it took %v, want 2.5s", took)
		}
		if !slices.Equal(out.text, textbook[:4]) {
			t.Errorf("printed %q before the deadline, want %q", out.text, textbook[:4])
		}
	})
}
