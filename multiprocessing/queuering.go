package multiprocessing

import (
	"sync/atomic"
	"unsafe"

	"github.com/go-braid/braid/internal/robust"
	"github.com/go-braid/braid/internal/shm"
	"github.com/go-braid/braid/strand"
)

// A queue in shared memory is its state, a table of places that has one for each item
// that it can hold, and bytes, in which the items lie one behind the other, around the
// end. All is changed with the region locked, and each change counts with one store:
//
//   - a put writes bytes and place, and counts puts;
//   - a get copies the bytes, announces itself, counts gets, and counts itself as taken.
//     If it dies before the last step, the announcement tells what is missing.

// maxCapacity bounds the table of places.
const maxCapacity = 1 << 20

// keptBytes is how many bytes an empty queue keeps at most.
const keptBytes = 16 << 20

type queueState struct {
	puts, gets atomic.Uint64 // so far; the difference is in the queue
	touched    atomic.Uint64 // of the bytes, from the first on, no more were written to
	shutdown   atomic.Uint32

	// Items lost with their processes, above lostShift; and below, while they are being
	// counted, the slot plus 1 whose are included already.
	lost atomic.Uint64

	// By slot: the items taken but not done, above takenShift; and below, the number of
	// the item that the process is taking, as far as it fits, and 1; or 0.
	taken [robust.MaxProcesses]atomic.Uint64
}

const (
	lostShift   = 16
	takenShift  = 24
	takingShift = 1
	takingMask  = 1<<takenShift - 1
)

// A slotted is where an item lies. Positions count on and on; the byte is found by the
// remainder.
type slotted struct{ at, size uint64 }

// queueData is the offset of the bytes.
func queueData(capacity uint64) int64 {
	n := sizeOf[queueState]() + int64(capacity)*sizeOf[slotted]()
	return (n + robust.Align - 1) &^ (robust.Align - 1)
}

// A message is an item as it is written, in two parts.
type message struct{ small, bulk []byte }

func (m message) len() int { return len(m.small) + len(m.bulk) }

type queueObject struct {
	*queueState
	r                         *robust.Region
	places                    []slotted
	bytes                     []byte
	capacity, size            uint64 // of these
	getters, putters, joiners *robust.Line
}

func newQueueObject(r *robust.Region) robust.Object {
	p := r.Params()
	o := &queueObject{
		queueState: robust.At[queueState](r, 0), r: r,
		places: unsafe.Slice(robust.At[slotted](r, int(sizeOf[queueState]())), p.A),
		bytes:  r.Bytes()[queueData(p.A):],
		// What is not trusted is read once.
		capacity: p.A, size: p.B,
		getters: r.Line(0), putters: r.Line(1), joiners: r.Line(2),
	}
	o.getters.More = func() bool { return o.gets.Load() < o.puts.Load() }
	o.putters.More = func() bool { return o.puts.Load()-o.gets.Load() < o.capacity }
	return o
}

// step is called between the steps of an operation, by tests.
var step func(name string)

func pause(name string) {
	if step != nil {
		step(name)
	}
}

// Busy implements [robust.Object].
func (o *queueObject) Busy(int) bool { return false }

// Look implements [robust.Object].
func (o *queueObject) Look() {}

// Concerns implements [robust.Object].
func (o *queueObject) Concerns(slot int) bool {
	return o.taken[slot].Load() != 0 && !o.joiners.Empty()
}

// Settle implements [robust.Object]: what the process has taken is lost.
func (o *queueObject) Settle(slot int) {
	if n := o.taken[slot].Load() >> takenShift; n > 0 {
		lost := o.lost.Load()>>lostShift + n
		o.lost.Store(lost<<lostShift | uint64(slot+1))
		o.taken[slot].Store(0)
		o.lost.Store(lost << lostShift)
	}
	o.joiners.RingAll()
}

// Repair implements [robust.Object].
func (o *queueObject) Repair() {
	if lost := o.lost.Load(); lost&(1<<lostShift-1) != 0 {
		if slot := lost&(1<<lostShift-1) - 1; slot < robust.MaxProcesses {
			o.taken[slot].Store(0)
		}
		o.lost.Store(lost >> lostShift << lostShift)
	}
	for slot := range robust.MaxProcesses {
		w := o.taken[slot].Load()
		if taking := w & takingMask; taking != 0 {
			n := w >> takenShift
			// It was the last to change gets, if it came so far.
			if taking == takingOf(o.gets.Load()) {
				n++
			}
			o.taken[slot].Store(n << takenShift)
		}
	}
	o.getters.Ring()
	o.putters.Ring()
	o.joiners.RingAll()
}

// takingOf is how a process says that it takes the item with which there are so many gets.
func takingOf(gets uint64) uint64 { return (gets<<takingShift | 1) & takingMask }

func (o *queueObject) isShutdown() bool { return o.shutdown.Load() != 0 }

// room returns where an item of so many bytes would lie.
func (o *queueObject) room(size uint64) (at uint64, err error) {
	puts, gets := o.puts.Load(), o.gets.Load()
	n := puts - gets
	if n > o.capacity {
		return 0, ErrCorrupt
	}
	if n == o.capacity {
		return 0, strand.ErrFull
	}
	if puts == 0 {
		return 0, nil
	}
	last := o.places[(puts-1)%o.capacity]
	if last.size > o.size || last.at > 1<<62 {
		return 0, ErrCorrupt
	}
	end := (last.at + last.size + 7) &^ 7
	if n == 0 {
		return (end + o.size - 1) / o.size * o.size, nil // from the first byte on
	}
	first := o.places[gets%o.capacity].at
	if first > last.at {
		return 0, ErrCorrupt
	}
	if end+size-first > o.size {
		return 0, strand.ErrFull
	}
	return end, nil
}

