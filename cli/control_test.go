package cli

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"
)

func TestControl(t *testing.T) {
	c := newControl()
	var calls []string
	c.on(stageTerminate, func() { calls = append(calls, "stop") })
	c.on(stageAbandon, func() { calls = append(calls, "kill") })
	first, second := errors.New("first"), errors.New("second")

	c.raise(stageDrain, 7, first)
	if c.stage() != stageDrain || len(calls) != 0 {
		t.Errorf("stage %d, calls %q", c.stage(), calls)
	}
	select {
	case <-c.changed:
	default:
		t.Error("nobody was told")
	}
	c.raise(stageTerminate, 8, second)
	if want := []string{"stop"}; !slices.Equal(calls, want) {
		t.Errorf("calls %q, want %q", calls, want)
	}
	// Stages only go up, and each function is called once.
	c.raise(stageDrain, 9, nil)
	c.raise(stageTerminate, 9, nil)
	if c.stage() != stageTerminate || len(calls) != 1 {
		t.Errorf("stage %d, calls %q", c.stage(), calls)
	}
	c.raise(stageAbandon, 9, nil)
	if want := []string{"stop", "kill"}; !slices.Equal(calls, want) {
		t.Errorf("calls %q, want %q", calls, want)
	}
	// The first reason counts.
	if code, err := c.reason(); code != 7 || err != first {
		t.Errorf("reason %d, %v; want 7, first", code, err)
	}
}

// Whoever goes straight to the end has everything stopped and killed.
func TestControlJump(t *testing.T) {
	c := newControl()
	var calls []string
	c.on(stageTerminate, func() { calls = append(calls, "stop") })
	c.on(stageAbandon, func() { calls = append(calls, "kill") })
	c.raise(stageAbandon, 1, nil)
	if want := []string{"stop", "kill"}; !slices.Equal(calls, want) {
		t.Errorf("calls %q, want %q", calls, want)
	}
}

// Who comes late is called at once, and who has gone is not called.
func TestControlHooks(t *testing.T) {
	c := newControl()
	var calls []string
	add := func(s string) func() { return func() { calls = append(calls, s) } }
	undo := c.on(stageDrain, add("gone"))
	c.on(stageTerminate, add("terminate"))
	c.on(stageDrain, add("drain"))
	undo()
	c.raise(stageTerminate, 1, nil)
	c.on(stageDrain, add("late"))()
	if want := []string{"drain", "terminate", "late"}; !slices.Equal(calls, want) {
		t.Errorf("calls %q, want %q", calls, want)
	}
}

func TestSignals(t *testing.T) {
	for _, c := range []struct {
		name    string
		first   int32
		signals []os.Signal
		stages  []int32
		code    int
	}{
		{"interrupts", stageDrain, []os.Signal{os.Interrupt, os.Interrupt, os.Interrupt}, []int32{stageDrain, stageTerminate, stageAbandon}, 130},
		{"terminated", stageDrain, []os.Signal{syscall.SIGTERM, syscall.SIGTERM}, []int32{stageTerminate, stageAbandon}, 143},
		{"terminated later", stageDrain, []os.Signal{os.Interrupt, syscall.SIGTERM}, []int32{stageDrain, stageTerminate}, 130},
		{"impatient", stageTerminate, []os.Signal{os.Interrupt, os.Interrupt}, []int32{stageTerminate, stageAbandon}, 130},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctl := newControl()
			ctl.first = c.first
			var said []int32
			ctl.comment = func(stage int32) { said = append(said, stage) }
			for i, s := range c.signals {
				ctl.signal(s)
				if ctl.stage() != c.stages[i] {
					t.Errorf("after signal %d: stage %d, want %d", i+1, ctl.stage(), c.stages[i])
				}
			}
			if !slices.Equal(said, c.stages) {
				t.Errorf("told of stages %d, want %d", said, c.stages)
			}
			if code, _ := ctl.reason(); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
		})
	}
}
