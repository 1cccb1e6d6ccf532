package strand

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestNow reads the clock between two readings of the system's, on both of its sides.
func TestNow(t *testing.T) {
	for range 1000 {
		before := time.Now()
		got := now()
		after := time.Now()
		if got.Before(before) || got.After(after) {
			t.Fatalf("now is %v, which is not between %v and %v", got, before, after)
		}
	}
}

func TestNowInBubble(t *testing.T) {
	now() // of the world outside
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []time.Duration{0, time.Millisecond, time.Second - 1, time.Second, time.Hour} {
			time.Sleep(d) // virtual time
			if got, want := now(), time.Now(); !got.Equal(want) || !got.Round(0).Equal(want.Round(0)) {
				t.Errorf("after %v now is %v; want %v", d, got, want)
			}
		}
	})
	if got, want := now(), time.Now(); want.Sub(got).Abs() > time.Hour || want.Round(0).Sub(got.Round(0)).Abs() > time.Hour {
		t.Errorf("after the bubble now is %v; want %v", got, want)
	}
}

// TestNowAfterSet checks that the wall clock is read again: an anchor of long ago, and one
// that is ahead of the clock, are not used.
func TestNowAfterSet(t *testing.T) {
	for _, d := range []time.Duration{-2 * time.Second, time.Hour} {
		wrong := time.Now().Add(d)
		anchor.Store(&wrong)
		if got, want := now(), time.Now(); got.After(want) || want.Sub(got) > time.Hour {
			t.Errorf("with an anchor %v off, now is %v; want %v", d, got, want)
		}
		if anchor.Load() == &wrong {
			t.Error("the anchor is still there")
		}
	}
}

func BenchmarkNow(b *testing.B) {
	b.Run("strand", func(b *testing.B) {
		for b.Loop() {
			now()
		}
	})
	b.Run("time", func(b *testing.B) {
		for b.Loop() {
			time.Now()
		}
	})
}
