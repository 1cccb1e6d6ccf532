package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Ten seconds of work take five, twice. In each second the two threads print a
// line each, in either order; the coroutines always in the order of their start.
func TestTour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var out, talk bytes.Buffer
		if err := tour(t.Context(), &out, &talk, (*guide).threads, (*guide).coroutines); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v, want 10s", took)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != 22 || lines[10] != "Both threads have finished." || lines[21] != "Both coroutines have finished." {
			t.Fatalf("lines %q", lines)
		}
		threads, coroutines := lines[:10], lines[11:21]
		for i := range 5 {
			number, letter := "Thread 1: "+string("01234"[i]), "Thread 2: "+string("ABCDE"[i])
			if a, b := threads[2*i], threads[2*i+1]; !(a == number && b == letter) && !(a == letter && b == number) {
				t.Errorf("in second %d: %q, %q; want %q and %q", i+1, a, b, number, letter)
			}
			number, letter = "Async Task 1: "+string("01234"[i]), "Async Task 2: "+string("ABCDE"[i])
			if a, b := coroutines[2*i], coroutines[2*i+1]; a != number || b != letter {
				t.Errorf("in second %d on the loop: %q, %q; want %q and then %q", i+1, a, b, number, letter)
			}
		}
		if got := talk.String(); strings.Count(got, "Ten seconds of waiting took 5.00s") != 2 {
			t.Errorf("said %q", got)
		}
	})
}

func TestTourIsCancelled(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		lines int
	}{
		{2500 * time.Millisecond, 4}, // on threads
		{7500 * time.Millisecond, 15},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(c.after, func() { cancel(errTerminated) })
			began := time.Now()
			var out, talk bytes.Buffer
			if err := tour(ctx, &out, &talk, (*guide).threads, (*guide).coroutines); !errors.Is(err, errTerminated) {
				t.Errorf("error %v", err)
			}
			if took := time.Since(began); took != c.after || strings.Count(out.String(), "\n") != c.lines {
				t.Errorf("it took %v and printed %q", took, out.String())
			}
		})
	}
}

// Once the output cannot be written, nobody goes on.
func TestTourOutputFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("full")
		began := time.Now()
		if err := tour(t.Context(), failingWriter{full}, &bytes.Buffer{}, (*guide).threads); err != full {
			t.Errorf("error %v, want that of the output", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v, want 1s", took)
		}
	})
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
