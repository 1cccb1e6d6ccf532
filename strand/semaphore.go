package strand

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/go-braid/braid/internal/waitq"
)

// A Semaphore is a number of permits. Make one with [NewSemaphore], or with
// [NewBoundedSemaphore] if there must never be more permits than at first.
//
// It is fair: a strand that asks for many permits is not overtaken by later
// ones that ask for few, so that it cannot starve.
type Semaphore struct {
	mu      sync.Mutex
	free    int
	limit   int // the most that may be free
	waiters waitq.List[*semaphoreWaiter]
}

// NewSemaphore returns a semaphore with n free permits. It panics if n is
// negative; with 0, the first permits are those that Release adds.
func NewSemaphore(n int) *Semaphore {
	if n < 0 {
		panic(fmt.Sprintf("strand: NewSemaphore(%d): the number of permits cannot be negative", n))
	}
	return &Semaphore{free: n, limit: math.MaxInt}
}

// NewBoundedSemaphore returns a semaphore with n free permits that never has more:
// a Release of permits that nobody holds panics and changes nothing. So does an
// attempt to acquire more than n, which could never succeed. It panics if n is
// less than 1: nobody could acquire anything.
func NewBoundedSemaphore(n int) *Semaphore {
	if n < 1 {
		panic(fmt.Sprintf("strand: NewBoundedSemaphore(%d): the number of permits must be at least 1", n))
	}
	return &Semaphore{free: n, limit: n}
}

// Acquire takes n permits, waiting until they are free and all who came before
// are served. It returns Err(ctx), holding none, if ctx is done first; permits
// that are free are taken without a look at ctx. It panics if n is negative, or
// more than a bounded semaphore has.
func (s *Semaphore) Acquire(ctx context.Context, n int) error {
	if s.TryAcquire(n) {
		return nil
	}
	w := semaphoreWaiters.Get().(*semaphoreWaiter)
	w.s, w.n = s, n
	err := Park(ctx, Op{Object: s, Kind: OpAcquire, Access: Write}, w)
	*w = semaphoreWaiter{}
	semaphoreWaiters.Put(w)
	return err
}

// TryAcquire takes n permits if they are free and nobody waits, and reports
// whether it did. It never waits. It panics if n is negative, or more than a
// bounded semaphore has.
func (s *Semaphore) TryAcquire(n int) bool {
	if n < 0 {
		panic(fmt.Sprintf("strand: cannot acquire %d permits", n))
	}
	if n > s.limit {
		panic(fmt.Sprintf("strand: cannot acquire %d permits of a semaphore that has %d", n, s.limit))
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
// permits above the first, unless the semaphore is bounded. It panics, and changes
// nothing, if n is negative, or if there would be more free permits than the bound
// of the semaphore, or math.MaxInt.
func (s *Semaphore) Release(n int) {
	if n < 0 {
		panic(fmt.Sprintf("strand: cannot release %d permits", n))
	}
	s.mu.Lock()
	if n > s.limit-s.free {
		free := s.free
		s.mu.Unlock()
		if s.limit < math.MaxInt {
			panic(fmt.Sprintf("strand: cannot release %d permits: %d of %d are free, so fewer are held", n, free, s.limit))
		}
		panic(fmt.Sprintf("strand: cannot release %d permits: there would be too many", n))
	}
	s.free += n
	var few [fewWakes]func()
	wakes := s.serve(few[:0])
	s.mu.Unlock()
	wakeAll(wakes)
}

// serve hands free permits to the waiters in front and adds their wake-ups to wakes; it
// needs s.mu.
func (s *Semaphore) serve(wakes []func()) []func() {
	for n := s.waiters.Front(); n != nil && n.Value.n <= s.free; n = s.waiters.Front() {
		s.waiters.Pop()
		s.free -= n.Value.n
		wakes = append(wakes, n.Value.wake)
	}
	return wakes
}

// fewWakes is how many wake-ups an object collects without allocating memory.
const fewWakes = 8

// wakeAll calls what the objects of this package have collected under their lock.
func wakeAll(wakes []func()) {
	for _, wake := range wakes {
		wake()
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

// semaphoreWaiters are waiters that are not in use.
var semaphoreWaiters = sync.Pool{New: func() any { return new(semaphoreWaiter) }}

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
	var wakes []func()
	if removed {
		// Those behind may have waited only because this one, in front, asked
		// for more than there is.
		wakes = w.s.serve(nil)
	}
	w.s.mu.Unlock()
	wakeAll(wakes)
	return removed
}
