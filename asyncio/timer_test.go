package asyncio

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

type noted struct{ fired []int }

type note struct {
	to *noted
	n  int
}

func (n note) fire() { n.to.fired = append(n.to.fired, n.n) }

// TestTimersTwin sets, cancels and fires timers at random, beside a sorted list.
func TestTimersTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type entry struct {
			when int64
			n    int
		}
		var h timers
		var got noted
		var twin []entry
		all := make(map[int]*timer)
		now := int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				when := now + rapid.Int64Range(-2, 20).Draw(t, "in")
				n := len(all)
				all[n] = new(timer)
				h.set(all[n], when, note{&got, n})
				i, _ := slices.BinarySearchFunc(twin, when, func(e entry, when int64) int {
					if e.when <= when {
						return -1
					}
					return 1
				})
				twin = slices.Insert(twin, i, entry{when, n})
			},
			"cancel": func(t *rapid.T) {
				if len(all) == 0 {
					t.Skip("no timer")
				}
				n := rapid.IntRange(0, len(all)-1).Draw(t, "timer")
				i := slices.IndexFunc(twin, func(e entry) bool { return e.n == n })
				if h.cancel(all[n]) != (i >= 0) {
					t.Fatalf("cancel of timer %d reports the wrong thing", n)
				}
				if i >= 0 {
					twin = slices.Delete(twin, i, i+1)
				}
			},
			"pass": func(t *rapid.T) {
				now += rapid.Int64Range(0, 10).Draw(t, "by")
				got.fired = nil
				var want []int
				for tm := h.due(now); tm != nil; tm = h.due(now) {
					tm.fire.fire()
				}
				for len(twin) > 0 && twin[0].when <= now {
					want = append(want, twin[0].n)
					twin = twin[1:]
				}
				if !slices.Equal(got.fired, want) {
					t.Fatalf("at %d fired %v, want %v", now, got.fired, want)
				}
			},
			"": func(t *rapid.T) {
				if h.len() != len(twin) || len(twin) > 0 && h.next() != twin[0].when {
					t.Fatalf("%d timers, want %d", h.len(), len(twin))
				}
				for i, s := range h.heap {
					if s.t.place != i+1 || s.t.when != s.when {
						t.Fatalf("the timer at place %d does not know it", i+1)
					}
				}
			},
		})
	})
}

func BenchmarkTimerSetCancel(b *testing.B) {
	var h timers
	others := make([]timer, 1_000_000)
	for i := range others {
		h.set(&others[i], int64(i*7919%len(others)), note{})
	}
	var t timer
	when := int64(0)
	for b.Loop() {
		when += 104729
		h.set(&t, when%int64(len(others)), note{})
		h.cancel(&t)
	}
}
