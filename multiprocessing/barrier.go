package multiprocessing

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/robust"
	"github.com/go-braid/braid/strand"
)

// A Barrier makes a number of strands of several processes wait for one another, round
// after round: nobody leaves Wait before all have come. Make one with [NewBarrier], and
// give it to other processes in the argument or result of a call. It may be used from any
// goroutine or coroutine, and be copied: a copy is the same barrier.
//
// A round fails for all who take part in it if it fails for one: if one of them is
// cancelled or runs into its deadline while it waits, if its process dies while it waits
// or runs the action, if the action fails, or if somebody calls Abort. The barrier is
// broken then, and stays so until Reset. But the barrier cannot know that a strand will
// not come at all, since it is dead or for another reason: give those that wait a
// deadline.
type Barrier struct {
	codec.Carrier
	shared
}

// barrierState is a Barrier in shared memory.
type barrierState struct {
	round  atomic.Uint32 // that is under way
	broken atomic.Uint64 // a breach, or 0

	// By slot: the round to which the process came last, in the upper half; how many of
	// its strands have come to it, in the lowest 24 bits; and how it failed, if it did.
	come [robust.MaxProcesses]atomic.Uint64
}

const (
	countMask   = 1<<24 - 1
	breachShift = 24
	breachMask  = 0xff << breachShift
)

// A breach is why a round failed: one of these, and the process whose doing it is above
// breachPID.
type breach uint64

const (
	aborted breach = 1 + iota
	gaveUp
	actionFailed
	partyDied
	wasReset

	breachPID = 8
)

func (b breach) err() error {
	var why string
	switch b & (1<<breachPID - 1) {
	case aborted:
		why = "it was aborted by process %d"
	case gaveUp:
		why = "a strand of process %d gave up"
	case actionFailed:
		why = "its action failed, in process %d"
	case partyDied:
		why = "process %d died while it took part"
	case wasReset:
		return fmt.Errorf("%w: it was reset", strand.ErrBarrierBroken)
	default:
		return ErrCorrupt
	}
	return fmt.Errorf("%w: "+why, strand.ErrBarrierBroken, b>>breachPID)
}

type barrierObject struct {
	robust.Plain
	*barrierState
	r       *robust.Region
	line    *robust.Line
	parties int
}

var barrierKind = &robust.Kind{
	Name: "barrier", Lines: 1,
	Size: func(p robust.Params) (int64, error) {
		if p.A < 1 || p.A > countMask || p.B != 0 || p.Element != "" {
			return 0, fmt.Errorf("a barrier is for 1 to %d strands, not %d", countMask, p.A)
		}
		return sizeOf[barrierState](), nil
	},
	New: func(r *robust.Region) robust.Object {
		r.Line(0).Various = true
		return &barrierObject{barrierState: robust.At[barrierState](r, 0), r: r, line: r.Line(0), parties: int(r.Params().A)}
	},
}

// NewBarrier returns a barrier for n strands. It returns an error if n is less than 1.
func NewBarrier(n int) (*Barrier, error) {
	if n < 1 {
		return nil, fmt.Errorf("multiprocessing: NewBarrier(%d): there must be at least 1 strand", n)
	}
	s, err := create("NewBarrier", barrierKind, robust.Params{A: uint64(n)}, nil)
	if err != nil {
		return nil, err
	}
	return &Barrier{shared: s}, nil
}

// part returns what the process of a slot has to do with the round that is under way.
func (o *barrierObject) part(slot int) (count int, failed breach) {
	w := o.come[slot].Load()
	if uint32(w>>32) != o.round.Load() {
		return 0, 0
	}
	return int(w & countMask), breach(w & breachMask >> breachShift)
}

// waiting returns how many strands have come to the round that is under way.
func (o *barrierObject) waiting() (n int) {
	for slot := range o.r.Used() {
		count, _ := o.part(slot)
		n += count
	}
	return n
}

// fail ends the round for all who take part in it. It needs the region to be locked.
func (o *barrierObject) fail(b breach) {
	for slot := range o.r.Used() {
		if count, failed := o.part(slot); count > 0 && failed == 0 {
			o.come[slot].Or(uint64(b&0xff) << breachShift)
		}
	}
	if b != wasReset {
		o.broken.Store(uint64(b))
	}
	o.line.RingAll()
}

