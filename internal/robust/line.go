package robust

import (
	"context"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/internal/waitq"
	"github.com/go-braid/braid/strand"
)

// lineState is the part of a line that the processes share.
type lineState struct {
	tickets atomic.Uint64 // handed out so far
	waiting [MaxProcesses / 64]atomic.Uint64
	_       [24]byte
	places  [MaxProcesses]place
}

// A place is that of one process in a line. It counts if the process's bit in waiting is
// set.
type place struct {
	ticket atomic.Uint64 // of the strand of this process that came first
	bell   atomic.Uint32 // 1 while the process's goroutine sleeps, or is about to
	count  atomic.Uint32 // strands
}

// A Line is where strands of all processes wait for one thing of an object.
type Line struct {
	// More, if it is not nil, reports whether there may be something for another strand,
	// after one was served. It is for objects whose Try asks [Line.First]: those who are
	// behind must be told when their turn comes.
	More func() bool

	// Various says that one who cannot go on does not keep those behind him, in the same
	// process, from going on.
	Various bool

	r *Region
	s *lineState

	mu      sync.Mutex
	waiters waitq.List[*Waiter]
	serving bool // there is a goroutine in serve
}

// An Owner is through what strands use a line: a handle that can be closed.
type Owner interface {
	// Gone returns nil, or the error that strands get that wait through it.
	Gone() error
}

// A Waiter is a strand that waits in a [Line].
type Waiter struct {
	// Try gives the strand what it waits for, if it can be had. Its last call returns
	// true. It is called under the lock of the line's part in this process.
	Try func() bool

	// Join, if it is not nil, is called when the strand has come into the line and must
	// wait.
	Join func()

	// Leave, if it is not nil, is called when the strand leaves the line without having
	// got anything. If it returns false, the strand has got it after all.
	Leave func() bool

	// Err is the error of a strand that was thrown out, by [Line.Evict].
	Err error

	// Owner is through what the strand uses the line.
	Owner Owner

	line   *Line
	ticket uint64
	wake   func()
	node   waitq.Node[*Waiter]
}

// Wait parks the calling strand until w.Try returns true, and then returns nil; or until
// ctx is done and w has left the line with nothing: then it returns strand.Err(ctx); or
// until w is thrown out: then it returns w.Err.
func (l *Line) Wait(ctx context.Context, op strand.Op, w *Waiter) error {
	w.line = l
	w.node.Value = w
	op.Outside = true
	if err := strand.Park(ctx, op, w); err != nil {
		return err
	}
	return w.Err
}

// Arm implements [strand.Waitable].
func (w *Waiter) Arm(wake func()) bool {
	l := w.line
	l.mu.Lock()
	if err := w.Owner.Gone(); err != nil {
		w.Err = err
		l.mu.Unlock()
		return false
	}
	w.wake = wake
	w.ticket = l.s.tickets.Add(1)
	l.waiters.Push(&w.node)
	l.publish()
	l.r.LookIfDue()
	served, waits := l.pass(), true
	for i, s := range served {
		if s == w {
			served[i], waits = nil, false
		}
	}
	if waits && w.Join != nil {
		w.Join()
	}
	if waits && !l.serving {
		l.serving = true
		l.r.Retain()
		go l.serve()
	}
	l.mu.Unlock()
	wakeAll(served)
	return waits
}

// Disarm implements [strand.Waitable].
func (w *Waiter) Disarm() bool { return w.leave(nil) }

// leave takes w out of the line, and reports whether it was in it and has got nothing. If
// err is not nil, w is thrown out, and woken.
func (w *Waiter) leave(err error) bool {
	l := w.line
	l.mu.Lock()
	if !l.waiters.Remove(&w.node) {
		l.mu.Unlock()
		return false
	}
	left := w.Leave == nil || w.Leave()
	if left {
		w.Err = err
	}
	l.publish()
	if l.waiters.Len() == 0 {
		l.ring(l.r.slot) // its goroutine has nothing to do any more
	}
	l.mu.Unlock()
	// The announcement that w may have got was for somebody.
	l.Ring()
	if !left || err != nil {
		w.wake()
	}
	return left
}

// Evict throws out the strands of an owner that has gone.
func (l *Line) Evict(owner Owner) {
	l.mu.Lock()
	var out []*Waiter
	for n := l.waiters.Front(); n != nil; n = n.Next() {
		if n.Value.Owner == owner {
			out = append(out, n.Value)
		}
	}
	l.mu.Unlock()
	for _, w := range out {
		w.leave(owner.Gone())
	}
}

func wakeAll(ws []*Waiter) {
	for _, w := range ws {
		if w != nil {
			w.wake()
		}
	}
}

