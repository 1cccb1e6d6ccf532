package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetryDelay(t *testing.T) {
	const ms = time.Millisecond
	almost := math.Nextafter(1, 0)
	for _, tc := range []struct {
		name    string
		retry   Retry
		attempt int
		u       float64
		want    time.Duration
	}{
		{"defaults", Retry{}, 1, 0.5, DefaultRetryBase / 2},
		{"default ceiling", Retry{}, 1000, 0.5, DefaultRetryCap / 2},
		{"first", Retry{Base: 8 * ms, Cap: time.Second}, 1, 0.5, 4 * ms},
		{"second", Retry{Base: 8 * ms, Cap: time.Second}, 2, 0.5, 8 * ms},
		{"third", Retry{Base: 8 * ms, Cap: time.Second}, 3, 0.5, 16 * ms},
		{"at the ceiling", Retry{Base: 8 * ms, Cap: 20 * ms}, 3, 0.5, 10 * ms},
		{"base above the ceiling", Retry{Base: time.Hour, Cap: 20 * ms}, 1, 0.5, 10 * ms},
		{"full jitter reaches down to 0", Retry{Base: 8 * ms}, 5, 0, 0},
		{"no pauses", Retry{Base: -1, Cap: time.Hour}, 5, almost, 0},
		{"negative ceiling is the default", Retry{Base: time.Hour, Cap: -1}, 1, 0.5, DefaultRetryCap / 2},
		{"no overflow", Retry{Base: 1, Cap: math.MaxInt64}, 1 << 30, 0.5, 1 << 62},
		{"no overflow past a ceiling that is no power of two", Retry{Base: 3, Cap: math.MaxInt64 - 1}, 200, 0.5, 1 << 62},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.retry.delay(tc.attempt, tc.u); got != tc.want {
				t.Errorf("delay(%d, %v) = %v, want %v", tc.attempt, tc.u, got, tc.want)
			}
		})
	}
}

func TestRetryDelayProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Retry{
			Base: time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "base")),
			Cap:  time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "cap")),
		}
		attempt := rapid.IntRange(1, math.MaxInt).Draw(t, "attempt")
		u := rapid.Float64Range(0, math.Nextafter(1, 0)).Draw(t, "u")
		got := r.delay(attempt, u)
		if got < 0 || got > r.Cap {
			t.Fatalf("delay(%d, %v) = %d, not from 0 to %d", attempt, u, got, r.Cap)
		}
		if attempt == 1 && got > r.Base {
			t.Fatalf("the first delay is %d, above the base %d", got, r.Base)
		}
		if attempt < math.MaxInt {
			if next := r.delay(attempt+1, u); next < got {
				t.Fatalf("with the same draw, attempt %d waits %d and the next one %d: less", attempt, got, next)
			}
		}
		if low := r.delay(attempt, u/2); low > got {
			t.Fatalf("a lower draw waits longer: %d, not %d", low, got)
		}
	})
}

func TestWantsRetry(t *testing.T) {
	errTask := errors.New("the task's own")
	crash := &CrashError{PID: 1, Signal: "SIGKILL", Phase: PhaseRun}
	lost := &LostError{Err: errors.New("the connection")}
	timeout := &InterruptedError{Err: context.DeadlineExceeded, Cause: &TimeoutError{Limit: 1, Phase: PhaseRun}}
	always := func(error) bool { return true }
	never := func(error) bool { return false }
	const refused, ran = false, true
	for _, tc := range []struct {
		name    string
		policy  Policy
		attempt int
		started bool
		err     error
		want    bool
	}{
		{"no retries by default", Policy{}, 1, ran, errTask, false},
		{"a failure", Policy{Retry: Retry{Max: 2}}, 1, ran, errTask, true},
		{"the last retry", Policy{Retry: Retry{Max: 2}}, 2, ran, errTask, true},
		{"no more", Policy{Retry: Retry{Max: 2}}, 3, ran, errTask, false},
		{"a timeout", Policy{Retry: Retry{Max: 1}}, 1, ran, timeout, true},
		{"refused by a full engine", Policy{Retry: Retry{Max: 1}}, 1, refused, ErrSaturated, true},
		{"closed", Policy{Retry: Retry{Max: 1, On: always}}, 1, refused, fmt.Errorf("%w: for good", ErrClosed), false},
		{"cancelled", Policy{Retry: Retry{Max: 1, On: always}}, 1, ran, &InterruptedError{Err: context.Canceled, Cause: context.Canceled}, false},
		{"a panic", Policy{Retry: Retry{Max: 1}}, 1, ran, &PanicError{Value: 1}, false},
		{"a panic that On accepts", Policy{Retry: Retry{Max: 1, On: always}}, 1, ran, &PanicError{Value: 1}, true},
		{"a Goexit", Policy{Retry: Retry{Max: 1}}, 1, ran, ErrGoexit, false},
		{"a Goexit that On accepts", Policy{Retry: Retry{Max: 1, On: always}}, 1, ran, ErrGoexit, true},
		{"On refuses", Policy{Retry: Retry{Max: 1, On: never}}, 1, ran, errTask, false},
		{"a crash", Policy{Retry: Retry{Max: 1, On: always}}, 1, ran, crash, false},
		{"a crash, idempotent", Policy{Idempotent: true, Retry: Retry{Max: 1}}, 1, ran, crash, true},
		{"a crash before the start", Policy{Retry: Retry{Max: 1}}, 1, refused, crash, true},
		{"a crash that the engine says was before the start", Policy{Retry: Retry{Max: 1}}, 1, ran, &NotStartedError{Err: crash}, true},
		{"lost", Policy{Retry: Retry{Max: 1, On: always}}, 1, ran, lost, false},
		{"lost, wrapped", Policy{Retry: Retry{Max: 1}}, 1, ran, fmt.Errorf("node 3: %w", lost), false},
		{"lost, idempotent", Policy{Idempotent: true, Retry: Retry{Max: 1}}, 1, ran, lost, true},
		{"idempotent alone retries nothing", Policy{Idempotent: true}, 1, ran, lost, false},
		{"negative Max", Policy{Retry: Retry{Max: -1}}, 1, ran, errTask, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.policy.wantsRetry(tc.attempt, tc.started, tc.err); got != tc.want {
				t.Errorf("wantsRetry = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestJoinString(t *testing.T) {
	for j, want := range map[Join]string{FailFast: "FailFast", Settle: "Settle", FirstSuccess: "FirstSuccess", 9: "Join(?)"} {
		if got := j.String(); got != want {
			t.Errorf("Join %d is called %q, want %q", uint8(j), got, want)
		}
	}
}