func by(b breach, pid int) breach { return b | breach(pid)<<breachPID }

func (o *barrierObject) self() int { return o.r.ID(o.r.Slot()).PID() }

// Settle implements [robust.Object].
func (o *barrierObject) Settle(slot int) {
	if count, failed := o.part(slot); count > 0 && failed == 0 && o.broken.Load() == 0 {
		o.fail(by(partyDied, o.r.ID(slot).PID()))
	}
	o.come[slot].Store(0)
}

// Concerns implements [robust.Object].
func (o *barrierObject) Concerns(slot int) bool {
	count, failed := o.part(slot)
	return count > 0 && failed == 0
}

// Repair implements [robust.Object]: it finishes fail.
func (o *barrierObject) Repair() {
	for slot := range o.r.Used() {
		if _, failed := o.part(slot); failed != 0 && o.broken.Load() == 0 {
			o.fail(by(aborted, 0))
		}
	}
}

// A party is a strand at a barrier.
type party struct {
	o     *barrierObject
	come  bool // to a round
	leads bool // has come last
	round uint32
	index int
	err   error
}

// settle reports whether the strand need not wait any longer.
func (p *party) settle() bool {
	o := p.o
	o.r.Lock()
	defer o.r.Unlock()
	if p.come {
		return p.over()
	}
	if b := breach(o.broken.Load()); b != 0 {
		p.err = b.err()
		return true
	}
	n := o.waiting()
	if n >= o.parties {
		return false // they are all there, and one of them runs the action
	}
	slot := o.r.Slot()
	count, _ := o.part(slot)
	p.round, p.index = o.round.Load(), n
	p.come, p.leads = true, n+1 == o.parties
	o.come[slot].Store(uint64(p.round)<<32 | uint64(count+1))
	return p.leads
}

// over reports whether the round is over to which the strand has come. It needs the
// region to be locked.
func (p *party) over() bool {
	w := p.o.come[p.o.r.Slot()].Load()
	if uint32(w>>32) == p.round {
		if failed := breach(w & breachMask >> breachShift); failed != 0 {
			p.err = failed.err()
			if b := breach(p.o.broken.Load()); b&0xff == failed {
				p.err = b.err() // it knows who
			}
			return true
		}
	} else if p.leads {
		p.err = wasReset.err() // nobody else ends its round well
	}
	return p.o.round.Load() != p.round
}

// leave takes a strand back that gives up, and reports whether it could.
func (p *party) leave() bool {
	if !p.come {
		return true
	}
	o := p.o
	o.r.Lock()
	defer o.r.Unlock()
	if p.over() {
		return false
	}
	o.fail(by(gaveUp, o.self()))
	return true
}

// Wait waits until as many strands have called it as the barrier is for, and returns how
// many came before the caller in this round: 0 for the first, n-1 for the last.
//
// If ctx is done before all have come, it breaks the barrier and returns strand.Err(ctx).
// If the barrier is broken, or breaks meanwhile, it returns an error that matches
// [strand.ErrBarrierBroken]. If b is or becomes closed in this process, it returns one
// that matches os.ErrClosed. The index that comes with an error is -1.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) { return b.WaitThen(ctx, nil) }

// WaitThen is Wait, but the strand that comes last calls action, if it is not nil, with
// its own ctx, before any of them goes on. It is that strand's own action: all should
// bring the same. Strands that come for the next round meanwhile wait until it has
// returned. If it returns an error, or panics, the barrier breaks, and the strand that ran
// it gets this error, or the panic.
func (b *Barrier) WaitThen(ctx context.Context, action func(context.Context) error) (index int, err error) {
	if err := b.enter(); err != nil {
		return -1, err
	}
	defer b.exit()
	o := b.object()
	p := &party{o: o}
	armed := false
	err = b.wait(ctx, o.line, strand.Op{Object: b, Kind: strand.OpWait, Access: strand.Write}, &robust.Waiter{
		Try:   func() bool { armed = true; return p.settle() },
		Leave: p.leave,
	})
	switch {
	case err != nil:
		if !armed && ctx.Err() != nil {
			o.miss()
		}
		return -1, err
	case p.err != nil:
		return -1, p.err
	case p.leads:
		return p.trip(ctx, action)
	}
	return p.index, nil
}

