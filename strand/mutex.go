package strand

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/go-braid/braid/internal/spin"
	"github.com/go-braid/braid/internal/waitq"
)

// A Mutex is a mutual exclusion lock that parks strands instead of blocking
// threads, and whose Lock can be cancelled. The zero value is unlocked. A Mutex
// must not be copied after first use.
//
// It is fair, in one of two ways. Strands that are coroutines are served strictly in
// the order of their arrival: Unlock hands the mutex to the one that has waited
// longest. Goroutines run at the same time, and a mutex that is handed to one that
// has yet to wake up lies idle until then. So when a goroutine has waited longest,
// Unlock frees the mutex and wakes it, and a Lock that comes before it is awake may
// overtake it; it then waits again, as the first in line. Once it has waited for a
// millisecond, the next Unlock hands it the mutex, as it does with coroutines. TryLock
// never overtakes anybody. The rule is that of sync.Mutex. A Mutex
// is not re-entrant: a strand that locks it twice waits for itself; see [RLock].
//
// The strand that locks a Mutex owns it, provided that the strand has an identity
// (see [Self]). If the owner ends without unlocking it, nobody will: the mutex is
// broken then, for good, and those who wait for it and all who come later get a
// [*BrokenError] instead of waiting for ever. A lock that breaks when its owner
// ends is an idea of trio's.
//
// Another strand than the owner may unlock the mutex, but must do so before the
// owner ends. What is locked in one strand to be unlocked in another after that
// is better locked with TryLock, which makes no owner, or is a [Semaphore].
type Mutex struct {
	// state is nil while the mutex is free, the owner while it is held, and &crowd
	// while it is held and the next Unlock must hand it over: the owner is under mu
	// then. If the owner has ended, the mutex is broken.
	state atomic.Pointer[Strand]
	// queue says whether there are waiters, and what an Unlock that frees the mutex
	// has to do about them. It changes under mu only.
	queue atomic.Int32

	mu      sync.Mutex // state becomes &crowd, and ceases to be, under mu only
	owner   *Strand    // while state is &crowd
	waiters waitq.List[*mutexWaiter]
	strict  int          // how many of the waiters must be handed the mutex
	guest   *mutexWaiter // who is invited, until it has locked m, waits again or has given up
	guarded *Strand      // the owner whose end m is to be told of, for the waiters' sake
}

// The values of Mutex.queue.
//
// No wake-up is lost: whoever begins to wait sets idle before it looks at the state,
// and an Unlock frees the state before it looks at the queue. So either the one sees
// that the mutex is free, or the other that somebody waits.
const (
	noWaiters int32 = iota
	idle            // who unlocks the mutex must invite the first waiter
	invited         // somebody is invited, and will see to the others
)

// crowd is the state of a Mutex that is to be handed over, or of a broken one for
// which somebody wanted to wait. It is no strand.
var crowd Strand

// spins is how often a Lock looks whether the mutex is free before it waits. Where
// there is one processor, nobody could free it meanwhile.
var spins = func() int {
	if runtime.NumCPU() == 1 {
		return 0
	}
	return 4
}()

// Lock locks m, waiting for it if need be. It returns Err(ctx), not holding m,
// if ctx is done before m is free, and a [*BrokenError] if m is broken before or
// while it waits; a free mutex is locked without a look at whether ctx is done.
func (m *Mutex) Lock(ctx context.Context) error {
	self := ownerFor(ctx)
	if self == &nobody && m.anonymous().CompareAndSwap(free, held) || m.state.CompareAndSwap(nil, self) {
		return nil
	}
	return m.wait(ctx, self, m)
}

// wait is the slow path of Lock, in the name of lock, whose part m is.
func (m *Mutex) wait(ctx context.Context, self *Strand, lock any) error {
	if m.spin(self) {
		return nil
	}
	w := &mutexWaiter{m: m, turn: turn{self: self, lenient: parallel(ctx)}}
	return contend(ctx, Op{Object: lock, Kind: OpLock, Access: Write}, w)
}

// spin tries for a moment to lock m, which somebody who runs at this time may be about
// to unlock: to park takes longer.
func (m *Mutex) spin(self *Strand) bool {
	for range spins {
		switch m.state.Load() {
		case nil:
			if m.state.CompareAndSwap(nil, self) {
				return true
			}
		case &crowd:
			return false
		}
		spin.Pause()
	}
	return false
}

// TryLock locks m if it is free and nobody waits for it, and reports whether it did.
// It never waits. The mutex has no owner then, so that it does not break.
func (m *Mutex) TryLock() bool { return m.tryLock(&nobody) }

func (m *Mutex) tryLock(self *Strand) bool {
	return m.queue.Load() == noWaiters && m.state.CompareAndSwap(nil, self)
}

// anonymous is the state of a mutex that is free, or held by nobody with an identity. To
// change it takes half the time of a change of m.state, which the garbage collector has
// to know of: it does not care for pointers to what is not on the heap.
func (m *Mutex) anonymous() *atomic.Uintptr { return (*atomic.Uintptr)(unsafe.Pointer(&m.state)) }

