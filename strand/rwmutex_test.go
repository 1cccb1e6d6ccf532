package strand_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-braid/braid/strand"
)

// TestRWMutexPhases has readers and writers queue while a writer holds the lock:
// the phases of readers and writers alternate.
func TestRWMutexPhases(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var rw strand.RWMutex
		var d diary
		must(t, rw.Lock(ctx))
		var next strand.Event
		for _, who := range []string{"w1", "r1", "w2", "r2"} {
			s.Go(who, func(ctx context.Context) {
				if who[0] == 'w' {
					must(t, rw.Lock(ctx))
					defer rw.Unlock()
				} else {
					must(t, rw.RLock(ctx))
					defer rw.RUnlock()
				}
				d.note("%s", who)
				must(t, next.Wait(ctx))
			})
			s.Settle(ctx)
		}
		step := func() {
			next.Set()
			next.Clear()
			s.Settle(ctx)
		}
		want := strand.RWMutexStatistics{Writing: true, WaitingWriters: 2, WaitingReaders: 2}
		if st := rw.Statistics(); st != want {
			t.Errorf("Statistics() = %+v, want %+v", st, want)
		}
		rw.Unlock()
		s.Settle(ctx)
		d.expectSorted(t, "r1, r2") // both, past the writers
		s.Go("r3", func(ctx context.Context) {
			must(t, rw.RLock(ctx))
			d.note("r3")
			rw.RUnlock()
		})
		s.Settle(ctx)
		if rw.TryRLock() || rw.TryLock() {
			t.Error("somebody got in past a writer who waits")
		}
		d.expect(t, "") // writers wait
		step()
		d.expect(t, "w1")
		step()
		// r3 has waited for one writer only.
		if got := d.tear(); !slices.Equal(got, []string{"r3", "w2"}) {
			t.Errorf("what happened: %q, want r3 before w2", got)
		}
		step()
		s.Wait(ctx)
		if st := rw.Statistics(); st != (strand.RWMutexStatistics{}) {
			t.Errorf("Statistics() = %+v at the end, want none", st)
		}
	})
}

// TestRWMutexWriterGivesUp lets the readers in that have waited for it only.
func TestRWMutexWriterGivesUp(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var rw strand.RWMutex
		must(t, rw.RLock(ctx))
		s.Go("writer", func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if err := rw.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Lock returned %v, want context.DeadlineExceeded", err)
			}
		})
		s.Settle(ctx)
		var in atomic.Int32
		for range 2 {
			s.Go("reader", func(ctx context.Context) {
				must(t, rw.RLock(ctx))
				in.Add(1)
				rw.RUnlock()
			})
		}
		s.Go("reader in a hurry", func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			if err := rw.RLock(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("RLock returned %v, want context.DeadlineExceeded", err)
			}
		})
		s.Settle(ctx)
		if n := in.Load(); n != 0 {
			t.Errorf("%d readers got in past a writer who waits", n)
		}
		s.Wait(ctx)
		if n := in.Load(); n != 2 {
			t.Errorf("%d readers got in when the writer had gone, want 2", n)
		}
		rw.RUnlock()
	})
}

func TestRWMutexHolders(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var rw strand.RWMutex
		self := strand.Self(ctx)
		expect := func(want ...*strand.Strand) {
			t.Helper()
			if got := rw.Holders(); !slices.Equal(got, want) {
				t.Errorf("Holders() = %v, want %v", got, want)
			}
		}
		expect()
		must(t, rw.Lock(ctx))
		expect(self)
		rw.Unlock()
		expect()
		must(t, rw.RLock(ctx))
		rw.TryRLock() // of no identity
		must(t, rw.RLock(ctx))
		expect(self, self)
		rw.RUnlock()
		expect() // whose was it?
		must(t, rw.RLock(ctx))
		expect()
		for range 3 {
			rw.RUnlock()
		}
		must(t, rw.RLock(ctx))
		expect(self)
		rw.RUnlock()
	})
}

func TestRWMutexMisusePanics(t *testing.T) {
	const (
		unlock  = "strand: Unlock of an RWMutex that is not locked for writing"
		runlock = "strand: RUnlock of an RWMutex that is not locked for reading"
	)
	var rw strand.RWMutex
	for _, c := range []struct {
		name          string
		before, after func()
		unlock        bool
		runlock       bool
	}{
		{"free", func() {}, func() {}, true, true},
		{"read", func() { rw.TryRLock() }, rw.RUnlock, true, false},
		{"written", func() { rw.TryLock() }, rw.Unlock, false, true},
	} {
		c.before()
		if c.unlock {
			if got := mustPanic(t, rw.Unlock); got != unlock {
				t.Errorf("%s: Unlock panics with %q, want %q", c.name, got, unlock)
			}
		}
		if c.runlock {
			if got := mustPanic(t, rw.RUnlock); got != runlock {
				t.Errorf("%s: RUnlock panics with %q, want %q", c.name, got, runlock)
			}
		}
		c.after()
	}
	if st := rw.Statistics(); st != (strand.RWMutexStatistics{}) {
		t.Errorf("Statistics() = %+v at the end, want none", st)
	}
}

// TestRWMutexExcludes has readers and writers come, give up and leave as they like.
func TestRWMutexExcludes(t *testing.T) {
	const strands, rounds = 8, 300
	var rw strand.RWMutex
	var readers, writers, writes atomic.Int32
	counter := 0 // under rw
	var wg sync.WaitGroup
	for range strands {
		wg.Go(func() {
			for range rounds {
				ctx, cancel := context.WithCancel(bg)
				if rand.IntN(2) == 0 {
					go func() { spin(rand.IntN(4)); cancel() }()
				}
				if rand.IntN(3) == 0 {
					if rw.Lock(ctx) == nil {
						if writers.Add(1) != 1 || readers.Load() != 0 {
							t.Error("a writer is not alone")
						}
						counter++
						writes.Add(1)
						spin(rand.IntN(2))
						writers.Add(-1)
						rw.Unlock()
					}
				} else if rw.RLock(ctx) == nil {
					readers.Add(1)
					if writers.Load() != 0 {
						t.Error("a reader got in with a writer")
					}
					_ = counter
					spin(rand.IntN(2))
					readers.Add(-1)
					rw.RUnlock()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if counter != int(writes.Load()) {
		t.Errorf("the counter is %d after %d writes", counter, writes.Load())
	}
	if st := rw.Statistics(); st != (strand.RWMutexStatistics{}) {
		t.Errorf("Statistics() = %+v at the end, want none", st)
	}
}
