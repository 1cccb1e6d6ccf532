package strand_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid/strand"
)

func TestSemaphoreBigWaiterIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := strand.NewSemaphore(2)
		if err := s.Acquire(bg, 1); err != nil {
			t.Fatal(err)
		}
		var order []int
		for _, n := range []int{2, 1} {
			go func() {
				if err := s.Acquire(bg, n); err != nil {
					t.Error(err)
				}
				order = append(order, n)
				s.Release(n)
			}()
			synctest.Wait()
		}
		// One permit is free, but it is kept for the strand in front.
		if s.TryAcquire(1) {
			t.Error("TryAcquire overtook the strands that wait")
		}
		if st := s.Statistics(); st != (strand.SemaphoreStatistics{Free: 1, Waiting: 2}) {
			t.Errorf("Statistics() = %+v, want 1 free and 2 waiting", st)
		}
		s.Release(1)
		synctest.Wait()
		if !slices.Equal(order, []int{2, 1}) {
			t.Errorf("served in the order %v, want [2 1]", order)
		}
		if st := s.Statistics(); st != (strand.SemaphoreStatistics{Free: 2}) {
			t.Errorf("Statistics() = %+v, want 2 free", st)
		}
	})
}

func TestSemaphoreBigWaiterCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := strand.NewSemaphore(2)
		ctx, cancel := context.WithCancel(bg)
		errs := make(chan error, 1)
		go func() { errs <- s.Acquire(ctx, 3) }()
		synctest.Wait()
		var served atomic.Int32
		for range 3 {
			go func() {
				if s.Acquire(bg, 1) == nil {
					served.Add(1)
				}
			}()
		}
		synctest.Wait()
		if n := served.Load(); n != 0 {
			t.Fatalf("%d small waiters overtook the big one", n)
		}
		cancel()
		synctest.Wait()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("Acquire returned %v, want context.Canceled", err)
		}
		if n := served.Load(); n != 2 {
			t.Errorf("%d small waiters were served when the big one left, want 2", n)
		}
		s.Release(1)
		synctest.Wait()
		if n := served.Load(); n != 3 {
			t.Errorf("%d small waiters were served in all, want 3", n)
		}
	})
}

func TestSemaphoreReleaseWakesSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := strand.NewSemaphore(0)
		var served atomic.Int32
		for range 5 {
			go func() {
				if s.Acquire(bg, 1) == nil {
					served.Add(1)
				}
			}()
		}
		synctest.Wait()
		for _, tc := range []struct{ release, want int }{{3, 3}, {0, 3}, {4, 5}} {
			s.Release(tc.release)
			synctest.Wait()
			if n := served.Load(); int(n) != tc.want {
				t.Errorf("after Release(%d), %d strands are served, want %d", tc.release, n, tc.want)
			}
		}
		if free := s.Statistics().Free; free != 2 {
			t.Errorf("%d permits are free, want 2", free)
		}
	})
}

func TestSemaphoreMisusePanics(t *testing.T) {
	s := strand.NewSemaphore(1)
	for _, tc := range []struct {
		name string
		f    func()
		want string
	}{
		{"NewSemaphore", func() { strand.NewSemaphore(-1) }, "strand: NewSemaphore(-1): the number of permits cannot be negative"},
		{"Acquire", func() { _ = s.Acquire(bg, -2) }, "strand: cannot acquire -2 permits"},
		{"TryAcquire", func() { s.TryAcquire(-3) }, "strand: cannot acquire -3 permits"},
		{"Release", func() { s.Release(-4) }, "strand: cannot release -4 permits"},
		{"overflow", func() { s.Release(math.MaxInt) }, fmt.Sprintf("strand: cannot release %d permits: there would be too many", math.MaxInt)},
	} {
		if got := mustPanic(t, tc.f); got != tc.want {
			t.Errorf("%s: the panic says %q, want %q", tc.name, got, tc.want)
		}
	}
	if st := s.Statistics(); st != (strand.SemaphoreStatistics{Free: 1}) {
		t.Errorf("Statistics() = %+v after the panics, want 1 free", st)
	}
	s.Release(math.MaxInt - 1)
	if !s.TryAcquire(math.MaxInt) {
		t.Error("the largest number of permits cannot be acquired")
	}
}

// TestSemaphoreConserves has strands take, give up and return permits: never are
// there more out than there are, and none is lost.
func TestSemaphoreConserves(t *testing.T) {
	const permits, strands, rounds = 3, 8, 400
	s := strand.NewSemaphore(permits)
	var held atomic.Int32
	var wg sync.WaitGroup
	for range strands {
		wg.Go(func() {
			for range rounds {
				ctx, cancel := context.WithCancel(bg)
				go func() { spin(rand.IntN(8)); cancel() }()
				n := rand.IntN(permits + 1)
				if err := s.Acquire(ctx, n); err == nil {
					if h := held.Add(int32(n)); h > permits {
						t.Errorf("%d permits are held of %d", h, permits)
					}
					spin(rand.IntN(2))
					held.Add(int32(-n))
					s.Release(n)
				}
			}
		})
	}
	wg.Wait()
	if st := s.Statistics(); st != (strand.SemaphoreStatistics{Free: permits}) {
		t.Errorf("Statistics() = %+v at the end, want %d free", st, permits)
	}
}