// The values of Mutex.anonymous.
var (
	free uintptr
	held = uintptr(unsafe.Pointer(&nobody))
)

// Unlock unlocks m, or hands it to the strand that has waited longest. It never
// waits and may be called from any goroutine. It panics if m is not locked; a
// broken mutex it leaves as it is.
func (m *Mutex) Unlock() {
	switch p := m.state.Load(); {
	case p == &nobody && m.anonymous().CompareAndSwap(held, free):
	case p == nil || p == &crowd || p.Ended() || !m.state.CompareAndSwap(p, nil):
		m.handOver()
		return
	}
	if m.queue.Load() == idle {
		m.invite()
	}
}

// handOver is the slow path of Unlock.
func (m *Mutex) handOver() {
	m.mu.Lock()
	if !m.summon() {
		m.mu.Unlock()
		panic("strand: Unlock of an unlocked Mutex")
	}
	if m.owner.Ended() {
		m.mu.Unlock()
		return
	}
	var few [fewWakes]func()
	wakes := few[:0]
	m.watch(nil)
	if w := m.next(); w != nil {
		m.owner = w.self
		wakes = append(wakes, w.wake)
	} else {
		m.owner = nil
		m.state.Store(nil)
	}
	wakes = m.settle(wakes)
	m.mu.Unlock()
	wakeAll(wakes)
}

// invite wakes the waiter in front, for it to lock m, which the caller has freed.
// Others may lock m before it. Whatever the waiter finds then, it sees to those behind
// it; see accept, decline and mutexWaiter.Arm.
func (m *Mutex) invite() {
	m.mu.Lock()
	if m.queue.Load() != idle { // any more
		m.mu.Unlock()
		return
	}
	w := m.inviteNext()
	m.mu.Unlock()
	w.wake()
}

// inviteNext invites the waiter in front, whom the caller wakes. It needs m.mu, and a
// waiter, and that nobody else is invited.
func (m *Mutex) inviteNext() *mutexWaiter {
	m.watch(nil) // who is invited looks
	m.guest = m.next()
	m.guest.invited = true
	m.queue.Store(invited)
	return m.guest
}

// next takes the waiter in front out of the queue, or returns nil. It needs m.mu.
func (m *Mutex) next() *mutexWaiter {
	n := m.waiters.Pop()
	if n == nil {
		return nil
	}
	if !n.Value.lenient {
		m.strict--
	}
	return n.Value
}

// leave ends the invitation of the guest, who has locked m or does not want it any more.
func (m *Mutex) leave() {
	var few [fewWakes]func()
	m.mu.Lock()
	m.guest = nil
	wakes := m.settle(few[:0])
	m.mu.Unlock()
	wakeAll(wakes)
}

// settle brings m in line with who waits: it is called after each change of that, and
// adds to wakes the wake-ups that result. It needs m.mu.
func (m *Mutex) settle(wakes []func()) []func() {
	m.announce(m.waiters.Len() > 0)
	for m.strict > 0 {
		if m.summon() {
			return m.guard(m.owner, wakes)
		}
		if w := m.waiters.Front().Value; m.state.CompareAndSwap(nil, w.self) {
			m.next()
			m.announce(m.waiters.Len() > 0)
			wakes = append(wakes, w.wake)
		}
	}
	if m.state.Load() == &crowd && !m.owner.Ended() {
		owner := m.owner
		m.owner = nil
		m.state.Store(owner)
	}
	if m.queue.Load() != idle {
		if m.waiters.Len() == 0 {
			m.watch(nil)
		}
		return wakes
	}
	// The queue is idle since before this look at the state.
	if owner := m.holder(); owner != nil {
		return m.guard(owner, wakes)
	}
	return append(wakes, m.inviteNext().wake)
}

// announce says in m.queue whether there are waiters. It needs m.mu.
func (m *Mutex) announce(waiters bool) {
	switch {
	case m.guest != nil:
		m.queue.Store(invited)
	case waiters:
		m.queue.Store(idle)
	default:
		m.queue.Store(noWaiters)
	}
}

// guard has m told if its owner ends. If he has, m is broken: guard adds the wake-ups
// of those who wait to wakes. It needs m.mu.
func (m *Mutex) guard(owner *Strand, wakes []func()) []func() {
	if m.watch(owner) {
		return wakes
	}
	return m.smash(owner, wakes)
}

// watch has m told when a strand ends, and nobody else, or nobody at all if it is nil.
// It returns false if the strand has ended. It needs m.mu.
func (m *Mutex) watch(owner *Strand) bool {
	if m.guarded == owner {
		return true
	}
	if m.guarded != nil {
		unwatch(m.guarded, m)
		m.guarded = nil
	}
	if owner == nil || owner == &nobody {
		return true
	}
	if !watch(owner, m) {
		return false
	}
	m.guarded = owner
	return true
}

