package multiprocessing

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/robust"
	"github.com/go-braid/braid/strand"
)

// A Semaphore is a number of permits for strands of several processes. Make one with
// [NewSemaphore], or with [NewBoundedSemaphore] if there must never be more permits than
// at first, and give it to other processes in the argument or result of a call. It may be
// used from any goroutine or coroutine, and be copied: a copy is the same semaphore.
//
// A process that acquires permits holds them. If it dies, or closes the semaphore, they
// come back, for those who wait within 50 ms or so. Release gives back those that the
// process itself holds first; if it holds fewer, those of other processes. So permits are
// for what processes hold, and not for messages: to signal is the business of [Event],
// [Condition] and [Queue], which death does not undo.
//
// It is fair: a strand that asks for many permits is not overtaken by later ones that ask
// for few. Processes that are dead, or stopped by a signal, are passed over.
type Semaphore struct {
	codec.Carrier
	shared
}

// semaphoreState is a Semaphore in shared memory. What is free is what nobody holds.
type semaphoreState struct {
	total atomic.Int64
	held  [robust.MaxProcesses]atomic.Int64 // by slot
}

type semaphoreObject struct {
	robust.Plain
	*semaphoreState
	r     *robust.Region
	line  *robust.Line
	limit int64 // the most that may be free
}

var semaphoreKind = &robust.Kind{
	Name: "semaphore", Lines: 1,
	Size: func(p robust.Params) (int64, error) {
		if p.A > math.MaxInt32 || p.B > 1 || p.Element != "" {
			return 0, fmt.Errorf("a semaphore has 0 to %d permits at first, not %d", math.MaxInt32, p.A)
		}
		return sizeOf[semaphoreState](), nil
	},
	New: func(r *robust.Region) robust.Object {
		line := r.Line(0)
		o := &semaphoreObject{semaphoreState: robust.At[semaphoreState](r, 0), r: r, line: line, limit: math.MaxInt32}
		if p := r.Params(); p.B == 1 {
			o.limit = int64(p.A)
		}
		line.More = func() bool { return o.free() > 0 }
		return o
	},
}

// Settle implements [robust.Object].
func (o *semaphoreObject) Settle(slot int) {
	if o.held[slot].Swap(0) != 0 {
		o.line.Ring()
	}
}

// Concerns implements [robust.Object].
func (o *semaphoreObject) Concerns(slot int) bool { return o.held[slot].Load() != 0 }

// free needs the region to be locked, to be exact.
func (o *semaphoreObject) free() int64 {
	n := o.total.Load()
	for slot := range o.r.Used() {
		n -= o.held[slot].Load()
	}
	return n
}

// take takes n permits if they are free, and if there is a waiter, it is its turn.
func (o *semaphoreObject) take(n int64, w *robust.Waiter) bool {
	o.r.Lock()
	defer o.r.Unlock()
	if w != nil && !o.line.First(w) || w == nil && !o.line.Empty() || o.free() < n {
		return false
	}
	o.held[o.r.Slot()].Add(n)
	return true
}

// release adds n permits. Each step leaves the books in order.
func (o *semaphoreObject) release(n int64) error {
	o.r.Lock()
	defer o.r.Unlock()
	if free := o.free(); n > o.limit-free {
		if o.limit < math.MaxInt32 {
			return fmt.Errorf("multiprocessing: cannot release %d permits: %d of %d are free, so fewer are held", n, free, o.limit)
		}
		return fmt.Errorf("multiprocessing: cannot release %d permits: there would be more than %d", n, math.MaxInt32)
	}
	give := func(slot int) {
		if m := min(n, o.held[slot].Load()); m > 0 {
			o.held[slot].Add(-m)
			n -= m
		}
	}
	give(o.r.Slot())
	for slot := range o.r.Used() {
		give(slot)
	}
	o.total.Add(n)
	o.line.Ring()
	return nil
}

// NewSemaphore returns a semaphore with n free permits; with 0, the first permits are
// those that Release adds. It returns an error if n is negative or more than
// math.MaxInt32.
func NewSemaphore(n int) (*Semaphore, error) { return newSemaphore("NewSemaphore", n, 0, false) }

// NewBoundedSemaphore returns a semaphore with n free permits that never has more: a
// Release of permits that nobody holds panics and changes nothing. So does an attempt to
// acquire more than n, which could never succeed. It returns an error if n is less than 1
// or more than math.MaxInt32.
func NewBoundedSemaphore(n int) (*Semaphore, error) {
	return newSemaphore("NewBoundedSemaphore", n, 1, true)
}

