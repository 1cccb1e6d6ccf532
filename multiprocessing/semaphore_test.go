//go:build linux

package multiprocessing_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/go-braid/braid/multiprocessing"
	"pgregory.net/rapid"
)

func newSemaphore(t testing.TB, n int) *multiprocessing.Semaphore {
	return made[*multiprocessing.Semaphore](t)(multiprocessing.NewSemaphore(n))
}

func init() {
	tricks["semaphore: hold"] = func(ctx context.Context, k kit) (int, error) {
		if err := k.Semaphore.Acquire(ctx, k.N); err != nil {
			return 0, err
		}
		k.Ready.Set()
		hang()
		return 0, nil
	}
	tricks["semaphore: wait"] = func(ctx context.Context, k kit) (int, error) {
		return 0, k.Semaphore.Acquire(ctx, k.N)
	}
	tricks["semaphore: count"] = func(ctx context.Context, k kit) (int, error) {
		for range k.N {
			if err := k.Semaphore.Acquire(ctx, 1); err != nil {
				return 0, err
			}
			if n := k.Counts.Add(0, 1); n > k.Counts.Load(1) {
				k.Counts.Add(2, 1) // too many at a time
			}
			k.Counts.Add(0, -1)
			k.Semaphore.Release(1)
		}
		return 0, nil
	}
	tricks["semaphore: storm"] = func(ctx context.Context, k kit) (int, error) {
		for i := 0; ; i++ {
			n := 1 + i%3
			if err := k.Semaphore.Acquire(ctx, n); err != nil {
				return 0, err
			}
			k.Counts.Add(0, 1)
			k.Semaphore.Release(n)
		}
	}
	tricks["semaphore: release"] = func(_ context.Context, k kit) (int, error) {
		k.Semaphore.Release(k.N)
		return 0, nil
	}
}

// TestSemaphoreAcrossProcesses: never more at a time than there are permits.
func TestSemaphoreAcrossProcesses(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	s, counts := newSemaphore(t, 2), newCounts(t, 3)
	counts.Store(1, 2)
	var ps []*multiprocessing.Process
	for range 3 {
		ps = append(ps, launch(t, ctx, kit{How: "semaphore: count", Semaphore: s, Counts: counts, N: 500}))
	}
	for _, p := range ps {
		if err := p.Join(ctx); err != nil {
			t.Error(err)
		}
	}
	if n := counts.Load(2); n != 0 {
		t.Errorf("%d times too many", n)
	}
	if st := s.Statistics(); st.Free != 2 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
}

// TestSemaphoreHolderDies: the permits come back, for those who wait and for TryAcquire.
func TestSemaphoreHolderDies(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	s, ready := newSemaphore(t, 3), newEvent(t)
	holder := launch(t, ctx, kit{How: "semaphore: hold", Semaphore: s, Ready: ready, N: 2})
	if err := ready.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() { got <- s.Acquire(ctx, 3) }()
	until(t, "it waits", func() bool { return s.Statistics().Waiting == 1 })
	slay(holder)
	if err := <-got; err != nil {
		t.Error(err)
	}
	s.Release(3)

	ready.Clear()
	holder = launch(t, ctx, kit{How: "semaphore: hold", Semaphore: s, Ready: ready, N: 3})
	if err := ready.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if s.TryAcquire(1) {
		t.Error("there was a permit left")
	}
	slay(holder)
	until(t, "TryAcquire finds the permits", func() bool { return s.TryAcquire(3) })
	s.Release(3)
	if st := s.Statistics(); st.Free != 3 || st.Held != 0 {
		t.Errorf("%+v", st)
	}
}

