package engine

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/internal/cancel"
)

// A tracked is an engine of one worker, the caller, with a track, and what was heard of it.
type tracked struct {
	log
	host    Host
	station Station
	taken   []Attempt
	takes   int
	deaf    bool // who is to empty the track does not
}

func newTracked() *tracked {
	w := new(tracked)
	life := new(cancel.Context)
	life.Init(context.Background(), nil)
	l := w.listener()
	l.Track = func(string, int) *Track { return nil } // the worker is the test's own
	w.host = Host{Name: "bench", Listener: l, Life: life, Executor: NewSerial(nil)}
	w.station = Station{Place: bench{}, Track: NewTrack(func() {
		if w.takes++; !w.deaf {
			w.take()
		}
	})}
	return w
}

// take takes what is on the track, and returns what runs.
func (w *tracked) take() (Attempt, bool) {
	return w.station.Track.Take(func(all []Attempt) { w.taken = append(w.taken, all...) })
}

// submit submits a call of f.
func (w *tracked) submit(spec Spec, f func(context.Context) error) *Call {
	c := NewCall(spec, &body{run: f, done: func(error) {}})
	c.Submit(c.Derive(context.Background()), &w.host)
	return c
}

// run runs a call of f.
func (w *tracked) run(f func(context.Context) error) *Call {
	c := w.submit(Spec{}, f)
	c.RunAt(&w.station, 1, 0)
	return c
}

// heard checks the events, but for those of submissions.
func (w *tracked) heard(t *testing.T, want ...string) {
	t.Helper()
	got := slices.DeleteFunc(slices.Clone(w.lines), func(s string) bool { return s == "submitted 1" })
	if !slices.Equal(got, want) {
		t.Errorf("the listener heard %v; want %v", got, want)
	}
}

// calls checks which calls have stood on the track.
func (w *tracked) calls(t *testing.T, want ...*Call) {
	t.Helper()
	w.take()
	var got, ids []uint64
	for _, a := range w.taken {
		got = append(got, a.Call)
	}
	for _, c := range want {
		ids = append(ids, c.ID())
	}
	if !slices.Equal(got, ids) {
		t.Errorf("the calls %v were on the track; want %v", got, ids)
	}
}

// TestTrack has more calls succeed than there is room for: all stand on the track, in their
// order and with their times, and no event tells of them.
func TestTrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTracked()
		const n = 3*TrackLen + 5
		var runs Attempt
		for i := range n {
			c := w.submit(Spec{Task: "probe", Index: i}, func(context.Context) error {
				time.Sleep(2 * time.Second) // virtual time
				if i == n-1 {
					runs, _ = w.take()
				}
				return nil
			})
			time.Sleep(time.Second) // virtual time
			c.RunAt(&w.station, 1, 0)
		}
		if runs.Index != n-1 || runs.Task() != "probe" || runs.Start-runs.Queued != time.Second || runs.End != 0 {
			t.Errorf("%+v ran at last", runs)
		}
		w.heard(t)
		if len(w.taken) != n-1 || w.takes != 3 {
			t.Errorf("%d attempts were taken before the last, %d times because there was no room; want %d and 3", len(w.taken), w.takes, n-1)
		}
		if w.take(); !w.station.Track.Idle() {
			t.Error("the track is not idle in the end")
		}
		first := w.taken[0].Queued
		for i, a := range w.taken {
			at := first + time.Duration(3*i)*time.Second
			if a.Index != i || a.Task() != "probe" || a.Queued != at || a.Start != at+time.Second || a.End != at+3*time.Second || i > 0 && a.Call <= w.taken[i-1].Call {
				t.Fatalf("attempt %d is %+v; want it at %v", i, a, at)
			}
		}
	})
}