func newSemaphore(constructor string, n, least int, bounded bool) (*Semaphore, error) {
	if n < least {
		return nil, fmt.Errorf("multiprocessing: %s(%d): the number of permits must be at least %d", constructor, n, least)
	}
	p := robust.Params{A: uint64(n)}
	if bounded {
		p.B = 1
	}
	s, err := create(constructor, semaphoreKind, p, func(r *robust.Region) {
		robust.At[semaphoreState](r, 0).total.Store(int64(n))
	})
	if err != nil {
		return nil, err
	}
	return &Semaphore{shared: s}, nil
}

func (s *Semaphore) object() *semaphoreObject { return s.h.region.Object().(*semaphoreObject) }

// Acquire takes n permits, waiting until they are free and all who came before are
// served. It returns strand.Err(ctx), holding none, if ctx is done first, and an error
// that matches os.ErrClosed if s is or becomes closed in this process; permits that are
// free are taken without a look at ctx. It panics if n is negative, or more than a bounded
// semaphore has.
func (s *Semaphore) Acquire(ctx context.Context, n int) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.exit()
	o := s.object()
	o.checkAcquire(n)
	if o.take(int64(n), nil) {
		return nil
	}
	w := new(robust.Waiter)
	w.Try = func() bool { return o.take(int64(n), w) }
	return s.wait(ctx, o.line, strand.Op{Object: s, Kind: strand.OpAcquire, Access: strand.Write}, w)
}

func (o *semaphoreObject) checkAcquire(n int) {
	if n < 0 {
		panic(fmt.Sprintf("multiprocessing: cannot acquire %d permits", n))
	}
	if int64(n) > o.limit {
		panic(fmt.Sprintf("multiprocessing: cannot acquire %d permits of a semaphore that has at most %d", n, o.limit))
	}
}

// TryAcquire takes n permits if they are free and nobody waits, and reports whether it
// did. It never waits. It panics if n is negative, or more than a bounded semaphore has,
// or if s is closed in this process.
func (s *Semaphore) TryAcquire(n int) bool {
	s.mustEnter("TryAcquire")
	defer s.exit()
	o := s.object()
	o.checkAcquire(n)
	if o.take(int64(n), nil) {
		return true
	}
	// Perhaps those who hold them, or seem to wait, are dead.
	s.h.region.LookIfDue()
	return o.take(int64(n), nil)
}

// Release adds n permits and lets those go on who wait, in order. It never waits and may
// be called from any goroutine of any process, also to raise the number of permits above
// the first, unless the semaphore is bounded. It panics, and changes nothing, if n is
// negative, or if there would be more free permits than the bound of the semaphore, or
// math.MaxInt32, or if s is closed in this process.
func (s *Semaphore) Release(n int) {
	s.mustEnter("Release")
	defer s.exit()
	err := errors.New("multiprocessing: cannot release a negative number of permits")
	if n >= 0 {
		err = s.object().release(int64(n))
	}
	if err != nil {
		panic(err.Error())
	}
}

// Close closes s in this process: the permits that the process holds come back, and
// strands that wait here get an error that matches os.ErrClosed. If the process has s from
// elsewhere too, it keeps its permits until that is closed as well. A Semaphore that is
// dropped is closed by the collector. Calls after the first do nothing; the error is
// always nil.
func (s *Semaphore) Close() error { return s.close() }

// SemaphoreStatistics is a snapshot of a [Semaphore].
type SemaphoreStatistics struct {
	Free    int // permits that nobody holds
	Held    int // permits that this process holds
	Waiting int // strands that wait for permits, in all processes
}

// Statistics returns a snapshot of s, or the zero value if it is closed.
func (s *Semaphore) Statistics() SemaphoreStatistics {
	if s.enter() != nil {
		return SemaphoreStatistics{}
	}
	defer s.exit()
	o := s.object()
	o.r.Lock()
	defer o.r.Unlock()
	return SemaphoreStatistics{Free: int(o.free()), Held: int(o.held[o.r.Slot()].Load()), Waiting: o.line.Waiting()}
}

// MarshalCBOR writes s for its way to another process. It fails elsewhere.
func (s *Semaphore) MarshalCBOR() ([]byte, error) { return writeShared(s.shared) }

// UnmarshalCBOR reads what MarshalCBOR has written.
func (s *Semaphore) UnmarshalCBOR(b []byte) error {
	return readShared(b, []*robust.Kind{semaphoreKind}, &s.shared)
}
