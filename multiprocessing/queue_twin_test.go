//go:build linux

package multiprocessing_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
	"pgregory.net/rapid"
)

// TestQueueTwin compares a queue with a slice.
func TestQueueTwin(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	rapid.Check(t, func(rt *rapid.T) {
		const limit = 4096
		capacity := rapid.IntRange(1, 6).Draw(rt, "capacity")
		q, err := multiprocessing.NewQueue[string](capacity, multiprocessing.MaxBytes(limit))
		if err != nil {
			rt.Fatal(err)
		}
		defer q.Close()
		var twin []string
		shutdown, taken, letter := false, 0, 0
		room := func(size int) bool {
			n := 0
			for _, s := range twin {
				n += (len(s) + 7) &^ 7
			}
			return len(twin) < capacity && n+size <= limit
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				size := rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, limit+1)).Draw(rt, "size")
				letter++
				s := strings.Repeat(string(rune('a'+letter%26)), size)
				var want error
				switch {
				case size > limit:
					want = multiprocessing.ErrTooLarge
				case shutdown:
					want = strand.ErrShutdown
				case !room(size):
					want = strand.ErrFull
				default:
					twin = append(twin, s)
				}
				if err := q.TryPut(s); !errors.Is(err, want) {
					rt.Fatalf("TryPut of %d bytes: %v, want %v", size, err, want)
				}
			},
			"get": func(rt *rapid.T) {
				var want error
				wants := ""
				switch {
				case len(twin) > 0:
					wants, twin = twin[0], twin[1:]
					taken++
				case shutdown:
					want = strand.ErrShutdown
				default:
					want = strand.ErrEmpty
				}
				if s, err := q.TryGet(); s != wants || err != want {
					rt.Fatalf("TryGet = %.20q (%d), %v, want %.20q (%d), %v", s, len(s), err, wants, len(wants), want)
				}
			},
			"done": func(rt *rapid.T) {
				panicked := func() (p bool) {
					defer func() { p = recover() != nil }()
					q.TaskDone()
					return false
				}()
				if panicked != (taken == 0) {
					rt.Fatalf("TaskDone panicked: %v, with %d taken", panicked, taken)
				}
				taken = max(0, taken-1)
			},
			"join": func(rt *rapid.T) {
				gone, cancel := context.WithCancel(ctx)
				cancel()
				if err := q.Join(gone); (err == nil) != (taken+len(twin) == 0) {
					rt.Fatalf("Join = %v with %d in the queue and %d taken", err, len(twin), taken)
				}
			},
			"shutdown": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "sure") != 0 {
					rt.Skip()
				}
				shutdown = true
				items, err := q.ShutdownNow()
				if err != nil || !slices.Equal(items, twin) {
					rt.Fatalf("ShutdownNow = %d items, %v, want %d", len(items), err, len(twin))
				}
				twin = nil
			},
			"": func(rt *rapid.T) {
				if s := q.Statistics(); s.Len != len(twin) || int(s.Unfinished) != len(twin)+taken || s.Shutdown != shutdown {
					rt.Fatalf("%+v, want %d items and %d taken", s, len(twin), taken)
				}
			},
		})
	})
}