// put puts m into the queue if there is room, or returns why not.
func (o *queueObject) put(m message) error {
	o.r.Lock()
	defer o.r.Unlock()
	if o.isShutdown() {
		return strand.ErrShutdown
	}
	size := uint64(m.len())
	at, err := o.room(size)
	if err != nil {
		return err
	}
	pause("put: locked")
	o.touch(at, size)
	o.write(at, m.small)
	pause("put: half written")
	o.write(at+uint64(len(m.small)), m.bulk)
	puts := o.puts.Load()
	o.places[puts%o.capacity] = slotted{at, size}
	pause("put: written")
	o.puts.Store(puts + 1)
	pause("put: counted")
	o.getters.Ring()
	return nil
}

// touch notes which bytes are about to be written to.
func (o *queueObject) touch(at, size uint64) {
	end := at%o.size + size
	if end > o.touched.Load() {
		o.touched.Store(min(end, o.size))
	}
}

func (o *queueObject) write(at uint64, b []byte) {
	n := copy(o.bytes[at%o.size:], b)
	copy(o.bytes, b[n:])
}

// read returns a copy of an item.
func (o *queueObject) read(number uint64) ([]byte, error) {
	p := o.places[number%o.capacity]
	if p.size > o.size {
		return nil, ErrCorrupt
	}
	b := make([]byte, p.size)
	n := copy(b, o.bytes[p.at%o.size:])
	copy(b[n:], o.bytes)
	return b, nil
}

// get takes the item whose turn it is, if there is one.
func (o *queueObject) get() ([]byte, error) {
	o.r.Lock()
	defer o.r.Unlock()
	puts, gets := o.puts.Load(), o.gets.Load()
	switch {
	case puts-gets > o.capacity:
		return nil, ErrCorrupt
	case puts == gets && o.isShutdown():
		return nil, strand.ErrShutdown
	case puts == gets:
		return nil, strand.ErrEmpty
	}
	pause("get: locked")
	b, err := o.read(gets)
	if err != nil {
		return nil, err
	}
	taken := &o.taken[o.r.Slot()]
	n := taken.Load() >> takenShift
	taken.Store(n<<takenShift | takingOf(gets+1))
	pause("get: announced")
	o.gets.Store(gets + 1)
	pause("get: counted")
	taken.Store((n + 1) << takenShift)
	pause("get: taken")
	o.emptied()
	o.putters.Ring()
	return b, nil
}

// emptied gives memory back if the queue is empty and has had much.
func (o *queueObject) emptied() {
	if n := o.touched.Load(); n > keptBytes && n <= o.size && o.puts.Load() == o.gets.Load() {
		if shm.Discard(o.bytes[:(n+robust.Align-1)&^(robust.Align-1)]) == nil {
			o.touched.Store(0)
		}
	}
}

// taskDone reports whether there was an item that was taken and not done.
func (o *queueObject) taskDone() bool {
	o.r.Lock()
	defer o.r.Unlock()
	done := func(slot int) bool {
		n := o.taken[slot].Load() >> takenShift
		if n > 0 {
			o.taken[slot].Store((n - 1) << takenShift)
		}
		return n > 0
	}
	ok := done(o.r.Slot())
	for slot := 0; slot < o.r.Used() && !ok; slot++ {
		ok = done(slot)
	}
	if ok && o.unfinished() == 0 {
		o.joiners.RingAll()
	}
	return ok
}

// unfinished needs the region to be locked.
func (o *queueObject) unfinished() uint64 {
	n := o.puts.Load() - o.gets.Load()
	for slot := range o.r.Used() {
		n += o.taken[slot].Load() >> takenShift
	}
	return n
}

func (o *queueObject) joined() bool {
	o.r.Lock()
	defer o.r.Unlock()
	return o.unfinished() == 0
}

func (o *queueObject) lostItems() uint64 { return o.lost.Load() >> lostShift }

// stop shuts the queue down, and returns what is in it if it is to be emptied.
func (o *queueObject) stop(empty bool) (items [][]byte, err error) {
	o.r.Lock()
	defer o.r.Unlock()
	o.shutdown.Store(1)
	if empty {
		puts, gets := o.puts.Load(), o.gets.Load()
		if puts-gets > o.capacity {
			return nil, ErrCorrupt
		}
		for i := gets; i != puts; i++ {
			b, err := o.read(i)
			if err != nil {
				return nil, err
			}
			items = append(items, b)
		}
		o.gets.Store(puts)
		o.emptied()
	}
	o.getters.RingAll()
	o.putters.RingAll()
	o.joiners.RingAll()
	return items, nil
}

func (o *queueObject) statistics() QueueStatistics {
	o.r.Lock()
	defer o.r.Unlock()
	s := QueueStatistics{
		Cap: int(o.capacity), MaxBytes: int(o.size),
		Getters: o.getters.Waiting(), Putters: o.putters.Waiting(), Joiners: o.joiners.Waiting(),
		Puts: o.puts.Load(), Unfinished: o.unfinished(), Lost: o.lostItems(), Shutdown: o.isShutdown(),
	}
	gets := o.gets.Load()
	if n := s.Puts - gets; n > 0 && n <= o.capacity {
		last := o.places[(s.Puts-1)%o.capacity]
		s.Len = int(n)
		s.Bytes = int(last.at + last.size - o.places[gets%o.capacity].at)
	}
	return s
}
