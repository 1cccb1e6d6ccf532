//go:build linux

package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
)

func newBarrier(t testing.TB, n int) *multiprocessing.Barrier {
	return made[*multiprocessing.Barrier](t)(multiprocessing.NewBarrier(n))
}

func init() {
	// N rounds. Counts[0] counts actions; in between, Counts[1+i] counts those who got
	// index i, and all must have come to as many.
	tricks["barrier: rounds"] = func(ctx context.Context, k kit) (int, error) {
		parties := k.Counts.Len() - 1
		for round := range k.N {
			i, err := k.Barrier.WaitThen(ctx, func(context.Context) error {
				for i := range parties {
					if n := k.Counts.Load(1 + i); n != int64(round) {
						return fmt.Errorf("index %d was given %d times in %d rounds", i, n, round)
					}
				}
				k.Counts.Add(0, 1)
				return nil
			})
			if err != nil {
				return 0, err
			}
			k.Counts.Add(1+i, 1)
			// Nobody counts for the next round before all have counted for this one.
			if _, err := k.Barrier.Wait(ctx); err != nil {
				return 0, err
			}
		}
		return 0, nil
	}
	tricks["barrier: wait"] = func(ctx context.Context, k kit) (int, error) {
		_, err := k.Barrier.Wait(ctx)
		return 0, err
	}
	tricks["barrier: act"] = func(ctx context.Context, k kit) (int, error) {
		_, err := k.Barrier.WaitThen(ctx, func(context.Context) error {
			k.Ready.Set()
			hang()
			return nil
		})
		return 0, err
	}
}

// TestBarrierThousand: 500 times two passes, across processes.
func TestBarrierThousand(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	const parties, rounds = 3, 500
	b, counts := newBarrier(t, parties), newCounts(t, 1+parties)
	var ps []*multiprocessing.Process
	for range parties {
		ps = append(ps, launch(t, ctx, kit{How: "barrier: rounds", Barrier: b, Counts: counts, N: rounds}))
	}
	for _, p := range ps {
		if err := p.Join(ctx); err != nil {
			t.Error(err)
		}
	}
	for i := range 1 + parties {
		if n := counts.Load(i); n != rounds {
			t.Errorf("count %d is %d, want %d", i, n, rounds)
		}
	}
	if s := b.Statistics(); s != (multiprocessing.BarrierStatistics{Parties: parties, Rounds: 2 * rounds}) {
		t.Errorf("%+v", s)
	}
}