// TestSemaphoreWaiterDies: who waits in front, for more than there is, and dies or is
// stopped, does not keep others from going on. Before that he does.
func TestSemaphoreWaiterDies(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		s := newSemaphore(t, 3)
		if err := s.Acquire(ctx, 2); err != nil {
			t.Fatal(err)
		}
		p := launch(t, ctx, kit{How: "semaphore: wait", Semaphore: s, N: 2})
		until(t, "it waits", func() bool { return s.Statistics().Waiting == 1 })
		if s.TryAcquire(1) {
			t.Error("TryAcquire has overtaken it")
		}
		got := make(chan error)
		go func() { got <- s.Acquire(ctx, 1) }()
		until(t, "both wait", func() bool { return s.Statistics().Waiting == 2 })
		if err := syscall.Kill(p.PID(), sig); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Errorf("%v: %v", sig, err)
		}
		if sig == syscall.SIGSTOP {
			_ = syscall.Kill(p.PID(), syscall.SIGCONT)
			s.Release(3)
			if err := p.Join(ctx); err != nil {
				t.Errorf("who was stopped: %v", err)
			}
		}
	}
}

// TestSemaphoreOrder: who asks for much is not overtaken by who asks for little later,
// whichever process they are of.
func TestSemaphoreOrder(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	s, ready := newSemaphore(t, 2), newEvent(t)
	if err := s.Acquire(ctx, 2); err != nil {
		t.Fatal(err)
	}
	p := launch(t, ctx, kit{How: "semaphore: hold", Semaphore: s, Ready: ready, N: 2})
	until(t, "it waits", func() bool { return s.Statistics().Waiting == 1 })
	small := make(chan error, 1)
	go func() { small <- s.Acquire(ctx, 1) }()
	until(t, "both wait", func() bool { return s.Statistics().Waiting == 2 })
	s.Release(1)
	s.Release(1)
	if err := ready.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case <-small:
		t.Error("who asked for little has overtaken who asked for much")
	default:
	}
	slay(p)
	if err := <-small; err != nil {
		t.Error(err)
	}
}

// TestSemaphoreReleasedElsewhere: permits may be given back by another process than that
// which holds them, and then do not come back a second time when that dies.
func TestSemaphoreReleasedElsewhere(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	s := made[*multiprocessing.Semaphore](t)(multiprocessing.NewBoundedSemaphore(3))
	ready := newEvent(t)
	holder := launch(t, ctx, kit{How: "semaphore: hold", Semaphore: s, Ready: ready, N: 2})
	if err := ready.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	s.Release(1)
	if st := s.Statistics(); st.Free != 2 {
		t.Errorf("%+v", st)
	}
	expectPanic(t, "2 of 3 are free", func() { s.Release(2) })
	slay(holder)
	if err := s.Acquire(ctx, 3); err != nil {
		t.Error(err)
	}
	if err := launch(t, ctx, kit{How: "semaphore: release", Semaphore: s, N: 3}).Join(ctx); err != nil {
		t.Error(err)
	}
	if st := s.Statistics(); st.Free != 3 || st.Held != 0 {
		t.Errorf("%+v", st)
	}
	expectPanic(t, "3 of 3 are free", func() { s.Release(1) })
	expectPanic(t, "cannot acquire 4", func() { s.TryAcquire(4) })
	expectPanic(t, "negative", func() { s.Release(-1) })
	expectPanic(t, "cannot acquire -1", func() { _ = s.Acquire(ctx, -1) })
}

func TestSemaphoreRefused(t *testing.T) {
	for _, f := range []func() (*multiprocessing.Semaphore, error){
		func() (*multiprocessing.Semaphore, error) { return multiprocessing.NewSemaphore(-1) },
		func() (*multiprocessing.Semaphore, error) { return multiprocessing.NewBoundedSemaphore(0) },
		func() (*multiprocessing.Semaphore, error) { return multiprocessing.NewSemaphore(1 << 40) },
	} {
		if s, err := f(); err == nil {
			_ = s.Close()
			t.Error("it was made")
		}
	}
}

