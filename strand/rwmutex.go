package strand

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/internal/spin"
	"github.com/go-braid/braid/internal/waitq"
)

// An RWMutex is a lock that is held by any number of readers, or by one writer. It
// parks strands instead of blocking threads, and its waits can be cancelled. The
// zero value is unlocked. An RWMutex must not be copied after first use.
//
// It is fair by phases. While a writer waits for readers to leave, no further one is let
// in; when a writer unlocks it, all readers who wait at that moment are let in together,
// before the next writer. So a reader waits for one writer at most, a writer for the
// writers before it and for one phase of readers before each, and neither side can starve
// the other. The rule is that of phase-fair locks: Brandenburg and Anderson, "Spin-Based
// Reader-Writer Synchronization for Multiprocessor Real-Time Systems", 2010.
//
// Writers take turns as those who lock a [Mutex] do: coroutines in the order of their
// arrival, while a goroutine that waits for another writer lets others overtake it
// until it is awake, for a millisecond at most. It closes the lock to readers when it
// is awake and finds that readers hold it.
//
// It is not re-entrant: a reader who locks it for reading once more waits for ever
// if a writer came in between. A reader cannot become a writer without unlocking it
// first: two who tried would wait for each other.
//
// A writer with an identity owns the lock: if it ends without unlocking it, the lock
// is broken, as a [Mutex] is. Readers change nothing, and break nothing; but a lock
// that a reader does not unlock is closed to writers for good.
type RWMutex struct {
	// state is the number of readers while all that is to be known of rw is that it
	// is held by readers without identity, or is free; it is writing while it is held by
	// a writer without identity. Then to lock and unlock rw is to change state. It is
	// slow while there is more to know: all else is under mu then. It becomes slow,
	// and ceases to be, under mu only.
	state atomic.Int64
	// queue says whether writers wait that leave the state alone, and what an Unlock has
	// to do about them, as [Mutex.queue]. It changes under mu only.
	queue atomic.Int32

	mu      sync.Mutex
	writer  *Strand // who holds it for writing; if he has ended, it is broken
	readers int     // who hold it for reading
	closed  bool    // to readers: the writer in front waits for them to leave

	// The readers that have an identity, as long as it is known who is left of
	// them: an RUnlock does not say whose it is.
	known   []*Strand
	unknown bool

	waitingWriters waitq.List[*rwWaiter]
	waitingReaders waitq.List[*rwWaiter] // not empty only while somebody writes or waits to
	strict         int                   // how many of the waiting writers must be handed the lock
	guest          *rwWaiter             // the writer who is invited, until it has locked rw, waits again or has given up
}

// The values of RWMutex.state that are no number of readers.
const (
	writing int64 = -1
	slow    int64 = -2
)

// enter locks rw.mu and makes the state slow.
func (rw *RWMutex) enter() {
	rw.mu.Lock()
	for {
		v := rw.state.Load()
		switch {
		case v == slow:
			return
		case !rw.state.CompareAndSwap(v, slow):
		case v == writing:
			rw.writer = &nobody
			return
		default:
			rw.readers = int(v)
			return
		}
	}
}

// ease undoes enter, except for unlocking rw.mu, if nobody with an identity holds rw
// and nobody waits but writers that may be overtaken. Those who have no identity call it
// when they have locked rw or unlocked it: a lock that is used by others only is better
// left as it is.
func (rw *RWMutex) ease() {
	switch {
	case rw.strict > 0 || rw.closed || rw.waitingReaders.Len() > 0:
	case rw.writer == &nobody:
		rw.writer = nil
		rw.state.Store(writing)
	case rw.writer == nil && len(rw.known) == 0 && !rw.unknown:
		v := rw.readers
		rw.readers = 0
		rw.state.Store(int64(v))
	}
}

// Lock locks rw for writing, waiting until nobody holds it. It returns Err(ctx),
// not holding rw, if ctx is done first, and a [*BrokenError] if rw is broken before
// or while it waits; a free lock is locked without a look at whether ctx is done.
func (rw *RWMutex) Lock(ctx context.Context) error {
	self := ownerFor(ctx)
	if rw.tryLock(self) || rw.spin((*RWMutex).tryLock, self) {
		return nil
	}
	return rw.wait(ctx, self, Write)
}

