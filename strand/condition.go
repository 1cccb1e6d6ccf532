package strand

import (
	"context"
	"fmt"
	"sync"

	"github.com/go-braid/braid/internal/waitq"
)

// A Locker is a lock that a [Condition] can be about: a [*Mutex] or an [*RLock].
type Locker interface {
	Holder

	// Lock locks it, as the lock's own Lock says.
	Lock(ctx context.Context) error

	held(ctx context.Context) (bool, error) // by the calling strand; the error is a *BrokenError
	locked() bool                           // by anybody
	unlock(ctx context.Context)
	suspend() (depth int) // unlocks it, however often it is locked
	resume(ctx context.Context, depth int) error
}

// A Condition lets strands that hold a lock wait until another strand says that
// something has changed in what the lock protects. The zero value has a [Mutex] of
// its own; [NewCondition] makes one for a given lock, which several conditions may
// share. A Condition must not be copied after first use.
//
// A notification says that it is worth looking again, no more: between it and the
// end of Wait other strands may have held the lock. So Wait belongs in a loop, or,
// better, is left to [Condition.WaitFor].
type Condition struct {
	locker Locker // nil: own
	own    Mutex

	mu      sync.Mutex
	waiters waitq.List[*conditionWaiter]
}

// NewCondition returns a condition for what l protects. It panics if l is nil.
func NewCondition(l Locker) *Condition {
	if l == nil {
		panic("strand: NewCondition(nil): give it a *Mutex or an *RLock, or use a zero Condition")
	}
	return &Condition{locker: l}
}

func (c *Condition) lock() Locker {
	if c.locker != nil {
		return c.locker
	}
	return &c.own
}

// Lock locks the condition's lock; see [Mutex.Lock] and [RLock.Lock].
func (c *Condition) Lock(ctx context.Context) error {
	err := c.lock().Lock(ctx)
	c.despair(err)
	return err
}

// despair wakes all who wait if err says that the lock is broken: nobody will
// hold it again to notify them.
func (c *Condition) despair(err error) {
	if _, ok := err.(*BrokenError); ok {
		c.wake(-1)
	}
}

// Unlock unlocks the condition's lock; see [Mutex.Unlock] and [RLock.Unlock].
func (c *Condition) Unlock(ctx context.Context) { c.lock().unlock(ctx) }

// Wait unlocks the lock, waits to be notified, and locks the lock again. An
// [RLock] is unlocked however often it is locked, and gets its depth back.
//
// It returns Err(ctx) if ctx is done, but not before it has locked the lock again,
// which it waits for regardless: the caller holds the lock either way. A Wait that
// returns an error has used up no notification: one that came at the same time is
// passed on to the strand that waits next.
//
// There is one error with which the caller does not hold the lock: a
// [*BrokenError], when the lock is broken. Waiting strands learn of it when they
// are notified, or when another strand is told of it by Lock or Wait of this
// Condition.
//
// It panics if the calling strand does not hold the lock, as far as that is known:
// if the lock is free, or its owner and the caller are two strands with identities.
func (c *Condition) Wait(ctx context.Context) error {
	l := c.lock()
	held, err := l.held(ctx)
	if err != nil {
		c.despair(err)
		return err
	}
	if !held {
		panic("strand: Wait on a Condition by a strand that does not hold its lock")
	}
	w := &conditionWaiter{c: c}
	err = Park(ctx, Op{Object: c, Kind: OpWait, Access: Write}, w)
	if w.depth == 0 {
		return err // ctx was done from the start; we have never let go of the lock
	}
	if err := l.resume(context.WithoutCancel(ctx), w.depth); err != nil {
		c.despair(err)
		return err
	}
	if err == nil && ctx.Err() != nil {
		if w.single {
			c.wake(1)
		}
		err = Err(ctx)
	}
	return err
}

// WaitFor waits until ready returns true: it calls Wait until then, and ready
// before it and after each. The lock is held whenever ready is called. It returns
// at once if ready returns true, even if ctx is done. Its errors and panics are
// those of Wait; it returns Err(ctx) only if ready still returns false then.
func (c *Condition) WaitFor(ctx context.Context, ready func() bool) error {
	held, err := c.lock().held(ctx)
	if err == nil && !held {
		panic("strand: WaitFor on a Condition by a strand that does not hold its lock")
	}
	for err == nil {
		if ready() {
			return nil
		}
		err = c.Wait(ctx)
	}
	if _, ok := err.(*BrokenError); ok {
		c.despair(err)
		return err
	}
	if ready() {
		return nil
	}
	return err
}

// Notify wakes up to n strands, those that have waited longest. They go on one by
// one, as they get the lock, for which they queue in no particular order. It never
// waits. It panics if n is negative, or if
// nobody holds the lock: without it, the notification may come before the Wait of
// a strand that has just looked.
func (c *Condition) Notify(n int) {
	if n < 0 {
		panic(fmt.Sprintf("strand: cannot notify %d strands", n))
	}
	if !c.lock().locked() {
		panic("strand: Notify on a Condition whose lock is not held")
	}
	c.wake(n)
}

// NotifyAll wakes every strand that waits. It never waits. It panics if nobody
// holds the lock.
func (c *Condition) NotifyAll() {
	if !c.lock().locked() {
		panic("strand: NotifyAll on a Condition whose lock is not held")
	}
	c.wake(-1)
}

// wake wakes n strands, or all if n is negative.
func (c *Condition) wake(n int) {
	var few [fewWakes]func()
	wakes := few[:0]
	c.mu.Lock()
	for ; n != 0; n-- {
		next := c.waiters.Pop()
		if next == nil {
			break
		}
		next.Value.single = n > 0
		wakes = append(wakes, next.Value.wake)
	}
	c.mu.Unlock()
	wakeAll(wakes)
}

// ConditionStatistics is a snapshot of a [Condition].
type ConditionStatistics struct {
	Waiting int // strands that wait to be notified
}

// Statistics returns a snapshot of c.
func (c *Condition) Statistics() ConditionStatistics {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ConditionStatistics{Waiting: c.waiters.Len()}
}

type conditionWaiter struct {
	c      *Condition
	depth  int  // to which the lock was locked; 0 until it is let go of
	single bool // set before wake: whether the notification was for this one
	wake   func()
	node   waitq.Node[*conditionWaiter]
}

func (w *conditionWaiter) Arm(wake func()) bool {
	w.wake, w.node.Value = wake, w
	w.c.mu.Lock()
	w.c.waiters.Push(&w.node)
	w.c.mu.Unlock()
	// Who holds the lock after us finds us in the list.
	w.depth = w.c.lock().suspend()
	return true
}

func (w *conditionWaiter) Disarm() bool {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	return w.c.waiters.Remove(&w.node)
}
