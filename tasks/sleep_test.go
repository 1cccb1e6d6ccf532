package tasks

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
)

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []time.Duration{0, 1, 250 * time.Millisecond, 100 * 365 * 24 * time.Hour} {
			begin := time.Now()
			got, err := run(t.Context(), Sleep, d)
			if want := (Slept{Asked: d, Wall: d}); err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
			if took := time.Since(begin); took != d {
				t.Errorf("it took %v, want %v", took, d)
			}
		}
	})
}

func TestSleepCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := sleep(ctx, time.Hour)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("error %v after %v, want the deadline's after 1s", err, time.Since(begin))
		}
	})
}

func TestSleepOverlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		for _, err := range braid.Map(t.Context(), nil, Sleep, func(yield func(time.Duration) bool) {
			for range 10 {
				if !yield(time.Second) {
					return
				}
			}
		}, braid.Limit(5)) {
			if err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("10 sleeps of 1s, 5 at a time, took %v", took)
		}
	})
}

func TestNegativeDurations(t *testing.T) {
	const says = "-1s is less than nothing: give a duration of 0 or more, such as 250ms"
	if _, err := sleep(t.Context(), -time.Second); err == nil || err.Error() != says {
		t.Errorf("sleep: %v", err)
	}
	if _, err := spin(t.Context(), -time.Second); err == nil || err.Error() != says {
		t.Errorf("spin: %v", err)
	}
}

func TestSleptString(t *testing.T) {
	s := Slept{Asked: 250 * time.Millisecond, Wall: 250_123_456}
	if got, want := s.String(), "slept 250ms in 250ms"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := s.Fingerprint(), "slept 250ms"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRounded(t *testing.T) {
	for _, c := range []struct{ in, want time.Duration }{
		{0, 0},
		{999, 999},
		{1234, 1230},
		{12_345_678, 12_300_000},
		{999_999_999, time.Second},
		{61_234_567_890, 61_200_000_000},
		{time.Hour + 49*time.Millisecond, time.Hour},
	} {
		if got := rounded(c.in); got != c.want {
			t.Errorf("rounded(%d) = %d, want %d", c.in, got, c.want)
		}
	}
}