// miss is called when a strand cannot wait for the others, since its context is done when
// it comes.
func (o *barrierObject) miss() {
	o.r.Lock()
	defer o.r.Unlock()
	if o.broken.Load() == 0 && o.waiting() < o.parties {
		o.fail(by(gaveUp, o.self()))
	}
}

// trip runs the action for the strand that came last, and ends the round.
func (p *party) trip(ctx context.Context, action func(context.Context) error) (index int, err error) {
	well := false
	defer func() {
		p.o.r.Lock()
		defer p.o.r.Unlock()
		switch {
		case p.over():
			if err == nil {
				index, err = -1, p.err // such as by an Abort during the action
			}
		case well:
			p.o.round.Add(1)
			p.o.line.RingAll()
		default:
			p.o.fail(by(actionFailed, p.o.self()))
		}
	}()
	if action != nil {
		if err := action(ctx); err != nil {
			return -1, err
		}
	}
	well = true
	return p.index, nil
}

func (b *Barrier) object() *barrierObject { return b.h.region.Object().(*barrierObject) }

// Abort breaks the barrier: the strands that wait, and all that come before the next
// Reset, get an error that matches [strand.ErrBarrierBroken]. A round for which all have
// come and the action has returned is over, and not affected. It never waits. It panics if
// b is closed in this process.
func (b *Barrier) Abort() {
	b.mustEnter("Abort")
	defer b.exit()
	o := b.object()
	o.r.Lock()
	defer o.r.Unlock()
	if o.broken.Load() == 0 {
		o.fail(by(aborted, o.self()))
	}
}

// Reset makes the barrier as good as new: it mends a broken one. Strands that wait for the
// others get an error that matches [strand.ErrBarrierBroken], as if by Abort. It never
// waits. It panics if b is closed in this process.
func (b *Barrier) Reset() {
	b.mustEnter("Reset")
	defer b.exit()
	o := b.object()
	o.r.Lock()
	defer o.r.Unlock()
	o.fail(wasReset)
	o.round.Add(1)
	o.broken.Store(0)
}

// Broken reports whether the barrier is broken. It panics if b is closed in this process.
func (b *Barrier) Broken() bool {
	b.mustEnter("Broken")
	defer b.exit()
	return b.object().broken.Load() != 0
}

// Close closes b in this process: strands that wait here get an error that matches
// os.ErrClosed, and break the barrier. A Barrier that is dropped is closed by the
// collector. Calls after the first do nothing; the error is always nil.
func (b *Barrier) Close() error { return b.close() }

// BarrierStatistics is a snapshot of a [Barrier].
type BarrierStatistics struct {
	Parties int    // strands that it takes to go on
	Waiting int    // strands that have come and wait for the others, or for the action
	Rounds  uint32 // rounds that have ended well or by Reset; it wraps around
	Broken  bool   // whether it is broken
}

// Statistics returns a snapshot of b, or the zero value if it is closed.
func (b *Barrier) Statistics() BarrierStatistics {
	if b.enter() != nil {
		return BarrierStatistics{}
	}
	defer b.exit()
	o := b.object()
	o.r.Lock()
	defer o.r.Unlock()
	s := BarrierStatistics{Parties: o.parties, Rounds: o.round.Load(), Broken: o.broken.Load() != 0}
	if !s.Broken {
		s.Waiting = o.waiting()
	}
	return s
}

// MarshalCBOR writes b for its way to another process. It fails elsewhere.
func (b *Barrier) MarshalCBOR() ([]byte, error) { return writeShared(b.shared) }

// UnmarshalCBOR reads what MarshalCBOR has written.
func (b *Barrier) UnmarshalCBOR(data []byte) error {
	return readShared(data, []*robust.Kind{barrierKind}, &b.shared)
}
