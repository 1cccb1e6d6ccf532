package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"
)

var errTest = errors.New("no luck")

func TestErrorTexts(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&TaskError{Task: "digest", Engine: "threads", Worker: 3, Attempt: 1, Err: errTest}, "braid: task digest on threads: no luck"},
		{&TaskError{Task: "digest", Engine: "threads", Attempt: 3, Err: errTest}, "braid: task digest on threads, attempt 3: no luck"},
		{&TaskError{Engine: "serial", Attempt: 1, Err: errTest}, "braid: on serial: no luck"},
		{&NotStartedError{Err: ErrSaturated}, "the task was not started: the engine is saturated"},
		{&TimeoutError{Limit: 2 * time.Second, Phase: PhaseRun}, "ran longer than 2s"},
		{&TimeoutError{Limit: time.Minute, Phase: PhaseQueue}, "waited longer than 1m0s to be run"},
		{&PanicError{Value: "boom", Stack: []byte("goroutine 1 [running]:")}, "panic: boom\n\ngoroutine 1 [running]:"},
		{&CrashError{PID: 7, ExitCode: 3}, "process 7 exited with code 3"},
		{&CrashError{PID: 7, ExitCode: -1, Signal: "SIGSEGV", Phase: PhaseRun}, "process 7 was ended by SIGSEGV (run)"},
		{&CrashError{PID: 7, ExitCode: -1, Signal: "SIGKILL", OOM: true, Phase: PhaseDecode}, "process 7 was killed for want of memory (decode)"},
		{&CrashError{PID: 7, ExitCode: 2, Stderr: "\nfatal error: all is lost\n"}, "process 7 exited with code 2: fatal error: all is lost"},
		{&LostError{Err: errTest}, "the outcome is unknown: no luck"},
		{&RemoteError{Type: "*fs.PathError", Text: "open x: no such file"}, "open x: no such file"},
		{&InterruptedError{Err: context.Canceled, Cause: context.Canceled}, "context canceled"},
		{&InterruptedError{Err: context.Canceled, Cause: errTest}, "context canceled: no luck"},
		{&InterruptedError{Err: fmt.Errorf("reading: %w", errTest), Cause: errTest}, "reading: no luck"},
		{&retriesError{last: errTest, ended: ErrClosed}, "no luck (no further attempt: the engine is closed)"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("%T: the text is %q, want %q", tc.err, got, tc.want)
		}
	}
}

func TestErrorsIs(t *testing.T) {
	timeout := &TimeoutError{Limit: time.Second, Phase: PhaseRun}
	for _, tc := range []struct {
		name    string
		err     error
		is, not []error
	}{
		{"not started", &TaskError{Err: &NotStartedError{Err: ErrSaturated}}, []error{ErrNotStarted, ErrSaturated}, []error{ErrClosed, ErrGoexit}},
		{"timeout", timeout, []error{context.DeadlineExceeded}, []error{context.Canceled, ErrNotStarted}},
		{"interrupted", &InterruptedError{Err: context.Canceled, Cause: errTest}, []error{context.Canceled, errTest}, []error{context.DeadlineExceeded}},
		{"panic with an error", &TaskError{Err: &PanicError{Value: fs.ErrNotExist}}, []error{fs.ErrNotExist}, []error{fs.ErrExist}},
		{"panic without", &PanicError{Value: "x"}, nil, []error{fs.ErrNotExist}},
		{"lost", &LostError{Err: errTest}, []error{errTest}, []error{ErrNotStarted}},
		{"retries", &TaskError{Err: &retriesError{last: errTest, ended: ErrSaturated}}, []error{errTest, ErrSaturated}, []error{ErrNotStarted}},
	} {
		for _, target := range tc.is {
			if !errors.Is(tc.err, target) {
				t.Errorf("%s: %q is not %q", tc.name, tc.err, target)
			}
		}
		for _, target := range tc.not {
			if errors.Is(tc.err, target) {
				t.Errorf("%s: %q is %q", tc.name, tc.err, target)
			}
		}
	}
	if !timeout.Timeout() {
		t.Error("a TimeoutError does not say that it is a timeout")
	}
	crash := &CrashError{PID: 1}
	if got, ok := errors.AsType[*CrashError](fmt.Errorf("here: %w", &TaskError{Err: crash})); !ok || got != crash {
		t.Errorf("errors.As found %v, want the *CrashError", got)
	}
}

func TestCancelled(t *testing.T) {
	in := func(err error) error { return &TaskError{Engine: "test", Attempt: 1, Err: err} }
	for _, tc := range []struct {
		name string
		err  error
		want bool
	}{
		{"success", nil, false},
		{"failure", in(errTest), false},
		{"refused", in(&NotStartedError{Err: ErrSaturated}), false},
		{"cancelled before it ran", in(&NotStartedError{Err: context.Canceled}), true},
		{"cancelled while it ran", in(&InterruptedError{Err: context.Canceled, Cause: errTest}), true},
		{"cancelled between attempts", in(&retriesError{last: errTest, ended: context.Canceled}), true},
		{"closed between attempts", in(&retriesError{last: errTest, ended: ErrClosed}), false},
		{"a limit was over", in(&InterruptedError{Err: context.DeadlineExceeded, Cause: &TimeoutError{}}), false},
		{"a deadline was over before it ran", in(&NotStartedError{Err: context.DeadlineExceeded}), false},
		{"a context.Canceled of its own", in(context.Canceled), false},
		{"a panic with context.Canceled", in(&PanicError{Value: context.Canceled}), false},
		{"a call of its own was cancelled", in(in(&NotStartedError{Err: context.Canceled})), false},
		{"a call of its own was interrupted", in(fmt.Errorf("sub: %w", in(&InterruptedError{Err: context.Canceled, Cause: errTest}))), false},
		{"wrapped by the caller", fmt.Errorf("step 2: %w", in(&InterruptedError{Err: context.Canceled, Cause: errTest})), true},
		{"an error of a wait", context.Canceled, false},
	} {
		if got := Cancelled(tc.err); got != tc.want {
			t.Errorf("%s: Cancelled(%v) = %v, want %v", tc.name, tc.err, got, tc.want)
		}
	}
}

func TestPanicErrorHasTheStack(t *testing.T) {
	err := runOn(t, NewGoroutines(nil), Spec{}, func(context.Context) error { panicHere(); return nil })
	p, ok := errors.AsType[*PanicError](err)
	if !ok {
		t.Fatalf("the error is %v, want a *PanicError", err)
	}
	if p.Value != "here" {
		t.Errorf("the value is %v, want \"here\"", p.Value)
	}
	if !strings.Contains(string(p.Stack), "panicHere") {
		t.Errorf("the stack does not name the function that panicked:\n%s", p.Stack)
	}
}

func panicHere() { panic("here") }