// serve tries for the strands of this process until there are none.
func (l *Line) serve() {
	defer l.r.Release()
	bell := &l.s.places[l.r.slot].bell
	for {
		// From here on, whoever changes something rings.
		bell.Store(1)
		l.mu.Lock()
		l.publish()
		l.r.LookIfDue()
		served := l.pass()
		done := l.waiters.Len() == 0
		if done {
			l.serving = false
			bell.Store(0)
		}
		l.mu.Unlock()
		wakeAll(served)
		if done {
			return
		}
		// A thread in a system call keeps others from its processor, of which there may
		// be one, until the runtime notices. So those who can go on go on first.
		runtime.Gosched()
		_ = futexWait(bell, 1)
	}
}

// pass tries for the strands of this process in their order, and returns those who go
// on. It needs l.mu.
func (l *Line) pass() (served []*Waiter) {
	for n := l.waiters.Front(); n != nil; {
		w, next := n.Value, n.Next()
		if w.Try() {
			l.waiters.Remove(n)
			served = append(served, w)
		} else if !l.Various {
			break
		}
		n = next
	}
	if served != nil {
		l.publish()
		if l.More != nil && l.More() {
			l.Ring()
		}
	}
	return served
}

// publish tells the other processes who of this one waits. It needs l.mu.
func (l *Line) publish() {
	slot := l.r.slot
	p := &l.s.places[slot]
	bits, bit := &l.s.waiting[slot/64], uint64(1)<<(slot%64)
	n := l.waiters.Front()
	if n == nil {
		p.count.Store(0)
		bits.And(^bit)
		return
	}
	p.count.Store(uint32(l.waiters.Len()))
	p.ticket.Store(n.Value.ticket)
	if bits.Load()&bit == 0 {
		bits.Or(bit)
	}
}

// Empty reports whether nobody waits.
func (l *Line) Empty() bool {
	for i := range l.s.waiting {
		if l.s.waiting[i].Load() != 0 {
			return false
		}
	}
	return true
}

// First reports whether nobody in another process came before w, who is in the line.
func (l *Line) First(w *Waiter) bool {
	first := l.lowest()
	return first < 0 || first == l.r.slot || l.s.places[first].ticket.Load() > w.ticket
}

// lowest returns the slot of the process whose strand came first, or -1.
func (l *Line) lowest() int {
	best, slot := uint64(0), -1
	for i := range l.s.waiting {
		for b := l.s.waiting[i].Load(); b != 0; b &= b - 1 {
			s := i*64 + bits.TrailingZeros64(b)
			if t := l.s.places[s].ticket.Load(); slot < 0 || t < best {
				best, slot = t, s
			}
		}
	}
	return slot
}

// Ticket returns the number of the strand of a process that came first, if it has any in
// the line. Those who come later have higher numbers.
func (l *Line) Ticket(slot int) (ticket uint64, ok bool) {
	ok = l.s.waiting[slot/64].Load()&(1<<(slot%64)) != 0
	return l.s.places[slot].ticket.Load(), ok
}

// RingAt has the strands of one process try again.
func (l *Line) RingAt(slot int) { l.ring(slot) }

// Ring has the process whose strand came first try again, if anybody waits.
func (l *Line) Ring() {
	if slot := l.lowest(); slot >= 0 {
		l.ring(slot)
	}
}

// RingAll has all who wait try again.
func (l *Line) RingAll() {
	for i := range l.s.waiting {
		for b := l.s.waiting[i].Load(); b != 0; b &= b - 1 {
			l.ring(i*64 + bits.TrailingZeros64(b))
		}
	}
}

func (l *Line) ring(slot int) {
	bell := &l.s.places[slot].bell
	if bell.Load() == 1 && bell.CompareAndSwap(1, 0) {
		futexWake(bell)
	}
}

// look puts those out of the line who came first but cannot go on, since they are dead,
// or for as long as they are stopped, so that nobody waits for them.
func (l *Line) look() {
	for moved := false; ; moved = true {
		slot := l.lowest()
		if slot < 0 {
			return
		}
		id := l.r.ID(slot)
		state := Running
		if slot != l.r.slot {
			state = Dead
			if id != 0 {
				state = id.State()
			}
		}
		if state == Running {
			if moved {
				l.ring(slot)
			}
			return
		}
		l.s.waiting[slot/64].And(^(uint64(1) << (slot % 64)))
		if state == Dead && id != 0 {
			l.r.bury(slot, id)
		}
	}
}

// vacate clears the place of a process that is dead or leaves.
func (l *Line) vacate(slot int) {
	l.s.waiting[slot/64].And(^(uint64(1) << (slot % 64)))
	l.s.places[slot].count.Store(0)
	l.s.places[slot].bell.Store(0)
}

// Waiting returns the number of strands that wait, in all processes. It is out of date
// when it is read.
func (l *Line) Waiting() int {
	n := 0
	for i := range l.s.waiting {
		for b := l.s.waiting[i].Load(); b != 0; b &= b - 1 {
			n += int(l.s.places[i*64+bits.TrailingZeros64(b)].count.Load())
		}
	}
	return n
}
