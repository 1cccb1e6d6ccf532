package multiprocessing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/robust"
	"github.com/go-braid/braid/strand"
)

// A Condition lets strands that hold a [Mutex] wait until another strand, in any process,
// says that something has changed in what the mutex protects. Make one with
// [NewCondition], and give it to other processes in the argument or result of a call; its
// mutex goes with it. It may be used from any goroutine or coroutine, and be copied: a
// copy is the same condition.
//
// A notification says that it is worth looking again, no more, and may now and then come
// without a reason. So Wait belongs in a loop, or, better, is left to
// [Condition.WaitFor].
//
// A strand that is cancelled has used up no notification. One whose process died may have,
// but if it did not get as far as to be woken, the notification is passed on to another
// within 50 ms or so. When a process dies that holds the mutex, those who wait get
// [ErrOwnerDied]. But nothing wakes them if who should have notified them dies without the
// mutex: give them a deadline.
type Condition struct {
	codec.Carrier
	shared
	lock *Mutex
}

// conditionState is a Condition in shared memory. For each process it has the number of
// strands that wait, in the upper half of a word, and in the lower half how many of them
// are notified but not woken yet.
type conditionState struct {
	waiting [robust.MaxProcesses]atomic.Uint64
}

const (
	oneWaiting  = 1 << 32
	oneNotified = 1
)

func split(w uint64) (waiting, notified uint32) { return uint32(w >> 32), uint32(w) }

type conditionObject struct {
	robust.Plain
	*conditionState
	r    *robust.Region
	line *robust.Line
}

var conditionKind = &robust.Kind{
	Name: "condition", Lines: 1, Size: fixedSize[conditionState],
	New: func(r *robust.Region) robust.Object {
		return &conditionObject{conditionState: robust.At[conditionState](r, 0), r: r, line: r.Line(0)}
	},
}

// Settle implements [robust.Object]. If it is not finished, somebody is notified twice.
func (o *conditionObject) Settle(slot int) {
	if _, n := split(o.waiting[slot].Load()); n > 0 {
		o.notify(int(n), slot)
	}
	o.waiting[slot].Store(0)
}

// Concerns implements [robust.Object].
func (o *conditionObject) Concerns(slot int) bool {
	_, n := split(o.waiting[slot].Load())
	return n > 0
}

// change changes a word of o, as long as f returns true.
func (o *conditionObject) change(slot int, f func(waiting, notified uint32) (next uint64, ok bool)) bool {
	for {
		w := o.waiting[slot].Load()
		next, ok := f(split(w))
		if !ok {
			return false
		}
		if o.waiting[slot].CompareAndSwap(w, next) {
			return true
		}
	}
}

// notify notifies n strands, or all if n is negative, but none of the process of a slot.
func (o *conditionObject) notify(n int, but int) {
	var given [robust.MaxProcesses]uint32
	for ; n != 0; n-- {
		// Whose strands came first; each notification counts for its next one, which is
		// taken to be as late as the first of the others.
		best, lowest, fewest := -1, uint64(0), uint32(0)
		for slot := range o.r.Used() {
			if waiting, notified := split(o.waiting[slot].Load()); slot == but || notified >= waiting {
				continue
			}
			ticket, _ := o.line.Ticket(slot)
			if best < 0 || given[slot] < fewest || given[slot] == fewest && ticket < lowest {
				best, lowest, fewest = slot, ticket, given[slot]
			}
		}
		if best < 0 {
			return
		}
		if o.change(best, func(waiting, notified uint32) (uint64, bool) {
			return uint64(waiting)*oneWaiting + uint64(notified+1)*oneNotified, notified < waiting
		}) {
			given[best]++
			o.line.RingAt(best)
		} else {
			n++ // it has been taken from the list meanwhile
		}
	}
}