func TestBarrierInOneProcess(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	const parties = 5
	b := newBarrier(t, parties)
	var mu sync.Mutex
	seen := map[int]int{}
	var wg sync.WaitGroup
	for range parties {
		wg.Go(func() {
			for range 100 {
				i, err := b.Wait(ctx)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				seen[i]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for i := range parties {
		if seen[i] != 100 {
			t.Errorf("index %d was given %d times", i, seen[i])
		}
	}
}

// TestBarrierPartyDies: whether it waits or runs the action, the others are told who.
func TestBarrierPartyDies(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	b, ready := newBarrier(t, 3), newEvent(t)
	dies := launch(t, ctx, kit{How: "barrier: wait", Barrier: b})
	waits := launch(t, ctx, kit{How: "barrier: wait", Barrier: b})
	until(t, "two wait", func() bool { return b.Statistics().Waiting == 2 })
	slay(dies)
	err := waits.Join(ctx)
	if !errors.Is(err, strand.ErrBarrierBroken) || !strings.Contains(err.Error(), fmt.Sprintf("process %d died", dies.PID())) {
		t.Errorf("who waits: %v", err)
	}
	if _, err := b.Wait(ctx); !errors.Is(err, strand.ErrBarrierBroken) || !b.Broken() {
		t.Errorf("who comes later: %v", err)
	}
	b.Reset()

	waits = launch(t, ctx, kit{How: "barrier: wait", Barrier: b})
	here := make(chan error)
	go func() {
		_, err := b.Wait(ctx)
		here <- err
	}()
	until(t, "two wait", func() bool { return b.Statistics().Waiting == 2 })
	dies = launch(t, ctx, kit{How: "barrier: act", Barrier: b, Ready: ready})
	if err := ready.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	late := make(chan error)
	go func() {
		_, err := b.Wait(ctx)
		late <- err
	}()
	slay(dies)
	for who, err := range map[string]error{"who waits here": <-here, "who waits elsewhere": waits.Join(ctx), "who came late": <-late} {
		if !errors.Is(err, strand.ErrBarrierBroken) {
			t.Errorf("%s: %v", who, err)
		}
	}
}

// TestBarrierBreaks breaks a barrier in all ways, with one strand that waits here and one
// that waits elsewhere.
func TestBarrierBreaks(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	b := newBarrier(t, 3)
	boom := errors.New("boom")
	gone, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range []struct {
		name, why string
		broken    bool
		f         func()
	}{
		{"abort", "was aborted by process", true, b.Abort},
		{"reset", "was reset", false, b.Reset},
		{"action", "its action failed", true, func() {
			if _, err := b.WaitThen(ctx, func(context.Context) error { return boom }); err != boom {
				t.Errorf("action: %v", err)
			}
		}},
		{"panic", "its action failed", true, func() {
			expectPanic(t, "boom", func() {
				_, _ = b.WaitThen(ctx, func(context.Context) error { panic("boom") })
			})
		}},
		{"abort in action", "was aborted", true, func() {
			i, err := b.WaitThen(ctx, func(context.Context) error { b.Abort(); return nil })
			if i != -1 || !errors.Is(err, strand.ErrBarrierBroken) {
				t.Errorf("abort in action: %d, %v", i, err)
			}
		}},
		{"reset in action", "was reset", false, func() {
			i, err := b.WaitThen(ctx, func(context.Context) error { b.Reset(); return nil })
			if i != -1 || !errors.Is(err, strand.ErrBarrierBroken) {
				t.Errorf("reset in action: %d, %v", i, err)
			}
		}},
		{"cancelled from the start", "gave up", true, func() {
			if _, err := b.Wait(gone); err != context.Canceled {
				t.Errorf("cancelled from the start: %v", err)
			}
		}},
	} {
		p := launch(t, ctx, kit{How: "barrier: wait", Barrier: b})
		here := make(chan error)
		go func() {
			_, err := b.Wait(ctx)
			here <- err
		}()
		until(t, "two wait", func() bool { return b.Statistics().Waiting == 2 })
		c.f()
		for _, err := range []error{<-here, p.Join(ctx)} {
			if !errors.Is(err, strand.ErrBarrierBroken) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if b.Broken() != c.broken {
			t.Errorf("%s: broken: %v", c.name, b.Broken())
		}
		b.Reset()
	}
}

// TestBarrierCancelled decides the race between the last one and a cancel both ways.
func TestBarrierCancelled(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	b := newBarrier(t, 2)
	wait := func(ctx context.Context) error {
		i, err := b.Wait(ctx)
		if err == nil && i != 0 {
			t.Errorf("the index is %d", i)
		}
		return err
	}
	if err := cancelled(ctx, func() {}, wait); err != context.Canceled || !b.Broken() {
		t.Errorf("cancelled before the last: %v, broken: %v", err, b.Broken())
	}
	b.Reset()
	last := func() {
		if i, err := b.Wait(ctx); i != 1 || err != nil {
			t.Errorf("the last: %d, %v", i, err)
		}
	}
	if err := cancelled(ctx, last, wait); err != nil || b.Broken() {
		t.Errorf("cancelled after the last: %v, broken: %v", err, b.Broken())
	}
	waits := make(chan error)
	go func() { waits <- wait(ctx) }()
	until(t, "it waits", func() bool { return b.Statistics().Waiting == 1 })
	_ = b.Close()
	if err := <-waits; !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed while it waits: %v", err)
	}
	for _, n := range []int{0, -1, 1 << 30} {
		if b, err := multiprocessing.NewBarrier(n); err == nil {
			_ = b.Close()
			t.Errorf("NewBarrier(%d) succeeded", n)
		}
	}
}