// RLock locks rw for reading, waiting until no writer holds it or waits for readers to
// leave. Its errors are those of Lock.
func (rw *RWMutex) RLock(ctx context.Context) error {
	self := ownerFor(ctx)
	if self == &nobody {
		if v := rw.state.Load(); v >= 0 && rw.state.CompareAndSwap(v, v+1) {
			return nil
		}
	}
	if rw.tryRLock(self) || rw.spin((*RWMutex).tryRLock, self) {
		return nil
	}
	return rw.wait(ctx, self, Read)
}

// wait is the slow path of Lock and RLock.
func (rw *RWMutex) wait(ctx context.Context, self *Strand, access Access) error {
	w := &rwWaiter{rw: rw, reads: access == Read, turn: turn{self: self, lenient: access == Write && parallel(ctx)}}
	return contend(ctx, Op{Object: rw, Kind: OpLock, Access: access}, w)
}

// TryLock locks rw for writing if nobody holds it or waits for it, and reports whether
// it did. It never waits. The lock has no owner then, so that it does not break.
func (rw *RWMutex) TryLock() bool { return rw.queue.Load() == noWaiters && rw.tryLock(&nobody) }

// TryRLock locks rw for reading if no writer holds it or waits for it, and reports
// whether it did. It never waits.
func (rw *RWMutex) TryRLock() bool { return rw.queue.Load() == noWaiters && rw.tryRLock(&nobody) }

func (rw *RWMutex) tryLock(self *Strand) bool {
	if self == &nobody && rw.state.Load() != slow {
		return rw.state.CompareAndSwap(0, writing)
	}
	rw.enter()
	defer rw.mu.Unlock()
	if !rw.admitWriter(self) {
		return false
	}
	if self == &nobody {
		rw.ease()
	}
	return true
}

func (rw *RWMutex) tryRLock(self *Strand) bool {
	if self == &nobody {
		v := rw.state.Load()
		for ; v >= 0; v = rw.state.Load() {
			if rw.state.CompareAndSwap(v, v+1) {
				return true
			}
			spin.Pause()
		}
		if v == writing {
			return false
		}
	}
	rw.enter()
	defer rw.mu.Unlock()
	if !rw.admitReader(self) {
		return false
	}
	if self == &nobody {
		rw.ease()
	}
	return true
}

// spin tries for a moment to lock rw, which somebody who runs at this time may be about
// to unlock: to park takes longer. Where somebody parks, it leaves it at that.
func (rw *RWMutex) spin(try func(*RWMutex, *Strand) bool, self *Strand) bool {
	for range spins {
		spin.Pause()
		if rw.state.Load() == slow {
			return false
		}
		if try(rw, self) {
			return true
		}
	}
	return false
}

// admitWriter lets a writer in, if it may overtake those who wait. It needs rw.mu, as all
// that follow.
func (rw *RWMutex) admitWriter(self *Strand) bool {
	if rw.writer != nil || rw.readers > 0 {
		return false
	}
	rw.writer = self
	return true
}

// admitReader lets a reader in that has not waited.
func (rw *RWMutex) admitReader(self *Strand) bool {
	if rw.writer != nil || rw.closed {
		return false
	}
	rw.addReader(self)
	return true
}

func (rw *RWMutex) addReader(self *Strand) {
	rw.readers++
	if self != &nobody && !rw.unknown {
		rw.known = append(rw.known, self)
	}
}

// Unlock unlocks rw for writing, and lets in all readers who wait, or else the
// writer that has waited longest. It never waits and may be called from any
// goroutine. It panics if rw is not locked for writing; a broken lock it leaves as
// it is.
func (rw *RWMutex) Unlock() {
	if rw.state.CompareAndSwap(writing, 0) {
		if rw.queue.Load() == idle {
			rw.invite()
		}
		return
	}
	rw.enter()
	writer := rw.writer
	if writer == nil {
		rw.mu.Unlock()
		panic("strand: Unlock of an RWMutex that is not locked for writing")
	}
	if writer.Ended() {
		rw.mu.Unlock()
		return
	}
	unwatch(writer, rw)
	rw.writer = nil
	var few [fewWakes]func()
	wakes := rw.settle(rw.admitReaders(few[:0]))
	if writer == &nobody {
		rw.ease()
	}
	rw.mu.Unlock()
	wakeAll(wakes)
}

