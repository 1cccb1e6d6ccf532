package cli

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/command"
)

func TestRetryOn(t *testing.T) {
	exit := func(code int) error { return &command.ExitError{Code: code} }
	killed := &command.ExitError{Code: -1, Signal: "SIGTERM"}
	timeout := &command.StoppedError{Cause: &engine.TimeoutError{Phase: engine.PhaseRun}, Exit: killed}
	errs := map[string]error{
		"exit 1": exit(1), "exit 75": exit(75), "SIGTERM": killed, "timeout": timeout,
		"task timeout": fmt.Errorf("%w: %w", context.DeadlineExceeded, errors.New("too long")),
		"start":        &command.StartError{Err: command.ErrNotFound},
		"crash":        &braid.CrashError{Signal: "SIGTERM"}, "panic": &braid.PanicError{Value: 1}, "error": errors.New("plain"),
	}
	for flag, want := range map[string][]string{
		"exit":         {"exit 1", "exit 75"},
		"exit=75":      {"exit 75"},
		"exit=2-75":    {"exit 75"},
		"signal":       {"SIGTERM"},
		"signal=term":  {"SIGTERM"},
		"signal=INT":   nil,
		"timeout":      {"timeout", "task timeout"},
		"start":        {"start"},
		"crash, panic": {"crash", "panic"},
		"error":        {"exit 1", "exit 75", "SIGTERM", "timeout", "task timeout", "start", "error"},
	} {
		on, err := parseRetryOn(flag)
		if err != nil {
			t.Errorf("%s: %v", flag, err)
			continue
		}
		wanted := map[string]bool{}
		for _, name := range want {
			wanted[name] = true
		}
		for name, e := range errs {
			if got := on(&braid.TaskError{Err: e}); got != wanted[name] {
				t.Errorf("%s: after %s: %t", flag, name, got)
			}
		}
	}
}
