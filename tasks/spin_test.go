package tasks

import (
	"context"
	"errors"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/go-braid/braid/internal/usage"
)

func TestSpin(t *testing.T) {
	const asked = 30 * time.Millisecond
	before, ok := usage.Self()
	if !ok {
		t.Skip("the system does not tell the time that this process has used")
	}
	got, err := run(t.Context(), Spin, asked)
	if err != nil {
		t.Fatal(err)
	}
	after, _ := usage.Self()
	if got.Asked != asked || got.CPU < asked || got.Wall < 0 {
		t.Errorf("got %+v, want %v or more", got, asked)
	}
	// The process as a whole has used at least what the thread has, but for the
	// clock's steps.
	if used := after.Sub(before).CPU(); runtime.GOOS == "linux" && used < got.CPU-time.Millisecond {
		t.Errorf("it says %v, and the process has used %v", got.CPU, used)
	}
}

// Two spins share a processor: together they use twice what one does, however
// the system runs them.
func TestSpinCountsItsOwnThread(t *testing.T) {
	const asked = 20 * time.Millisecond
	before, ok := usage.Self()
	if !ok || runtime.GOOS != "linux" {
		t.Skip("the system's clocks are not as fine as this test needs")
	}
	const spins = 4
	failures := make(chan error)
	for range spins {
		go func() {
			_, err := spin(t.Context(), asked)
			failures <- err
		}()
	}
	for range spins {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	after, _ := usage.Self()
	if used := after.Sub(before).CPU(); used < spins*asked-time.Millisecond {
		t.Errorf("%d spins of %v have used %v", spins, asked, used)
	}
}

func TestSpinOfNothing(t *testing.T) {
	if got, err := run(t.Context(), Spin, 0); err != nil || got.Asked != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSpinCancelled(t *testing.T) {
	if _, err := spin(cancelAtCheck(100), math.MaxInt64); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func TestSpunString(t *testing.T) {
	s := Spun{Asked: time.Second, CPU: time.Second + 1, Wall: 2_345_678_901}
	if got, want := s.String(), "spun 1s in 2.35s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := s.Fingerprint(), "spun 1s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
