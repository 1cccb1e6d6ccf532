package cli

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/go-braid/braid"
)

// A run on the loop ends with a line about the steps that held it.
func TestSlowStepsAreCounted(t *testing.T) {
	kind, err := engineByName(asyncName)
	if err != nil {
		t.Fatal(err)
	}
	h := kind.open(2, nil)
	if got := h.remark(); got != "" {
		t.Errorf("before anything ran: %q", got)
	}
	// It holds the loop until that is noticed.
	if _, err := braid.Go(t.Context(), h, func(context.Context) (string, error) {
		for h.remark() == "" {
			runtime.Gosched()
		}
		return "", nil
	}).Await(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.remark(); !strings.HasPrefix(got, "1 step held the loop for 100ms or longer") || !strings.Contains(got, "--engine threads") {
		t.Errorf("remark %q", got)
	}
	if err := h.close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		engine     string
		jobs, want int
	}{
		{"serial", 8, 1},
		{"threads", 8, 256},
		{"async", 8, 8},
	} {
		kind, err := engineByName(c.engine)
		if err != nil {
			t.Fatal(err)
		}
		if got := windowFor(kind, c.jobs); got != c.want {
			t.Errorf("%s with -j %d: a window of %d, want %d", c.engine, c.jobs, got, c.want)
		}
	}
}
