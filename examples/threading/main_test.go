package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lines is a writer that two threads can share, and that notes when each line
// came.
type lines struct {
	mu    sync.Mutex
	start time.Time
	text  []string
	at    []time.Duration
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, strings.TrimSuffix(string(p), "\n"))
	l.at = append(l.at, time.Since(l.start))
	return len(p), nil
}

func TestTextbookProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &lines{start: time.Now()}
		if err := run(t.Context(), out); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(out.start); took != 5*time.Second {
			t.Errorf("ten seconds of work took %v, want 5s", took)
		}
		if len(out.text) != 11 {
			t.Fatalf("printed %d lines, want 11: %q", len(out.text), out.text)
		}
		if last := out.text[10]; last != "Both threads have finished." {
			t.Errorf("the last line is %q", last)
		}
		// A number and a letter came each second, in either order.
		for i := range 5 {
			pair := slices.Sorted(slices.Values(out.text[2*i : 2*i+2]))
			want := []string{"Thread 1: " + string("01234"[i]), "Thread 2: " + string("ABCDE"[i])}
			if !slices.Equal(pair, want) {
				t.Errorf("second %d printed %q, want %q", i+1, pair, want)
			}
			for _, at := range out.at[2*i : 2*i+2] {
				if want := time.Duration(i+1) * time.Second; at != want {
					t.Errorf("a line of second %d came after %v", i+1, at)
				}
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
		synctest.Wait()
		if len(out.text) != 4 {
			t.Errorf("printed %q before the deadline, want four lines", out.text)
		}
	})
}