// claim has a strand of this process go on if one of them is notified.
func (o *conditionObject) claim() bool {
	return o.change(o.r.Slot(), func(waiting, notified uint32) (uint64, bool) {
		return uint64(waiting-1)*oneWaiting + uint64(notified-1)*oneNotified, notified > 0 && waiting > 0
	})
}

// quit has a strand of this process cease to wait. If all others are notified, one of the
// notifications was for this one, and another strand gets it. It returns true.
func (o *conditionObject) quit() bool {
	passOn := false
	o.change(o.r.Slot(), func(waiting, notified uint32) (uint64, bool) {
		passOn = notified == waiting
		if passOn {
			notified--
		}
		return uint64(waiting-1)*oneWaiting + uint64(notified)*oneNotified, waiting > 0
	})
	if passOn {
		o.notify(1, -1)
	}
	return true
}

// NewCondition returns a condition for what m protects, or with a mutex of its own if m is
// nil. Several conditions may share a mutex.
func NewCondition(m *Mutex) (*Condition, error) {
	own, err := shareMutex(m)
	if err != nil {
		return nil, err
	}
	s, err := create("NewCondition", conditionKind, robust.Params{}, nil)
	if err != nil {
		_ = own.Close()
		return nil, err
	}
	return &Condition{shared: s, lock: own}, nil
}

// shareMutex returns a mutex that is m, but can be closed by itself.
func shareMutex(m *Mutex) (*Mutex, error) {
	if m == nil {
		return NewMutex()
	}
	if err := m.enter(); err != nil {
		return nil, fmt.Errorf("multiprocessing: NewCondition: %w", err)
	}
	defer m.exit()
	m.h.region.Retain()
	return &Mutex{shared: shared{newHandle(m.h.region)}}, nil
}

func (c *Condition) object() *conditionObject { return c.h.region.Object().(*conditionObject) }

// Lock locks the condition's mutex; see [Mutex.Lock].
func (c *Condition) Lock(ctx context.Context) error { return c.mutex("Lock").Lock(ctx) }

// Recover locks the condition's mutex also if its owner died; see [Mutex.Recover].
func (c *Condition) Recover(ctx context.Context) (died bool, err error) {
	return c.mutex("Recover").Recover(ctx)
}

// Unlock unlocks the condition's mutex; see [Mutex.Unlock].
func (c *Condition) Unlock() { c.mutex("Unlock").Unlock() }

func (c *Condition) mutex(operation string) *Mutex {
	if c.lock == nil {
		c.mustEnter(operation) // it panics
	}
	return c.lock
}

// begin enters c and its mutex, which the caller must hold.
func (c *Condition) begin(operation string) {
	c.mustEnter(operation)
	if err := c.lock.enter(); err != nil {
		c.exit()
		panic(fmt.Sprintf("%v: %s is not possible", err, operation))
	}
	if !c.lock.mutex().Mine() {
		c.end()
		panic("multiprocessing: " + operation + " on a Condition whose mutex this process does not hold")
	}
}

func (c *Condition) end() {
	c.lock.exit()
	c.exit()
}

// Wait unlocks the mutex, waits to be notified, and locks the mutex again.
//
// It returns strand.Err(ctx) if ctx is done first, but not before it has locked the mutex
// again, which it waits for regardless: the caller holds it either way. With two errors
// the caller does not hold it: [ErrOwnerDied], and one that matches os.ErrClosed, if c is
// closed in this process while it waits.
//
// It panics if the process does not hold the mutex, or if c is closed in it.
func (c *Condition) Wait(ctx context.Context) error {
	c.begin("Wait")
	defer c.end()
	o, mutex := c.object(), c.lock.mutex()
	joined := false
	err := c.wait(ctx, o.line, strand.Op{Object: c, Kind: strand.OpWait, Access: strand.Write}, &robust.Waiter{
		Join: func() {
			o.waiting[o.r.Slot()].Add(oneWaiting)
			joined = true
			// Who holds the mutex after us finds us waiting.
			mutex.Unlock()
		},
		Try:   func() bool { return joined && (o.claim() || mutex.Orphan() && o.quit()) },
		Leave: func() bool { return !joined || o.quit() },
	})
	if errors.Is(err, os.ErrClosed) {
		if !joined {
			mutex.Unlock()
		}
		return err
	}
	if !joined {
		return err // ctx was done from the start; we have never let go of the mutex
	}
	if _, err := c.lock.lock(context.WithoutCancel(ctx), false); err != nil {
		return err
	}
	return err
}

