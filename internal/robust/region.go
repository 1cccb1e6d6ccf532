package robust

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/go-braid/braid/internal/shm"
)

// Slice is how long a death can go unnoticed by those who wait: they look that often.
const Slice = 50 * time.Millisecond

// ErrTooManyProcesses says that the table of an object's processes is full.
var ErrTooManyProcesses = fmt.Errorf("%d processes have it open, and that is the most", MaxProcesses)

// A Kind is a kind of object that lives in shared memory.
type Kind struct {
	Name  string // such as "mutex"
	Alone bool   // needs no slots: no process has anything of its own in it
	Lines int    // in which strands wait for it

	// Size is the size of the object's own memory, in bytes, by its parameters. It
	// returns an error if they make no sense.
	Size func(p Params) (int64, error)

	// New makes what a process keeps for the object, in its own memory.
	New func(r *Region) Object
}

// Params are the parameters with which an object was made. They do not change.
type Params struct {
	A, B    uint64
	Element string // a type's name, of which the first [MaxName] bytes count
}

// MaxName is how many bytes of Params.Element count.
const MaxName = 192

// An Object is what a process keeps for an object, and what knows its memory. All but
// Look are called with the region locked.
type Object interface {
	// Busy reports whether a lock of the object names the slot, which then is not freed.
	Busy(slot int) bool

	// Settle gives back what belongs to the slot, whose process is dead or leaves. It may
	// be called again for the same slot, if it did not come to its end.
	Settle(slot int)

	// Repair finishes or undoes what one who died with the region locked has begun.
	Repair()

	// Concerns reports whether it matters to those who wait if the process is dead.
	Concerns(slot int) bool

	// Look looks for the dead in other places than the table, every Slice.
	Look()
}

// Plain is an [Object] of which nothing belongs to a process.
type Plain struct{}

// Busy implements [Object].
func (Plain) Busy(int) bool { return false }

// Settle implements [Object].
func (Plain) Settle(int) {}

// Repair implements [Object].
func (Plain) Repair() {}

// Concerns implements [Object].
func (Plain) Concerns(int) bool { return false }

// Look implements [Object].
func (Plain) Look() {}

// magic is at the beginning of the memory of all objects, with the version.
const magic = 0x627264_0000000001

// head is the beginning of an object's memory. The lines follow it, and then the memory
// of the object itself.
type head struct {
	magic   uint64
	kind    [16]byte
	a, b    uint64
	element [MaxName]byte
	lock    atomic.Uint32
	used    atomic.Uint32 // no slot from here on was ever used
	ids     [MaxProcesses]atomic.Uint64
}

// Align is the alignment of an object's memory. It is that of pages, so that memory that
// is handed out whole begins with one.
const Align = 4096

func align(n uintptr) uintptr { return (n + Align - 1) &^ (Align - 1) }

// offset is where the memory of an object of the kind begins.
func (k *Kind) offset() uintptr {
	return align(unsafe.Sizeof(head{}) + uintptr(k.Lines)*unsafe.Sizeof(lineState{}))
}

func (k *Kind) total(p Params) (int64, error) {
	n, err := k.Size(p)
	if err != nil {
		return 0, err
	}
	return int64(k.offset()) + n, nil
}

// A Region is the memory of one object in this process.
type Region struct {
	kind    *Kind
	file    *os.File
	key     fileKey
	mapping *shm.Mapping
	head    *head
	params  Params
	lines   []*Line
	object  Object
	slot    int
	me      word // slot + 1

	refs int // under registry

	mu     sync.Mutex // among the goroutines of this process, before head.lock
	looked atomic.Int64
	turn   int // of the slot that Look looks at next; under lookMu
	lookMu sync.Mutex

	order atomic.Uint32 // see Order
}

type fileKey struct{ device, inode uint64 }

// registry knows the regions of this process, so that an object that comes to it several
// times is there once.
var registry struct {
	sync.Mutex
	regions map[fileKey]*Region
}

// Create makes an object, whose memory is all zero but for what init writes. The region
// is the caller's until [Region.Release].
func Create(k *Kind, p Params, init func(r *Region)) (*Region, error) {
	if len(p.Element) > MaxName {
		p.Element = p.Element[:MaxName]
	}
	size, err := k.total(p)
	if err != nil {
		return nil, err
	}
	f, err := shm.Create("braid-shared-"+k.Name, size)
	if err != nil {
		return nil, err
	}
	r, err := open(k, f, func(h *head) {
		h.magic, h.a, h.b = magic, p.A, p.B
		copy(h.kind[:], k.Name)
		copy(h.element[:], p.Element)
	})
	if err != nil {
		return nil, err
	}
	if init != nil {
		init(r)
	}
	return r, nil
}

// Open opens an object that was made elsewhere. It takes f in any case. What is in the
// memory is not trusted, here or later.
func Open(k *Kind, f *os.File) (*Region, error) { return open(k, f, nil) }

func open(k *Kind, f *os.File, fill func(*head)) (*Region, error) {
	registry.Lock()
	defer registry.Unlock()
	r, err := openLocked(k, f, fill)
	if r == nil || r.file != f {
		_ = f.Close()
	}
	return r, err
}

