package cli

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
)

// A run on the loop ends with a line about the steps that held it.
func TestSlowStepsAreCounted(t *testing.T) {
	kind, err := engineByName(asyncName)
	if err != nil {
		t.Fatal(err)
	}
	h, err := kind.open(engineConfig{jobs: 2})
	if err != nil {
		t.Fatal(err)
	}
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

// Meet ends when as many have come as its argument says.
var _ = braid.Define("meet", func(ctx context.Context, n int64) (string, error) {
	if met.Add(1) == n {
		all.Set()
	}
	return "met", all.Wait(ctx)
})

var (
	met atomic.Int64
	all strand.Event
)

// So many tasks are under way at once as -j says: none ends before all have begun.
func TestTogetherOnTheLoop(t *testing.T) {
	for _, c := range []struct {
		n    int
		jobs string
	}{
		{10_000, "10000"},
		{256, "auto"},
	} {
		t.Run(c.jobs, func(t *testing.T) {
			// A process of its own, since so many stacks would count as memory of
			// whatever command this one starts later.
			o := process(t, func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader(strings.Repeat(fmt.Sprintln(c.n), c.n)) },
				"run", "--engine", "async", "-j", c.jobs, "-q", "--deadline", "60s", "meet")
			o.want(t, exitOK)
			if got := strings.Count(o.out, "met\n"); got != c.n {
				t.Errorf("%d have met, want %d", got, c.n)
			}
		})
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
		{"processes", 8, 256},
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