// WaitFor waits until ready returns true: it calls Wait until then, and ready before it
// and after each. The mutex is held whenever ready is called. It returns at once if ready
// returns true, even if ctx is done. Its errors and panics are those of Wait; it returns
// strand.Err(ctx) only if ready still returns false then.
func (c *Condition) WaitFor(ctx context.Context, ready func() bool) error {
	c.begin("WaitFor")
	c.end()
	for {
		if ready() {
			return nil
		}
		err := c.Wait(ctx)
		switch {
		case err == nil:
		case errors.Is(err, ErrOwnerDied) || errors.Is(err, os.ErrClosed):
			return err
		case ready():
			return nil
		default:
			return err
		}
	}
}

// Notify wakes up to n strands, those that have waited longest, as far as that can be
// told between processes. They go on one by one, as they get the mutex. It never waits.
// It panics if n is negative, if the process does not hold the mutex, since without it the
// notification may come before the Wait of a strand that has just looked, or if c is
// closed in this process.
func (c *Condition) Notify(n int) {
	if n < 0 {
		panic(fmt.Sprintf("multiprocessing: cannot notify %d strands", n))
	}
	c.begin("Notify")
	defer c.end()
	c.object().notify(n, -1)
}

// NotifyAll wakes every strand that waits. It never waits. It panics if the process does
// not hold the mutex, or if c is closed in it.
func (c *Condition) NotifyAll() {
	c.begin("NotifyAll")
	defer c.end()
	o := c.object()
	for slot := range o.r.Used() {
		if o.change(slot, func(waiting, notified uint32) (uint64, bool) {
			return uint64(waiting)*oneWaiting + uint64(waiting)*oneNotified, notified < waiting
		}) {
			o.line.RingAt(slot)
		}
	}
}

// Close closes c in this process: strands that wait here get an error that matches
// os.ErrClosed. The mutex that NewCondition was given stays open. Other processes are not
// affected. A Condition that is dropped is closed by the collector. Calls after the first
// do nothing; the error is always nil.
func (c *Condition) Close() error {
	_ = c.close()
	if c.lock != nil {
		_ = c.lock.Close()
	}
	return nil
}

// ConditionStatistics is a snapshot of a [Condition].
type ConditionStatistics struct {
	Waiting int // strands that wait to be notified, in all processes
}

// Statistics returns a snapshot of c, or the zero value if it is closed.
func (c *Condition) Statistics() (s ConditionStatistics) {
	if c.enter() != nil {
		return s
	}
	defer c.exit()
	o := c.object()
	for slot := range o.r.Used() {
		waiting, notified := split(o.waiting[slot].Load())
		s.Waiting += int(waiting) - int(notified)
	}
	return s
}

// MarshalCBOR writes c for its way to another process. It fails elsewhere.
func (c *Condition) MarshalCBOR() ([]byte, error) {
	if c.lock == nil {
		return nil, c.enter()
	}
	return writeShared(c.shared, c.lock.shared)
}

// UnmarshalCBOR reads what MarshalCBOR has written.
func (c *Condition) UnmarshalCBOR(b []byte) error {
	var lock Mutex
	if err := readShared(b, []*robust.Kind{conditionKind, mutexKind}, &c.shared, &lock.shared); err != nil {
		return err
	}
	if c.lock != nil {
		_ = c.lock.Close()
	}
	c.lock = &lock
	return nil
}
