package strand

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/go-braid/braid/internal/waitq"
)

// A Semaphore is a number of permits. Make one with [NewSemaphore].
//
// It is fair: a strand that asks for many permits is not overtaken by later
// ones that ask for few, so that it cannot starve.
type Semaphore struct {
	mu      sync.Mutex
	free    int
	waiters waitq.List[*semaphoreWaiter]
}

// NewSemaphore returns a semaphore with n free permits. It panics if n is
// negative; with 0, the first permits are those that Release adds.
func NewSemaphore(n int) *Semaphore {
	if n < 0 {
		panic(fmt.Sprintf("strand: NewSemaphore(%d): the number of permits cannot be negative", n))
	}
	return &Semaphore{free: n}
}

// Acquire takes n permits, waiting until they are free and all who came before
// are served. It returns Err(ctx), holding none, if ctx is done first; permits
// that are free are taken without a look at ctx. It panics if n is negative.
func (s *Semaphore) Acquire(ctx context.Context, n int) error {
	if s.TryAcquire(n) {
		return nil
	}
	return Park(ctx, Op{Object: s, Kind: OpAcquire, Access: Write}, &semaphoreWaiter{s: s, n: n})
}

// TryAcquire takes n permits if they are free and nobody waits, and reports
// whether it did. It never waits. It panics if n is negative.
func (s *Semaphore) TryAcquire(n int) bool {
	if n < 0 {
		panic(fmt.Sprintf("strand: cannot acquire %d permits", n))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(n)
}

// take needs s.mu.
func (s *Semaphore) take(n int) bool {
	if s.waiters.Len() > 0 || s.free < n {
		return false
	}
	s.free -= n
	return true
}

// Release adds n permits and hands them to those who wait, in order. It never
// waits and may be called from any goroutine, also to raise the number of
// permits above the first. It panics if n is negative, or if there would be more
// than math.MaxInt free permits.
func (s *Semaphore) Release(n int) {
	if n < 0 {
		panic(fmt.Sprintf("strand: cannot release %d permits", n))
	}
	s.mu.Lock()
	if n > math.MaxInt-s.free {
		s.mu.Unlock()
		panic(fmt.Sprintf("strand: cannot release %d permits: there would be too many", n))
	}
	s.free += n
	served := s.serve()
	s.mu.Unlock()
	wakeAll(served)
}

// serve hands free permits to the waiters in front and returns them to be
// woken; it needs s.mu.
func (s *Semaphore) serve() []*semaphoreWaiter {
	var served []*semaphoreWaiter
	for n := s.waiters.Front(); n != nil && n.Value.n <= s.free; n = s.waiters.Front() {
		s.waiters.Pop()
		s.free -= n.Value.n
		served = append(served, n.Value)
	}
	return served
}

func wakeAll(ws []*semaphoreWaiter) {
	for _, w := range ws {
		w.wake()
	}
}

// SemaphoreStatistics is a snapshot of a [Semaphore].
type SemaphoreStatistics struct {
	Free    int // permits that nobody holds
	Waiting int // strands that wait for permits
}

// Statistics returns a snapshot of s.
func (s *Semaphore) Statistics() SemaphoreStatistics {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SemaphoreStatistics{Free: s.free, Waiting: s.waiters.Len()}
}

type semaphoreWaiter struct {
	s    *Semaphore
	n    int
	wake func()
	node waitq.Node[*semaphoreWaiter]
}

func (w *semaphoreWaiter) Arm(wake func()) bool {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	if w.s.take(w.n) {
		return false
	}
	w.wake, w.node.Value = wake, w
	w.s.waiters.Push(&w.node)
	return true
}

func (w *semaphoreWaiter) Disarm() bool {
	w.s.mu.Lock()
	removed := w.s.waiters.Remove(&w.node)
	var served []*semaphoreWaiter
	if removed {
		// Those behind may have waited only because this one, in front, asked
		// for more than there is.
		served = w.s.serve()
	}
	w.s.mu.Unlock()
	wakeAll(served)
	return removed
}