// TestTrackOfOthers has attempts end otherwise, and one run inside another: events tell of them,
// and what stands on the track is right before and after.
func TestTrackOfOthers(t *testing.T) {
	succeed := func(context.Context) error { return nil }
	for _, c := range []struct {
		name string
		run  func(w *tracked) (on []*Call)
		want []string
	}{
		{"fails", func(w *tracked) []*Call {
			w.run(func(context.Context) error { return errTest })
			return nil
		}, []string{"finished 1"}},
		{"panics", func(w *tracked) []*Call {
			w.run(func(context.Context) error { panic("at the disco") })
			return nil
		}, []string{"finished 1"}},
		{"refused", func(w *tracked) []*Call {
			w.submit(Spec{}, succeed).Refuse(errTest)
			return nil
		}, []string{"finished 1"}},
		{"claimed", func(w *tracked) []*Call {
			var c *Call
			c = w.submit(Spec{}, func(context.Context) error {
				if a, ok := w.station.Track.Claim(c.ID() + 1); ok {
					return fmt.Errorf("another call was claimed: %+v", a)
				}
				a, ok := w.station.Track.Claim(c.ID())
				if !ok || a.Call != c.ID() {
					return fmt.Errorf("what was claimed is %+v, %v", a, ok)
				}
				if a, ok := w.station.Track.Claim(c.ID()); ok {
					return fmt.Errorf("it was claimed twice: %+v", a)
				}
				return nil
			})
			c.RunAt(&w.station, 1, 0)
			return nil
		}, []string{"finished 1"}},
		{"has one inside it", func(w *tracked) []*Call {
			return []*Call{w.run(func(context.Context) error { w.run(succeed); return nil })}
		}, []string{"started 1", "finished 1"}},
		{"fails and has one inside it", func(w *tracked) []*Call {
			w.run(func(context.Context) error { w.run(succeed); return errTest })
			return nil
		}, []string{"started 1", "finished 1", "finished 1"}},
		{"is claimed and has one inside it", func(w *tracked) []*Call {
			var inner, outer *Call
			outer = w.submit(Spec{}, func(context.Context) error {
				w.station.Track.Claim(outer.ID())
				inner = w.run(succeed)
				return nil
			})
			outer.RunAt(&w.station, 1, 0)
			return []*Call{inner}
		}, []string{"finished 1"}},
		{"is tried again", func(w *tracked) []*Call {
			c := w.submit(Spec{Policy: Policy{Retry: Retry{Max: 1, Base: -1}}}, func(context.Context) error { return errTest })
			c.RunAt(&w.station, 1, 0)
			return nil
		}, []string{"retrying 1"}},
		{"ends its goroutine", func(w *tracked) []*Call {
			var wg sync.WaitGroup
			wg.Go(func() { w.run(func(context.Context) error { runtime.Goexit(); return nil }) })
			wg.Wait()
			return nil
		}, []string{"finished 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTracked()
				before := w.run(succeed)
				on := c.run(w)
				after := w.run(succeed)
				w.heard(t, c.want...)
				w.calls(t, append(append([]*Call{before}, on...), after)...)
				for _, e := range w.events {
					if c.name == "claimed" && e.Err != nil {
						t.Error(e.Err)
					}
				}
				if !w.station.Track.Idle() {
					t.Error("something is said to run in the end")
				}
				synctest.Wait()
			})
		})
	}
}

// TestFullTrack does not take what is on the track: events tell of the rest.
func TestFullTrack(t *testing.T) {
	w := newTracked()
	w.deaf = true
	var on []*Call
	for range TrackLen {
		on = append(on, w.run(func(context.Context) error { return nil }))
	}
	w.run(func(context.Context) error { return nil })
	w.heard(t, "started 1", "finished 1")
	w.calls(t, on...)
	w.run(func(context.Context) error { return nil })
	w.heard(t, "started 1", "finished 1")
}