// summon makes the state of a locked mutex &crowd, so that all is under m.mu, which
// the caller holds. It returns false if the mutex is free, or has become so meanwhile.
func (m *Mutex) summon() bool {
	for {
		p := m.state.Load()
		switch {
		case p == nil:
			return false
		case p == &crowd:
			return true
		case m.state.CompareAndSwap(p, &crowd):
			m.owner = p
			return true
		}
	}
}

// smash adds to wakes the wake-ups of those who wait for a mutex that has become broken
// by the end of its owner. It needs m.mu.
func (m *Mutex) smash(owner *Strand, wakes []func()) []func() {
	for w := m.next(); w != nil; w = m.next() {
		w.killer = owner
		wakes = append(wakes, w.wake)
	}
	m.announce(false)
	return wakes
}

// ownerEnded is called when a strand ends that owned m and was watched.
func (m *Mutex) ownerEnded(owner *Strand) {
	var wakes []func()
	m.mu.Lock()
	if m.guarded == owner {
		m.guarded = nil
	}
	// Somebody else may have unlocked m just before.
	if m.holder() == owner {
		wakes = m.smash(owner, nil)
	}
	m.mu.Unlock()
	wakeAll(wakes)
}

// holder returns the owner, or nil if m is free. It needs m.mu.
func (m *Mutex) holder() *Strand {
	p := m.state.Load()
	if p == &crowd {
		return m.owner
	}
	return p
}

// look returns what there is to know of m. The owner is nil if m is free; that of
// a broken mutex is who ended.
func (m *Mutex) look() (owner *Strand, broken bool, waiting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	owner, waiting = m.holder(), m.waiters.Len()
	if m.guest != nil {
		waiting++
	}
	return owner, owner != nil && owner.Ended(), waiting
}

// Holders implements [Holder]: it returns the owner, if m has one.
func (m *Mutex) Holders() []*Strand {
	owner, broken, _ := m.look()
	if broken {
		return nil
	}
	return holders(owner)
}

// MutexStatistics is a snapshot of a [Mutex], for reports and tests; it is out
// of date when it is read.
type MutexStatistics struct {
	Locked  bool // whether somebody holds the mutex, or it is broken
	Broken  bool // whether its owner ended without unlocking it
	Waiting int  // strands that wait for it
}

// Statistics returns a snapshot of m.
func (m *Mutex) Statistics() MutexStatistics {
	owner, broken, waiting := m.look()
	return MutexStatistics{Locked: owner != nil, Broken: broken, Waiting: waiting}
}

// held implements [Locker]. Where an identity is missing, the strand is trusted.
func (m *Mutex) held(ctx context.Context) (bool, error) {
	owner, broken, _ := m.look()
	if broken {
		return false, &BrokenError{Lock: m, Owner: owner}
	}
	self := ownerFor(ctx)
	return owner != nil && (owner == self || owner == &nobody || self == &nobody), nil
}

// locked implements [Locker].
func (m *Mutex) locked() bool { return m.state.Load() != nil }

// unlock implements [Locker].
func (m *Mutex) unlock(context.Context) { m.Unlock() }

// suspend implements [Locker].
func (m *Mutex) suspend() int { m.Unlock(); return 1 }

// resume implements [Locker].
func (m *Mutex) resume(ctx context.Context, _ int) error { return m.Lock(ctx) }

type mutexWaiter struct {
	turn
	m    *Mutex
	node waitq.Node[*mutexWaiter]
}

func (w *mutexWaiter) its() *turn { return &w.turn }
func (w *mutexWaiter) try() bool  { return w.m.spin(w.self) }
func (w *mutexWaiter) leave()     { w.m.leave() }

func (w *mutexWaiter) Arm(wake func()) bool {
	m := w.m
	m.mu.Lock()
	again := m.guest == w
	if again {
		m.guest, w.invited = nil, false
	}
	m.announce(true) // before the look at the state
	armed := !m.state.CompareAndSwap(nil, w.self)
	if armed {
		if owner := m.holder(); owner != nil && owner.Ended() {
			w.killer = owner
			armed = false
		}
	}
	if armed {
		w.wake, w.node.Value = wake, w
		w.queue(again)
	}
	wakes := m.settle(nil)
	m.mu.Unlock()
	wakeAll(wakes) // perhaps of w itself: m may have been unlocked meanwhile
	return armed
}

// queue puts w into the queue, in front if it was there before. It needs w.m.mu.
func (w *mutexWaiter) queue(again bool) {
	w.line(again)
	if !w.lenient {
		w.m.strict++
	}
	if again {
		w.m.waiters.PushFront(&w.node)
	} else {
		w.m.waiters.Push(&w.node)
	}
}

func (w *mutexWaiter) Disarm() bool {
	m := w.m
	m.mu.Lock()
	removed := m.waiters.Remove(&w.node)
	var wakes []func()
	if removed {
		if !w.lenient {
			m.strict--
		}
		wakes = m.settle(nil)
	}
	m.mu.Unlock()
	wakeAll(wakes)
	return removed
}
