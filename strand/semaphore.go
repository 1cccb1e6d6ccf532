package strand

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/internal/spin"
	"github.com/go-braid/braid/internal/waitq"
)

// A Semaphore is a number of permits. Make one with [NewSemaphore], or with
// [NewBoundedSemaphore] if there must never be more permits than at first.
//
// It is fair: a strand that asks for many permits is not overtaken by later
// ones that ask for few, so that it cannot starve.
type Semaphore struct {
	// state is the number of free permits while nobody waits, and then to acquire and
	// release permits is to change state. It is queued while somebody waits: all is
	// under mu then. It becomes queued, and ceases to be, under mu only.
	state atomic.Int64
	limit int // the most that may be free

	mu      sync.Mutex
	free    int // while state is queued
	waiters waitq.List[*semaphoreWaiter]
}

// queued is the state of a Semaphore for which somebody waits.
const queued int64 = -1

func newSemaphore(n, limit int) *Semaphore {
	s := &Semaphore{limit: limit}
	s.state.Store(int64(n))
	return s
}

// NewSemaphore returns a semaphore with n free permits. It panics if n is
// negative; with 0, the first permits are those that Release adds.
func NewSemaphore(n int) *Semaphore {
	if n < 0 {
		panic(fmt.Sprintf("strand: NewSemaphore(%d): the number of permits cannot be negative", n))
	}
	return newSemaphore(n, math.MaxInt)
}

// NewBoundedSemaphore returns a semaphore with n free permits that never has more:
// a Release of permits that nobody holds panics and changes nothing. So does an
// attempt to acquire more than n, which could never succeed. It panics if n is
// less than 1: nobody could acquire anything.
func NewBoundedSemaphore(n int) *Semaphore {
	if n < 1 {
		panic(fmt.Sprintf("strand: NewBoundedSemaphore(%d): the number of permits must be at least 1", n))
	}
	return newSemaphore(n, n)
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
	for {
		free := s.state.Load()
		if free == queued || free < int64(n) {
			return false
		}
		if s.state.CompareAndSwap(free, free-int64(n)) {
			return true
		}
		spin.Pause()
	}
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
	for {
		free := s.state.Load()
		if free == queued {
			if s.releaseQueued(n) {
				return
			}
			continue
		}
		s.check(n, int(free))
		if s.state.CompareAndSwap(free, free+int64(n)) {
			return
		}
		spin.Pause()
	}
}

// check panics if n permits cannot be released while others are free.
func (s *Semaphore) check(n, free int) {
	if n <= s.limit-free {
		return
	}
	if s.limit < math.MaxInt {
		panic(fmt.Sprintf("strand: cannot release %d permits: %d of %d are free, so fewer are held", n, free, s.limit))
	}
	panic(fmt.Sprintf("strand: cannot release %d permits: there would be too many", n))
}

// releaseQueued is Release while somebody waits. It returns false if nobody does any
// more.
func (s *Semaphore) releaseQueued(n int) bool {
	var few [fewWakes]func()
	s.mu.Lock()
	if s.state.Load() != queued {
		s.mu.Unlock()
		return false
	}
	if free := s.free; n > s.limit-free {
		s.mu.Unlock()
		s.check(n, free)
	}
	s.free += n
	wakes := s.serve(few[:0])
	s.mu.Unlock()
	wakeAll(wakes)
	return true
}

// serve hands free permits to the waiters in front and adds their wake-ups to wakes; it
// needs s.mu, and that the state is queued. Once nobody waits, it is no more.
func (s *Semaphore) serve(wakes []func()) []func() {
	for n := s.waiters.Front(); n != nil && n.Value.n <= s.free; n = s.waiters.Front() {
		s.waiters.Pop()
		s.free -= n.Value.n
		wakes = append(wakes, n.Value.wake)
	}
	if s.waiters.Len() == 0 {
		s.state.Store(int64(s.free))
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
	free := s.free
	if v := s.state.Load(); v != queued {
		free = int(v)
	}
	return SemaphoreStatistics{Free: free, Waiting: s.waiters.Len()}
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
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for free := s.state.Load(); free != queued; free = s.state.Load() {
		if free < int64(w.n) {
			// A Release that comes after this finds that somebody waits.
			if s.state.CompareAndSwap(free, queued) {
				s.free = int(free)
			}
		} else if s.state.CompareAndSwap(free, free-int64(w.n)) {
			return false
		}
	}
	w.wake, w.node.Value = wake, w
	s.waiters.Push(&w.node)
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
