package strand

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/go-braid/braid/internal/waitq"
)

// ErrBarrierBroken is what the errors of a broken [Barrier] match under errors.Is.
// Their text says what broke it.
var ErrBarrierBroken = errors.New("strand: the barrier is broken")

// A Barrier makes a number of strands wait for one another, round after round:
// nobody leaves Wait before all have come. Make one with [NewBarrier].
//
// A round fails for all who take part in it if it fails for one: if one of them is
// cancelled or runs into its deadline while it waits, if the action fails, or if
// somebody calls Abort. The barrier is broken then, and stays so until Reset. So
// is a strand that does not come at all: give those that wait a deadline.
type Barrier struct {
	parties int
	action  func(ctx context.Context) error

	mu      sync.Mutex
	waiting waitq.List[*barrierWaiter] // the round's strands but the last
	late    waitq.List[*barrierWaiter] // come for the next round, while there is a leader
	leader  *barrierWaiter             // the round's last strand, while it runs the action
	trips   uint64                     // rounds that ended well
	broken  error                      // nil, or an error that matches ErrBarrierBroken
}

// NewBarrier returns a barrier for n strands. In each round the strand that comes
// last calls action, if it is not nil, before any of them goes on. It panics if n
// is less than 1.
func NewBarrier(n int, action func(ctx context.Context) error) *Barrier {
	if n < 1 {
		panic(fmt.Sprintf("strand: NewBarrier(%d): there must be at least 1 strand", n))
	}
	return &Barrier{parties: n, action: action}
}

// Wait waits until as many strands have called it as the barrier is for, and
// returns how many came before the caller in this round: 0 for the first, n-1 for
// the last. The last one does not wait, but runs the action, with its own ctx;
// strands that come for the next round meanwhile wait until it has returned.
//
// If ctx is done while Wait waits, it breaks the barrier and returns Err(ctx). If
// the barrier is broken, or breaks meanwhile, it returns an error that matches
// [ErrBarrierBroken]. If the action returns an error, or panics, the barrier
// breaks, and the strand that ran it gets this error, or the panic. The index that
// comes with an error is -1.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) {
	if b.action == nil {
		if index, err := b.pass(); index >= 0 || err != nil {
			return index, err
		}
	}
	w := barrierWaiters.Get().(*barrierWaiter)
	defer func() {
		*w = barrierWaiter{}
		barrierWaiters.Put(w)
	}()
	for {
		*w = barrierWaiter{b: b, ctx: ctx}
		if b.action == nil || !w.come() {
			if err := Park(ctx, Op{Object: b, Kind: OpWait, Access: Write}, w); err != nil {
				if !w.armed {
					b.miss(w)
				}
				return -1, err
			}
		}
		switch {
		case w.late:
			continue
		case w.leads:
			return b.trip(w)
		case w.err != nil:
			return -1, w.err
		}
		return w.index, nil
	}
}

// pass is Wait for a strand that need not wait, if there is no action: it ends the round if
// the strand is the last one. It returns -1 and no error if the strand has to wait.
func (b *Barrier) pass() (index int, err error) {
	b.mu.Lock()
	if b.broken != nil || b.leader != nil || b.waiting.Len() < b.parties-1 {
		err := b.broken
		b.mu.Unlock()
		return -1, err
	}
	var few [fewWakes]func()
	wakes := popAll(&b.waiting, nil, few[:0])
	b.trips++
	b.mu.Unlock()
	wakeAll(wakes)
	return b.parties - 1, nil
}

// errNoReturn says that the action panicked, say.
var errNoReturn = errors.New("its action did not return")

// trip runs the action for the leader of a round, and ends the round.
func (b *Barrier) trip(leader *barrierWaiter) (index int, err error) {
	failure := errNoReturn
	defer func() {
		if broken := b.end(leader, failure); err == nil && broken != nil {
			index, err = -1, broken
		}
	}()
	if b.action != nil {
		if err := b.action(leader.ctx); err != nil {
			failure = fmt.Errorf("its action failed: %w", err)
			return -1, err
		}
	}
	failure = nil
	return leader.index, nil
}

// end ends the round of leader after the action. It returns an error if the round
// has not ended well, such as by an Abort during the action.
func (b *Barrier) end(leader *barrierWaiter, failure error) error {
	b.mu.Lock()
	b.leader = nil
	var few [fewWakes]func()
	wakes := popAll(&b.late, nil, few[:0])
	if leader.err == nil {
		if failure != nil {
			wakes = b.smash(failure, wakes)
			leader.err = b.broken
		} else {
			wakes = popAll(&b.waiting, nil, wakes)
			b.trips++
		}
	}
	err := leader.err
	b.mu.Unlock()
	wakeAll(wakes)
	return err
}

