package multiprocessing

import (
	"context"
	"sync/atomic"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/robust"
	"github.com/go-braid/braid/strand"
)

// An Event is a flag that strands of several processes can wait for. Make one with
// [NewEvent], and give it to other processes in the argument or result of a call. It may
// be used from any goroutine or coroutine, and be copied: a copy is the same event.
type Event struct {
	codec.Carrier
	shared
}

// eventState is an Event in shared memory: 1 if the flag is set, plus 2 for each time
// that it was set. So a Set that is followed by Clear is seen as well.
type eventState struct{ sets atomic.Uint64 }

type eventObject struct {
	robust.Plain
	*eventState
	line *robust.Line
}

var eventKind = &robust.Kind{
	Name: "event", Lines: 1, Size: fixedSize[eventState],
	New: func(r *robust.Region) robust.Object {
		// Those who came before a Set go on, those who came after its Clear do not.
		r.Line(0).Various = true
		return &eventObject{eventState: robust.At[eventState](r, 0), line: r.Line(0)}
	},
}

// NewEvent returns an event that is not set.
func NewEvent() (*Event, error) {
	s, err := create("NewEvent", eventKind, robust.Params{}, nil)
	if err != nil {
		return nil, err
	}
	return &Event{shared: s}, nil
}

func (e *Event) object() *eventObject { return e.h.region.Object().(*eventObject) }

// Set sets the flag and wakes every strand that waits, even if Clear follows at once. It
// never waits and may be called from any goroutine, any number of times. It panics if e is
// closed in this process.
func (e *Event) Set() {
	e.mustEnter("Set")
	defer e.exit()
	o := e.object()
	for {
		old := o.sets.Load()
		if old&1 != 0 {
			return
		}
		if o.sets.CompareAndSwap(old, old+3) {
			o.line.RingAll()
			return
		}
	}
}

// Clear resets the flag: later calls of Wait wait for the next Set. It panics if e is
// closed in this process.
func (e *Event) Clear() {
	e.mustEnter("Clear")
	defer e.exit()
	e.object().sets.And(^uint64(1))
}

// IsSet reports whether the flag is set. It panics if e is closed in this process.
func (e *Event) IsSet() bool {
	e.mustEnter("IsSet")
	defer e.exit()
	return e.object().sets.Load()&1 != 0
}

// Wait returns when the flag is set, at once if it is. It returns strand.Err(ctx) if ctx
// is done first, and an error that matches os.ErrClosed if e is or becomes closed in this
// process.
func (e *Event) Wait(ctx context.Context) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.exit()
	o := e.object()
	before := o.sets.Load()
	if before&1 != 0 {
		return nil
	}
	return e.wait(ctx, o.line, strand.Op{Object: e, Kind: strand.OpWait, Access: strand.Read}, &robust.Waiter{
		Try: func() bool { return o.sets.Load() > before },
	})
}

// Close closes e in this process: strands that wait here get an error that matches
// os.ErrClosed. Other processes are not affected. An Event that is dropped is closed by
// the collector. Calls after the first do nothing; the error is always nil.
func (e *Event) Close() error { return e.close() }

// EventStatistics is a snapshot of an [Event].
type EventStatistics struct {
	Set     bool   // whether the flag is set
	Sets    uint64 // how often it was set
	Waiting int    // strands that wait for it, in all processes
}

// Statistics returns a snapshot of e, or the zero value if it is closed.
func (e *Event) Statistics() EventStatistics {
	if e.enter() != nil {
		return EventStatistics{}
	}
	defer e.exit()
	o := e.object()
	sets := o.sets.Load()
	return EventStatistics{Set: sets&1 != 0, Sets: sets >> 1, Waiting: o.line.Waiting()}
}

// MarshalCBOR writes e for its way to another process. It fails elsewhere.
func (e *Event) MarshalCBOR() ([]byte, error) { return writeShared(e.shared) }

// UnmarshalCBOR reads what MarshalCBOR has written.
func (e *Event) UnmarshalCBOR(b []byte) error {
	return readShared(b, []*robust.Kind{eventKind}, &e.shared)
}
