package multiprocessing

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/go-braid/braid/internal/codec"
	"github.com/go-braid/braid/internal/robust"
	"github.com/go-braid/braid/strand"
)

// A Mutex is a mutual exclusion lock for strands of several processes. Make one with
// [NewMutex], and give it to other processes in the argument or result of a call. It may
// be used from any goroutine or coroutine, and be copied: a copy is the same mutex.
//
// The process that locks it owns it, whichever strand unlocks it. If that process dies
// before, those who wait for the mutex and all who come later are told so by
// [ErrOwnerDied], within 50 ms or so, and nobody holds it, until somebody takes it by
// [Mutex.Recover] and sees to what it guards. A process that closes a Mutex that it holds,
// or drops it, is like a dead one.
//
// It is not re-entrant, and not fair: strands of one process are served in their order,
// but any strand can take it at the moment when it is free. A free mutex is locked and
// unlocked without a system call. Where processes share nothing, [strand.Mutex] is the
// better choice.
type Mutex struct {
	codec.Carrier
	shared
}

// mutexState is a Mutex in shared memory.
type mutexState struct{ lock atomic.Uint32 }

// mutexObject is what a process keeps for an object of which a mutex is all that can
// belong to a process.
type mutexObject struct {
	robust.Plain
	mutex *robust.Mutex
}

func (o *mutexObject) Busy(slot int) bool { return o.mutex.Busy(slot) }
func (o *mutexObject) Look()              { o.mutex.Look() }

// newMutexObject expects the lock at the beginning of the object's memory.
func newMutexObject(r *robust.Region) robust.Object {
	return &mutexObject{mutex: robust.NewMutex(r, &robust.At[mutexState](r, 0).lock, r.Line(0))}
}

var mutexKind = &robust.Kind{
	Name: "mutex", Lines: 1, New: newMutexObject,
	Size: fixedSize[mutexState],
}

// NewMutex returns a mutex that is free.
func NewMutex() (*Mutex, error) {
	s, err := create("NewMutex", mutexKind, robust.Params{}, nil)
	if err != nil {
		return nil, err
	}
	return &Mutex{shared: s}, nil
}

func (m *Mutex) mutex() *robust.Mutex { return m.h.region.Object().(*mutexObject).mutex }

// Lock locks m, waiting for it if need be. With an error the caller does not hold m: it
// is strand.Err(ctx) if ctx is done before m is free; [ErrOwnerDied] if the process that
// held m died before or while Lock waits; or one that matches os.ErrClosed if m is or
// becomes closed in this process. A free mutex is locked without a look at ctx.
func (m *Mutex) Lock(ctx context.Context) error {
	if err := m.enter(); err != nil {
		return err
	}
	defer m.exit()
	_, err := m.lock(ctx, false)
	return err
}

// lock needs m to be entered.
func (m *Mutex) lock(ctx context.Context, inherit bool) (died bool, err error) {
	out, err := m.mutex().Lock(ctx, strand.Op{Object: m, Kind: strand.OpLock, Access: strand.Write}, m.h, inherit)
	if err == nil && out == robust.Orphaned {
		err = ErrOwnerDied
	}
	return out == robust.Inherited, err
}

// Recover locks m as Lock does, but takes it also from a process that died while it held
// it. Died says that it has: then the caller holds m alone, what m guards may be half
// done, and the caller puts it in order before Unlock, after which m is like any other.
// Exactly one strand is told of each death.
//
//	err := m.Lock(ctx)
//	if errors.Is(err, multiprocessing.ErrOwnerDied) {
//		var died bool
//		if died, err = m.Recover(ctx); died {
//			repair()
//		}
//	}
//	if err != nil {
//		return err
//	}
//	defer m.Unlock()
func (m *Mutex) Recover(ctx context.Context) (died bool, err error) {
	if err := m.enter(); err != nil {
		return false, err
	}
	defer m.exit()
	return m.lock(ctx, true)
}

// TryLock locks m if it is free and reports whether it did. It never waits for m. It
// returns false for a mutex whose owner died. It panics if m is closed in this process.
func (m *Mutex) TryLock() bool {
	m.mustEnter("TryLock")
	defer m.exit()
	return m.mutex().TryLock() == robust.Taken
}

// Unlock unlocks m. It never waits and may be called by any strand of the process that
// holds m. It panics if this process does not hold m, or m is closed in it.
func (m *Mutex) Unlock() {
	m.mustEnter("Unlock")
	defer m.exit()
	if m.mutex().Unlock() {
		return
	}
	if pid, _ := m.mutex().Owner(); pid != 0 {
		panic(fmt.Sprintf("multiprocessing: Unlock of a Mutex that another process holds: %d", pid))
	}
	panic("multiprocessing: Unlock of an unlocked Mutex")
}

// Close closes m in this process: strands that wait for it here get an error that matches
// os.ErrClosed, and so do all that come later. Other processes, and copies that came by
// other ways, are not affected. A Mutex that is dropped is closed by the collector. Calls
// after the first do nothing; the error is always nil.
func (m *Mutex) Close() error { return m.close() }

// MutexStatistics is a snapshot of a [Mutex], for reports and tests; it is out of date
// when it is read.
type MutexStatistics struct {
	Owner     int  // process that holds the mutex; 0 if it is free
	OwnerDied bool // whether that is known to be dead
	Waiting   int  // strands that wait for it, in all processes
}

// Statistics returns a snapshot of m, or the zero value if it is closed.
func (m *Mutex) Statistics() MutexStatistics {
	if m.enter() != nil {
		return MutexStatistics{}
	}
	defer m.exit()
	return mutexStatistics(m.mutex(), m.h.region.Line(0))
}

func mutexStatistics(m *robust.Mutex, line *robust.Line) (s MutexStatistics) {
	s.Owner, s.OwnerDied = m.Owner()
	s.Waiting = line.Waiting()
	return s
}

// MarshalCBOR writes m for its way to another process. It fails elsewhere.
func (m *Mutex) MarshalCBOR() ([]byte, error) { return writeShared(m.shared) }

// UnmarshalCBOR reads what MarshalCBOR has written.
func (m *Mutex) UnmarshalCBOR(b []byte) error {
	return readShared(b, []*robust.Kind{mutexKind}, &m.shared)
}