// miss is called when a strand cannot wait for the others, since its context is
// done when it comes.
func (b *Barrier) miss(w *barrierWaiter) {
	b.mu.Lock()
	var wakes []func()
	if b.broken == nil && b.leader == nil {
		wakes = b.smash(gaveUp(w.ctx), nil)
	}
	b.mu.Unlock()
	wakeAll(wakes)
}

func gaveUp(ctx context.Context) error { return fmt.Errorf("a strand gave up: %w", Err(ctx)) }

// smash breaks b and adds the wake-ups of those concerned to wakes. It needs b.mu.
func (b *Barrier) smash(cause error, wakes []func()) []func() {
	b.broken = fmt.Errorf("%w: %v", ErrBarrierBroken, cause)
	return popAll(&b.late, nil, b.fail(b.broken, wakes))
}

// fail ends the round that is under way, with err, for all who take part in it. It
// adds the wake-ups of those concerned to wakes. It needs b.mu.
func (b *Barrier) fail(err error, wakes []func()) []func() {
	if b.leader != nil && b.leader.err == nil {
		b.leader.err = err
	}
	return popAll(&b.waiting, err, wakes)
}

// Abort breaks the barrier: the strands that wait, and all that come before the
// next Reset, get an error that matches [ErrBarrierBroken]. A round for which all
// have come and the action has returned is over, and not affected. It never waits.
func (b *Barrier) Abort() {
	b.mu.Lock()
	var wakes []func()
	if b.broken == nil {
		wakes = b.smash(errors.New("it was aborted"), nil)
	}
	b.mu.Unlock()
	wakeAll(wakes)
}

// Reset makes the barrier as good as new: it mends a broken one. Strands that wait
// for the others get an error that matches [ErrBarrierBroken], as if by Abort. It
// never waits.
func (b *Barrier) Reset() {
	b.mu.Lock()
	b.broken = nil
	wakes := b.fail(fmt.Errorf("%w: it was reset", ErrBarrierBroken), nil)
	b.mu.Unlock()
	wakeAll(wakes)
}

// Broken reports whether the barrier is broken.
func (b *Barrier) Broken() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken != nil
}

// BarrierStatistics is a snapshot of a [Barrier].
type BarrierStatistics struct {
	Parties int    // strands that it takes to go on
	Waiting int    // strands that have come and wait for the others, or for the action
	Late    int    // strands that wait for the next round to begin
	Rounds  uint64 // rounds that have ended well
	Broken  bool   // whether it is broken
}

// Statistics returns a snapshot of b.
func (b *Barrier) Statistics() BarrierStatistics {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BarrierStatistics{
		Parties: b.parties, Waiting: b.waiting.Len(), Late: b.late.Len(),
		Rounds: b.trips, Broken: b.broken != nil,
	}
}

type barrierWaiter struct {
	b     *Barrier
	ctx   context.Context // of the strand
	armed bool
	late  bool  // has to come again when woken
	leads bool  // is the last of its round
	index int   // in the round
	err   error // set before wake; that of the leader, under b.mu until its round ends
	wake  func()
	node  waitq.Node[*barrierWaiter]
}

// barrierWaiters are waiters that are not in use.
var barrierWaiters = sync.Pool{New: func() any { return new(barrierWaiter) }}

// come is Arm for a strand that would rather not wait.
func (w *barrierWaiter) come() bool {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	return w.settle()
}

// settle reports whether w need not wait, and notes why. It needs b.mu.
func (w *barrierWaiter) settle() bool {
	b := w.b
	switch {
	case b.broken != nil:
		w.late, w.err = false, b.broken
	case b.leader != nil:
		w.late = true
		return false
	case b.waiting.Len() == b.parties-1:
		b.leader = w
		w.late, w.leads, w.index = false, true, b.parties-1
	default:
		w.late, w.index = false, b.waiting.Len()
		return false
	}
	return true
}

func (w *barrierWaiter) Arm(wake func()) bool {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	if w.settle() {
		return false
	}
	w.armed, w.wake, w.node.Value = true, wake, w
	if w.late {
		w.b.late.Push(&w.node)
	} else {
		w.b.waiting.Push(&w.node)
	}
	return true
}

func (w *barrierWaiter) Disarm() bool {
	b := w.b
	b.mu.Lock()
	late := b.late.Remove(&w.node)
	removed := b.waiting.Remove(&w.node)
	var wakes []func()
	if removed {
		wakes = b.smash(gaveUp(w.ctx), nil)
	}
	b.mu.Unlock()
	wakeAll(wakes)
	return late || removed
}

// popAll empties a list of waiters who are to be woken, and sets their errors. It adds
// their wake-ups to wakes.
func popAll(l *waitq.List[*barrierWaiter], err error, wakes []func()) []func() {
	for n := l.Pop(); n != nil; n = l.Pop() {
		n.Value.err = err
		wakes = append(wakes, n.Value.wake)
	}
	return wakes
}