func TestSemaphoreCancelled(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	s := newSemaphore(t, 1)
	if err := s.Acquire(ctx, 1); err != nil {
		t.Fatal(err)
	}
	acquire := func(ctx context.Context) error { return s.Acquire(ctx, 2) }
	small := make(chan error, 1)
	// Who is cancelled in front lets those go on who waited behind him.
	err := cancelled(ctx, func() {
		go func() { small <- s.Acquire(ctx, 1) }()
		until(t, "both wait", func() bool { return s.Statistics().Waiting == 2 })
		s.Release(1)
	}, acquire)
	if err != context.Canceled {
		t.Errorf("cancelled while it waits: %v", err)
	}
	if err := <-small; err != nil {
		t.Errorf("who waited behind: %v", err)
	}
	s.Release(1)
	_ = s.Acquire(ctx, 1)
	err = cancelled(ctx, func() {
		s.Release(2)
		until(t, "it has them", func() bool { return s.Statistics() == multiprocessing.SemaphoreStatistics{Held: 2} })
	}, acquire)
	if err != nil {
		t.Errorf("cancelled after Release: %v", err)
	}
}

// TestSemaphoreStorm cancels at random: in the end no permit is lost or too many.
func TestSemaphoreStorm(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	const permits = 3
	s := newSemaphore(t, permits)
	var held atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				ctx, cancel := context.WithCancel(ctx)
				if (i+j)%2 == 0 {
					go cancel()
				}
				n := 1 + (i+j)%permits
				if s.Acquire(ctx, n) == nil {
					if held.Add(int64(n)) > permits {
						t.Error("too many permits are held")
					}
					held.Add(int64(-n))
					s.Release(n)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if st := s.Statistics(); st != (multiprocessing.SemaphoreStatistics{Free: permits}) {
		t.Errorf("%+v", st)
	}
}

// TestSemaphoreTwin compares a semaphore with a number.
func TestSemaphoreTwin(t *testing.T) {
	checkShared(t)
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 10).Draw(rt, "limit")
		bounded := rapid.Bool().Draw(rt, "bounded")
		make := multiprocessing.NewSemaphore
		if bounded {
			make = multiprocessing.NewBoundedSemaphore
		}
		s, err := make(limit)
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		free, held := limit, 0
		rt.Repeat(map[string]func(*rapid.T){
			"acquire": func(rt *rapid.T) {
				n := rapid.IntRange(0, limit).Draw(rt, "n")
				if got, want := s.TryAcquire(n), n <= free; got != want {
					rt.Fatalf("TryAcquire(%d) = %v with %d free", n, got, free)
				} else if got {
					free, held = free-n, held+n
				}
			},
			"release": func(rt *rapid.T) {
				n := rapid.IntRange(0, 4).Draw(rt, "n")
				panicked := func() (p bool) {
					defer func() { p = recover() != nil }()
					s.Release(n)
					return false
				}()
				if want := bounded && free+n > limit; panicked != want {
					rt.Fatalf("Release(%d) panicked: %v, with %d free of %d", n, panicked, free, limit)
				} else if !panicked {
					free, held = free+n, max(0, held-n)
				}
			},
			"": func(rt *rapid.T) {
				if st := s.Statistics(); st.Free != free || st.Held != held {
					rt.Fatalf("%+v, want %d free and %d held", st, free, held)
				}
			},
		})
	})
}

// TestSemaphoreDeaths kills processes at random moments: all permits come back.
func TestSemaphoreDeaths(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	s := made[*multiprocessing.Semaphore](t)(multiprocessing.NewBoundedSemaphore(4))
	counts := newCounts(t, 1)
	k := kit{How: "semaphore: storm", Semaphore: s, Counts: counts}
	ps := []*multiprocessing.Process{launch(t, ctx, k), launch(t, ctx, k), launch(t, ctx, k)}
	for i := range 20 {
		goal := counts.Load(0) + 30 + rand.Int64N(100)
		until(t, "they go on", func() bool { return counts.Load(0) > goal })
		slay(ps[i%3])
		ps[i%3] = launch(t, ctx, k)
	}
	for _, p := range ps {
		slay(p)
	}
	if err := s.Acquire(ctx, 4); err != nil {
		t.Fatal(err)
	}
	if st := s.Statistics(); st.Free != 0 || st.Held != 4 {
		t.Errorf("%+v", st)
	}
	s.Release(4)
}