func openLocked(k *Kind, f *os.File, fill func(*head)) (*Region, error) {
	device, inode, err := shm.Identify(f)
	if err != nil {
		return nil, err
	}
	key := fileKey{device, inode}
	if r := registry.regions[key]; r != nil {
		if r.kind != k {
			return nil, fmt.Errorf("it is a %s, not a %s", r.kind.Name, k.Name)
		}
		r.refs++
		return r, nil
	}
	r := &Region{kind: k, file: f, key: key, refs: 1}
	size, err := shm.Check(f)
	if err != nil {
		return nil, err
	}
	if size < int64(k.offset()) {
		return nil, fmt.Errorf("it has %d bytes, which is too little for a %s", size, k.Name)
	}
	if r.mapping, err = shm.Map(f); err != nil {
		return nil, err
	}
	r.head = (*head)(unsafe.Pointer(unsafe.SliceData(r.mapping.Bytes())))
	if fill != nil {
		fill(r.head)
	}
	if err = r.check(size); err == nil && !k.Alone {
		err = r.join()
	}
	if err != nil {
		_ = r.mapping.Close()
		return nil, err
	}
	if registry.regions == nil {
		registry.regions = map[fileKey]*Region{}
	}
	registry.regions[key] = r
	return r, nil
}

// check looks whether the memory is what it should be, and makes what belongs to it.
func (r *Region) check(size int64) error {
	h, k := r.head, r.kind
	if h.magic != magic {
		return errors.New("it is none of braid's objects, or of another version")
	}
	if kind := cString(h.kind[:]); kind != k.Name {
		return fmt.Errorf("it is a %.16q, not a %s", kind, k.Name)
	}
	r.params = Params{A: h.a, B: h.b, Element: cString(h.element[:])}
	want, err := k.total(r.params)
	if err != nil {
		return err
	}
	if size != want {
		return fmt.Errorf("it has %d bytes, where a %s like it has %d", size, k.Name, want)
	}
	r.lines = make([]*Line, k.Lines)
	for i := range r.lines {
		at := unsafe.Add(unsafe.Pointer(h), unsafe.Sizeof(head{})+uintptr(i)*unsafe.Sizeof(lineState{}))
		r.lines[i] = &Line{r: r, s: (*lineState)(at)}
	}
	r.object = k.New(r)
	return nil
}

func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// join takes a slot: a free one, or that of a dead process, whose things it settles.
func (r *Region) join() error {
	self, err := Self()
	if err != nil {
		return err
	}
	take := func(slot int, from ID) bool {
		if !r.head.ids[slot].CompareAndSwap(uint64(from), uint64(self)) {
			return false
		}
		r.slot, r.me = slot, word(slot)+1
		for n := r.head.used.Load(); n < r.me && !r.head.used.CompareAndSwap(n, r.me); n = r.head.used.Load() {
		}
		return true
	}
	for slot := range MaxProcesses {
		if take(slot, 0) {
			return nil
		}
	}
	for slot := range MaxProcesses {
		id := ID(r.head.ids[slot].Load())
		// The dead take no more locks: what does not name the slot now will not.
		if id == 0 || id.State() != Dead || r.head.lock.Load()&ownerMask == word(slot)+1 || r.object.Busy(slot) {
			continue
		}
		if take(slot, id) {
			r.Lock()
			r.settle(slot)
			r.Unlock()
			return nil
		}
	}
	return ErrTooManyProcesses
}

// settle gives back what belongs to a slot. The region is locked.
func (r *Region) settle(slot int) {
	r.object.Settle(slot)
	for _, l := range r.lines {
		l.vacate(slot)
	}
}

// Retain keeps the region until another Release.
func (r *Region) Retain() {
	registry.Lock()
	r.refs++
	registry.Unlock()
}

// Release gives the region up. With the last Release, the process leaves the object and
// its memory is taken away: nobody may use it any more.
func (r *Region) Release() {
	registry.Lock()
	r.refs--
	last := r.refs == 0
	if last {
		delete(registry.regions, r.key)
	}
	registry.Unlock()
	if !last {
		return
	}
	if !r.kind.Alone {
		r.leave()
	}
	_ = r.mapping.Close()
	_ = r.file.Close()
}

// leave frees the slot. If a lock still names it, it stays as if its process were dead.
func (r *Region) leave() {
	id := &r.head.ids[r.slot]
	r.Lock()
	r.settle(r.slot)
	busy := r.object.Busy(r.slot)
	r.Unlock()
	// Not before Unlock: as long as a lock names the slot, it says whose it is.
	self := id.Load()
	next := uint64(0)
	if busy {
		next = self | uint64(left)
	}
	id.CompareAndSwap(self, next)
}

// Order tells the race detector, which does not see memory that is not Go's, that what
// this process does with the object has an order. It is called before and after each
// operation.
func (r *Region) Order() {
	if raceEnabled {
		r.order.Add(1)
	}
}

// Object returns what the process keeps for the object.
func (r *Region) Object() Object { return r.object }

// Kind returns what kind of object it is.
func (r *Region) Kind() *Kind { return r.kind }

// Params returns the parameters with which the object was made.
func (r *Region) Params() Params { return r.params }

// Line returns one of the lines.
func (r *Region) Line(i int) *Line { return r.lines[i] }

// File returns the memory file, which stays open until the last Release.
func (r *Region) File() *os.File { return r.file }

// Slot returns the slot of this process.
func (r *Region) Slot() int { return r.slot }

// Used returns the number from which on no slot was ever used.
func (r *Region) Used() int { return int(min(r.head.used.Load(), MaxProcesses)) }

// ID returns the process that has a slot, or 0.
func (r *Region) ID(slot int) ID { return ID(r.head.ids[slot].Load()) }

// Bytes returns the memory of the object itself.
func (r *Region) Bytes() []byte { return r.mapping.Bytes()[r.kind.offset():] }

// At returns the memory of the object, from an offset on, as a T. It panics if there is
// less than that.
func At[T any](r *Region, offset int) *T {
	b := r.Bytes()[offset:]
	var zero T
	_ = b[:unsafe.Sizeof(zero)]
	return (*T)(unsafe.Pointer(unsafe.SliceData(b)))
}

// Lines returns the number of lines.
func (r *Region) Lines() int { return len(r.lines) }
