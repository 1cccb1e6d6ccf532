package threading_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// timed returns the times of the events of a call of fn, on a pool of its own, and before
// and after them when it was submitted and had its outcome. They come by events or by a track.
func timed(t *testing.T, tracked bool, fn func(context.Context) error) (times []time.Duration) {
	t.Helper()
	times = append(times, time.Since(engine.Epoch()))
	note := func(e engine.Event) { times = append(times, e.At) }
	l := &engine.Listener{Submitted: note, Started: note, Finished: note}
	if tracked {
		l.Track = func(string, int) *engine.Track {
			var track *engine.Track
			track = engine.NewTrack(func() {
				track.Take(func(all []engine.Attempt) {
					for _, a := range all {
						times = append(times, a.Start, a.End)
					}
				})
			})
			return track
		}
	}
	p := threading.NewPool(threading.Config{Workers: 1, Listener: l})
	succeeded(t, run(p, fn))
	after := time.Since(engine.Epoch())
	if err := p.Close(bg); err != nil {
		t.Errorf("Close = %v", err)
	}
	return append(times, after)
}

// TestEventsTellTheTime: it is that of package time, from wherever the pool has it.
func TestEventsTellTheTime(t *testing.T) {
	const slack = 10 * time.Microsecond // what is cheap to read is not exact
	for _, tracked := range []bool{false, true} {
		times := timed(t, tracked, nothing)
		if len(times) != 5 {
			t.Fatalf("there are %d times; want 5: %v", len(times), times)
		}
		for i, at := range times[1:] {
			if at < times[i]-slack {
				t.Errorf("tracked %v: time %d is before the one before it: %v", tracked, i+1, times)
			}
		}
	}
}

// TestEventsInABubble: there the time is the bubble's, to the nanosecond.
func TestEventsInABubble(t *testing.T) {
	for _, tracked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Since(engine.Epoch())
			times := timed(t, tracked, func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) })
			for i, want := range []time.Duration{0, 0, 0, time.Hour, time.Hour} {
				if got := times[i] - start; got != want {
					t.Errorf("tracked %v: time %d is %v after the beginning; want %v", tracked, i, got, want)
				}
			}
		})
	}
}