// invite wakes the writer in front, for it to lock rw, which the caller has unlocked.
func (rw *RWMutex) invite() {
	var few [fewWakes]func()
	rw.enter()
	wakes := rw.settle(few[:0])
	rw.ease()
	rw.mu.Unlock()
	wakeAll(wakes)
}

// leave ends the invitation of the guest, who has locked rw or does not want it any more.
func (rw *RWMutex) leave() {
	var few [fewWakes]func()
	rw.enter()
	rw.guest = nil
	wakes := rw.settle(few[:0])
	rw.ease()
	rw.mu.Unlock()
	wakeAll(wakes)
}

// RUnlock takes back one RLock; the last one lets in the writer that has waited
// longest. It never waits and may be called from any goroutine. It panics if rw is
// not locked for reading.
func (rw *RWMutex) RUnlock() {
	for v := rw.state.Load(); v > 0; v = rw.state.Load() {
		if rw.state.CompareAndSwap(v, v-1) {
			return
		}
		spin.Pause()
	}
	rw.enter()
	if rw.readers == 0 {
		rw.mu.Unlock()
		panic("strand: RUnlock of an RWMutex that is not locked for reading")
	}
	rw.readers--
	rw.unknown = rw.readers > 0 && (rw.unknown || len(rw.known) > 0)
	clear(rw.known)
	rw.known = rw.known[:0]
	var few [fewWakes]func()
	wakes := rw.settle(few[:0])
	rw.mu.Unlock()
	wakeAll(wakes)
}

// admitReaders lets in all readers who wait, and adds their wake-ups to wakes.
func (rw *RWMutex) admitReaders(wakes []func()) []func() {
	for n := rw.waitingReaders.Pop(); n != nil; n = rw.waitingReaders.Pop() {
		rw.addReader(n.Value.self)
		wakes = append(wakes, n.Value.wake)
	}
	return wakes
}

// settle brings rw in line with who waits: it is called after each change of that, and
// when a lock was taken back, and adds to wakes the wake-ups that result. What is done
// for the writer in front, unless somebody writes, depends on whether it can be
// overtaken. If it can, it is invited to see for itself; if it cannot, it is let in, or
// waits for the readers to leave.
func (rw *RWMutex) settle(wakes []func()) []func() {
	if n := rw.waitingWriters.Front(); n != nil && rw.writer == nil {
		switch w := n.Value; {
		case w.lenient && rw.strict == 0 && !rw.closed:
			if rw.guest == nil {
				rw.remove(w)
				rw.guest, w.invited = w, true
				wakes = append(wakes, w.wake)
			}
		case rw.readers > 0:
			rw.closed = true
		default:
			rw.remove(w)
			rw.writer = w.self
			wakes = append(wakes, w.wake)
		}
	}
	if rw.writer == nil && !rw.closed {
		wakes = rw.admitReaders(wakes)
	}
	rw.announce()
	// A guest looks whether the writer has ended.
	if rw.writer != nil && rw.guest == nil && rw.waiting() > 0 && !watch(rw.writer, rw) {
		wakes = rw.smash(wakes)
	}
	return wakes
}

// announce says in rw.queue whether writers wait.
func (rw *RWMutex) announce() {
	switch {
	case rw.guest != nil:
		rw.queue.Store(invited)
	case rw.waitingWriters.Len() > 0:
		rw.queue.Store(idle)
	default:
		rw.queue.Store(noWaiters)
	}
}

// waiting returns how many wait, but for a guest.
func (rw *RWMutex) waiting() int { return rw.waitingWriters.Len() + rw.waitingReaders.Len() }

// remove takes a writer out of the queue, if it is there.
func (rw *RWMutex) remove(w *rwWaiter) bool {
	front := rw.waitingWriters.Front() == &w.node
	if !rw.waitingWriters.Remove(&w.node) {
		return false
	}
	if !w.lenient {
		rw.strict--
	}
	rw.closed = rw.closed && !front
	return true
}