// TestWatchedTrack checks when the listener is called.
func TestWatchedTrack(t *testing.T) {
	w := newTracked()
	track := w.station.Track
	w.run(func(context.Context) error { return nil })
	if w.takes != 0 {
		t.Errorf("the listener was called %d times of a track that is not watched", w.takes)
	}
	track.Watch(true)
	w.run(func(context.Context) error {
		if w.takes != 1 || len(w.taken) != 1 {
			t.Errorf("with the body the listener was called %d times, and took %v", w.takes, w.taken)
		}
		if track.Idle() {
			t.Error("the track is idle while an attempt runs")
		}
		return nil
	})
	track.Watch(false)
	w.run(func(context.Context) error { return nil })
	if track.Closed() {
		t.Error("the track is closed")
	}
	if track.Close(); w.takes != 2 || len(w.taken) != 3 || !track.Closed() {
		t.Errorf("after Close the listener was called %d times, and took %d attempts; closed: %v", w.takes, len(w.taken), track.Closed())
	}
}

// TestTrackFromOutside takes and claims attempts while the worker goes on: each is told of once.
func TestTrackFromOutside(t *testing.T) {
	const n = 20_000
	var mu sync.Mutex // of seen, and of what is taken, as a listener has it
	seen := make(map[uint64]string)
	note := func(call uint64, how string) {
		if was, ok := seen[call]; ok {
			t.Errorf("call %d is told of as %s and as %s", call, was, how)
		}
		seen[call] = how
	}
	var w tracked
	life := new(cancel.Context)
	life.Init(context.Background(), nil)
	var track *Track
	last := uint64(0)
	take := func() (Attempt, bool) {
		mu.Lock()
		defer mu.Unlock()
		return track.Take(func(all []Attempt) {
			for _, a := range all {
				if a.Call <= last || a.End < a.Start || a.Start < a.Queued {
					t.Errorf("%+v comes after call %d", a, last)
				}
				last = a.Call
				note(a.Call, "taken")
			}
		})
	}
	track = NewTrack(func() { take() })
	w.station = Station{Place: bench{}, Track: track}
	w.host = Host{Name: "bench", Life: life, Listener: &Listener{
		Submitted: func(Event) {},
		Started:   func(e Event) { t.Errorf("an event tells that %d begins", e.Call) },
		Finished: func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			note(e.Call, "event")
		},
	}}
	done := make(chan struct{})
	var wg sync.WaitGroup
	claims := 0
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if a, ok := take(); ok {
				if b, ok := track.Claim(a.Call); ok {
					claims++
					if a != b {
						t.Errorf("claimed %+v; it was %+v", b, a)
					}
				}
			}
		}
	})
	for range n {
		w.run(func(context.Context) error { return nil })
	}
	close(done)
	wg.Wait()
	take()
	events := 0
	for _, how := range seen {
		if how == "event" {
			events++
		}
	}
	if len(seen) != n || events != claims {
		t.Errorf("%d of %d calls were told of, %d by events; %d were claimed", len(seen), n, events, claims)
	}
}

// TestClockOfAHost has a clock that goes back, as one that is cheap may. No attempt begins before
// it was submitted, or ends before it has begun.
func TestClockOfAHost(t *testing.T) {
	w := newTracked()
	times := []time.Duration{10, 9, 8, 20, 30, 40}
	w.host.Clock = func() (now time.Duration) {
		now, times = times[0], times[1:]
		return now
	}
	back, forth := w.run(nothing), w.run(nothing)
	w.take()
	w.calls(t, back, forth)
	want := [][3]time.Duration{{10, 10, 10}, {20, 30, 40}}
	for i, a := range w.taken {
		if got := [3]time.Duration{a.Queued, a.Start, a.End}; got != want[i] {
			t.Errorf("attempt %d was submitted, began and ended at %v; want %v", i, got, want[i])
		}
	}
	if len(w.taken) != len(want) || len(times) > 0 {
		t.Errorf("there are %d attempts, and %d times were not asked for", len(w.taken), len(times))
	}
}
