package lane

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBucket(t *testing.T) {
	const s = time.Second
	for _, tc := range []struct {
		name  string
		rate  float64
		burst int
		asked []time.Duration // when a call comes
		want  []time.Duration // when it goes
	}{
		{"evenly", 2, 1, []time.Duration{0, 0, 0, 0}, []time.Duration{0, s / 2, s, 3 * s / 2}},
		{"a burst first", 1, 3, []time.Duration{0, 0, 0, 0, 0}, []time.Duration{0, 0, 0, s, 2 * s}},
		{"slower than the rate", 1, 1, []time.Duration{0, 5 * s, 9 * s}, []time.Duration{0, 5 * s, 9 * s}},
		{"the burst comes back", 1, 2, []time.Duration{0, 0, s, 10 * s, 10 * s, 10 * s}, []time.Duration{0, 0, s, 10 * s, 10 * s, 11 * s}},
		{"no more than the burst", 1, 2, []time.Duration{100 * s, 100 * s, 100 * s}, []time.Duration{100 * s, 100 * s, 101 * s}},
		{"once an hour", 1 / 3600.0, 1, []time.Duration{0, 0}, []time.Duration{0, time.Hour}},
		{"a third of a nanosecond is not lost", 3, 1, []time.Duration{0, 0, 0, 0}, []time.Duration{0, 333333334, 666666667, s}},
		{"no limit", 0, 1, []time.Duration{0, 0, 0}, []time.Duration{0, 0, 0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBucket(tc.rate, tc.burst)
			var now time.Duration
			for i, asked := range tc.asked {
				now = max(now, asked)
				now += b.wait(now)
				if d := b.wait(now); d != 0 {
					t.Errorf("call %d has waited and is to wait %v more", i, d)
				}
				b.take(now)
				if now != tc.want[i] {
					t.Errorf("call %d went at %v, want %v", i, now, tc.want[i])
				}
			}
		})
	}
}

func TestBucketNever(t *testing.T) {
	b := newBucket(1e-300, 1)
	b.take(0)
	if d := b.wait(0); d != math.MaxInt64 {
		t.Errorf("the next call of a universe is to wait %v", d)
	}
}

func TestBucketSetRate(t *testing.T) {
	for _, tc := range []struct {
		name string
		rate float64
		want time.Duration
	}{
		{"double", 2, 500 * time.Millisecond},
		{"half", 0.5, 2 * time.Second},
		{"no limit", 0, 0},
	} {
		b := newBucket(1, 2)
		b.take(0)
		b.take(0)
		b.setRate(0, tc.rate)
		if d := b.wait(0); d != tc.want {
			t.Errorf("%s: the next call is to wait %v, want %v", tc.name, d, tc.want)
		}
	}
	b := newBucket(0, 2)
	b.take(time.Hour)
	b.setRate(time.Hour, 1)
	for i, want := range []time.Duration{0, 0, time.Second} {
		if d := b.wait(time.Hour); d != want {
			t.Errorf("of a rate that comes late, call %d is to wait %v, want %v", i, d, want)
		}
		b.take(time.Hour)
	}
}

// TestBucketTwin holds the bucket against one that is filled drop by drop.
func TestBucketTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := rapid.Int64Range(1, 1000).Draw(t, "nanoseconds a token")
		burst := rapid.IntRange(1, 10).Draw(t, "burst")
		b := newBucket(1e9/float64(every), burst)
		drops, most := int64(burst)*every, int64(burst)*every // a token is so many drops as it takes nanoseconds
		var now int64
		for range rapid.IntRange(1, 100).Draw(t, "calls") {
			for range rapid.Int64Range(0, 3*every).Draw(t, "pause") {
				now++
				drops = min(drops+1, most)
			}
			for b.wait(time.Duration(now)) > 0 {
				if drops >= every {
					t.Fatalf("at %d a call is to wait, though there are %d drops of %d", now, drops, every)
				}
				now++
				drops = min(drops+1, most)
			}
			if drops < every {
				t.Fatalf("at %d a call goes, though there are %d drops of %d", now, drops, every)
			}
			b.take(time.Duration(now))
			drops -= every
		}
	})
}