// smash adds to wakes the wake-ups of those who wait for a lock that has become broken.
func (rw *RWMutex) smash(wakes []func()) []func() {
	for _, l := range [...]*waitq.List[*rwWaiter]{&rw.waitingWriters, &rw.waitingReaders} {
		for n := l.Pop(); n != nil; n = l.Pop() {
			n.Value.killer = rw.writer
			wakes = append(wakes, n.Value.wake)
		}
	}
	rw.strict = 0
	rw.announce()
	return wakes
}

// ownerEnded is called when a strand ends that held rw for writing and was
// watched. It does not need rw.mu.
func (rw *RWMutex) ownerEnded(writer *Strand) {
	rw.mu.Lock()
	var wakes []func()
	if rw.writer == writer { // nobody else has unlocked it just before
		wakes = rw.smash(nil)
	}
	rw.mu.Unlock()
	wakeAll(wakes)
}

// Holders implements [Holder]. It returns the writer, if it has an identity; or
// those of the readers that have one, as long as none of them can have unlocked rw since
// it was last free of readers: who is left after that is not known.
func (rw *RWMutex) Holders() []*Strand {
	rw.enter()
	defer rw.mu.Unlock()
	if rw.writer == nil {
		return append([]*Strand(nil), rw.known...)
	}
	if rw.writer.Ended() {
		return nil
	}
	return holders(rw.writer)
}

// RWMutexStatistics is a snapshot of an [RWMutex].
type RWMutexStatistics struct {
	Writing        bool // whether a writer holds it, or it is broken
	Broken         bool // whether a writer ended without unlocking it
	Readers        int  // readers that hold it
	WaitingWriters int  // strands that wait to write
	WaitingReaders int  // strands that wait to read
}

// Statistics returns a snapshot of rw.
func (rw *RWMutex) Statistics() RWMutexStatistics {
	rw.enter()
	defer rw.mu.Unlock()
	writers := rw.waitingWriters.Len()
	if rw.guest != nil {
		writers++
	}
	return RWMutexStatistics{
		Writing: rw.writer != nil, Broken: rw.writer != nil && rw.writer.Ended(),
		Readers:        rw.readers,
		WaitingWriters: writers, WaitingReaders: rw.waitingReaders.Len(),
	}
}

// An rwWaiter waits to write, or to read: then it is let in, and never invited.
type rwWaiter struct {
	turn
	rw    *RWMutex
	reads bool
	node  waitq.Node[*rwWaiter]
}

func (w *rwWaiter) its() *turn { return &w.turn }
func (w *rwWaiter) try() bool  { return w.rw.tryLock(w.self) }
func (w *rwWaiter) leave()     { w.rw.leave() }

func (w *rwWaiter) Arm(wake func()) bool {
	rw := w.rw
	rw.enter()
	again := rw.guest == w
	if again {
		rw.guest, w.invited = nil, false
	}
	armed := false
	switch {
	case w.reads && rw.admitReader(w.self), !w.reads && rw.admitWriter(w.self):
	case rw.writer != nil && rw.writer.Ended():
		w.killer = rw.writer
	default:
		armed = true
		w.wake, w.node.Value = wake, w
		w.queue(again)
	}
	wakes := rw.settle(nil)
	if w.self == &nobody {
		rw.ease()
	}
	rw.mu.Unlock()
	wakeAll(wakes) // perhaps of w itself: the writer may have ended meanwhile
	return armed
}

// queue puts w into its queue, in front if it was there before. It needs w.rw.mu.
func (w *rwWaiter) queue(again bool) {
	rw := w.rw
	if w.reads {
		rw.waitingReaders.Push(&w.node)
		return
	}
	w.line(again)
	if !w.lenient {
		rw.strict++
	}
	if again {
		rw.waitingWriters.PushFront(&w.node)
	} else {
		rw.waitingWriters.Push(&w.node)
	}
	// It is awake, and finds nobody but readers.
	if rw.writer == nil && rw.waitingWriters.Front() == &w.node {
		rw.closed = true
	}
}

func (w *rwWaiter) Disarm() bool {
	rw := w.rw
	rw.enter()
	var wakes []func()
	removed := rw.waitingReaders.Remove(&w.node) || rw.remove(w)
	if removed {
		if rw.writer != nil && rw.waiting() == 0 {
			unwatch(rw.writer, rw)
		}
		wakes = rw.settle(nil)
	}
	rw.mu.Unlock()
	wakeAll(wakes)
	return removed
}
