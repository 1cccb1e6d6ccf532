package wire

import (
	"io"
	"math/bits"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/go-braid/braid/internal/shm"
)

// DefaultRing is the size of a ring, in bytes. A large message goes through it in pieces,
// while the other side takes them out. It is larger than the cache of a processor: where
// the two sides run on processors that share nothing but memory, pieces that one of them
// still has in its own cache are three times as dear to the other. Its memory is used
// as far as there are large messages; see home.
const DefaultRing = 4 << 20

// A Ring is a link over shared memory: one ring of bytes in each direction, with one
// writer and one reader. It needs Linux.
//
// Each ring is a memory file that is mapped twice in a row, so that every frame is in
// one piece. Its indices count bytes and never wrap. The writer publishes a frame with
// one store of the tail, after all its bytes; the reader gives the room back with one
// store of the head. What a writer had not published when it died does not exist.
//
// Who finds nothing to do watches the index for a short time, as long as that has paid
// lately, and then sleeps: it sets its flag, looks again, and waits; the other side
// publishes, then takes the flag away, and if it was set, wakes. One of the two sees
// the other (Dekker's handshake), so no wake-up is lost. The side that made the ring
// sleeps in Go's poller, on an eventfd; the side that opened it on a futex, with a
// thread of its own.
type Ring struct {
	limit   int64
	out, in half
	parent  bool
	control *shm.Mapping
	wakeIn  *os.File // eventfd: for the parent that waits for frames
	wakeOut *os.File // eventfd: for the parent that waits for room
	gone    atomic.Bool
	closed  atomic.Bool

	// Who uses the memory without one of the locks below, or sleeps on a word in
	// it, holds this one for reading, so that Close does not take it away.
	mapped sync.RWMutex

	sending  sync.Mutex
	receive  sync.Mutex
	message  assembly
	lent     int           // bytes of the ring that are lent to the receiver
	owing    atomic.Bool   // the receiver may have to be woken for SendLast
	patience int           // looks before he is: the more, the more often he helps himself
	watch    time.Duration // how long Await watches before it sleeps
	maximum  time.Duration // of watch
	last     uint64        // the peer's mark when the link was closed
}

// half is one of the two rings, seen from one side.
type half struct {
	words *words
	ring  *shm.Mapping
	data  []byte // twice
	size  uint64
	own   uint64 // the index that this side moves
	other uint64 // the other one, as last read
	look  uint64 // where to look next whether to go home; of the writer
}

// words are the shared variables of a ring, each on a cache line of its own.
type words struct {
	tail    atomic.Uint64 // written by the writer
	_       [56]byte
	head    atomic.Uint64 // written by the reader
	_       [56]byte
	hungry  atomic.Uint32 // the reader sleeps
	_       [60]byte
	crowded atomic.Uint32 // the writer sleeps
	_       [60]byte
	mark    atomic.Uint64 // of the writer
	_       [56]byte
}

const (
	controlSize  = 4096
	secondHalf   = 2048
	minRing      = 64 << 10
	maxRing      = 64 << 20
	ringFiles    = 5
	maxWatch     = 50 * time.Microsecond
	minWatch     = time.Microsecond
	looksPerTime = 64 // looks at a word between two at the clock
	maxPatience  = 32 * looksPerTime

	// A writer that finds the ring empty, and is beyond home, goes on at its beginning:
	// small messages use no more memory, nor of the caches, than they need.
	home = 256 << 10

	// maxFragment is the largest piece of a message: the smaller it is, the sooner both
	// sides copy at the same time.
	maxFragment = 256 << 10
)

// NewRing makes a ring of size bytes in each direction, a power of two from 64 KiB to 64
// MiB, for payloads of at most limit bytes. It returns this side's end, and the files
// from which [OpenRing] makes the other in another process; they are the caller's to
// close.
func NewRing(size int, limit int64) (*Ring, []*os.File, error) {
	if size < minRing || size > maxRing || bits.OnesCount(uint(size)) != 1 {
		return nil, nil, corrupt("a ring of %d bytes", size)
	}
	var files []*os.File
	fail := func(err error) (*Ring, []*os.File, error) {
		closeFiles(files)
		return nil, nil, err
	}
	for _, n := range []int{controlSize, size, size} {
		f, err := shm.Create("braid-ring", int64(n))
		if err != nil {
			return fail(err)
		}
		files = append(files, f)
	}
	var own [2]*os.File
	for i := range own {
		mine, theirs, err := newEvent()
		if err != nil {
			closeFiles(own[:i])
			return fail(err)
		}
		own[i] = mine
		files = append(files, theirs)
	}
	r, err := newRing(files, limit, true)
	if err != nil {
		closeFiles(own[:])
		return fail(err)
	}
	r.wakeIn, r.wakeOut = own[0], own[1]
	return r, files, nil
}

// OpenRing makes the other end of a ring from the files of [NewRing], and closes those
// that it does not need.
func OpenRing(files []*os.File, limit int64) (*Ring, error) {
	if len(files) != ringFiles {
		return nil, corrupt("%d files where a ring has %d", len(files), ringFiles)
	}
	r, err := newRing(files, limit, false)
	if err != nil {
		return nil, err
	}
	closeFiles(files[:3])
	r.wakeIn, r.wakeOut = files[3], files[4]
	return r, nil
}

func newRing(files []*os.File, limit int64, parent bool) (r *Ring, err error) {
	r = &Ring{limit: limit, parent: parent, patience: maxPatience}
	var rings [2]*shm.Mapping
	var control *shm.Mapping
	defer func() {
		if err != nil {
			for _, m := range []*shm.Mapping{control, rings[0], rings[1]} {
				if m != nil {
					_ = m.Close()
				}
			}
		}
	}()
	if control, err = shm.Map(files[0]); err != nil {
		return nil, err
	}
	r.control = control
	if n := len(control.Bytes()); n != controlSize {
		return nil, corrupt("the control page has %d bytes", n)
	}
	for i := range rings {
		size, err := shm.Check(files[1+i])
		if err != nil {
			return nil, err
		}
		if size < minRing || size > maxRing || bits.OnesCount64(uint64(size)) != 1 {
			return nil, corrupt("a ring of %d bytes", size)
		}
		if rings[i], err = shm.MapTwice(files[1+i]); err != nil {
			return nil, err
		}
	}
	down := newHalf(r.control.Bytes(), rings[0])
	up := newHalf(r.control.Bytes()[secondHalf:], rings[1])
	if parent {
		r.out, r.in = down, up
	} else {
		r.out, r.in = up, down
		r.maximum, r.watch = maxWatch, maxWatch
		if runtime.NumCPU() == 1 {
			r.maximum, r.watch = 0, 0
		}
	}
	// Nothing has been sent yet, but the indices need not begin at 0.
	r.in.own = r.in.words.head.Load()
	r.in.other = r.in.own
	r.out.own = r.out.words.tail.Load()
	r.out.other = r.out.words.head.Load()
	return r, nil
}

func newHalf(control []byte, ring *shm.Mapping) half {
	data := ring.Bytes()
	return half{
		words: (*words)(unsafe.Pointer(unsafe.SliceData(control))),
		ring:  ring, data: data, size: uint64(len(data) / 2),
	}
}

// at returns n bytes of the ring from index i on, n at most the ring's size.
func (h *half) at(i uint64, n int) []byte {
	off := i & (h.size - 1)
	return h.data[off : off+uint64(n) : off+uint64(n)]
}

// room returns how many bytes can be written.
func (h *half) room(need uint64) (uint64, error) {
	if room := h.size - (h.own - h.other); room >= need {
		return room, nil
	}
	head := h.words.head.Load()
	if h.own-head > h.size || head-h.other > h.own-h.other {
		return 0, corrupt("the head of the ring is at %d, the tail at %d", head, h.own)
	}
	h.other = head
	return h.size - (h.own - head), nil
}

// filled returns how many bytes can be read.
func (h *half) filled(need uint64) (uint64, error) {
	if n := h.other - h.own; n >= need {
		return n, nil
	}
	tail := h.words.tail.Load()
	if tail-h.own > h.size || tail-h.own < h.other-h.own {
		return 0, corrupt("the tail of the ring is at %d, the head at %d", tail, h.own)
	}
	h.other = tail
	return tail - h.own, nil
}

// publish swaps: the race detector lets loads overtake stores to memory that is not Go's.
func publish(index *atomic.Uint64, i uint64) { index.Swap(i) }

func roundUp(n int) uint64 { return (uint64(n) + 7) &^ 7 }

// Send implements [Link].
func (r *Ring) Send(h Header, small, bulk []byte) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	return r.send(h, small, bulk, true)
}

// SendQuiet sends a frame without waking a receiver that sleeps, unless the ring is half
// full; see [Ring.Flush].
func (r *Ring) SendQuiet(h Header, small, bulk []byte) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	return r.send(h, small, bulk, r.out.own-r.out.other > r.out.size/2)
}

// SendLast sends a frame as Send does, but who then waits for the answer, with Await or
// Recv, first looks whether the receiver takes the frame by itself within a moment, and
// wakes it only otherwise: to wake costs more than the exchange itself. It is for frames
// that are answered only after they have been received, and is to be followed by Recv on
// the same goroutine, or by Await if no payload is lent.
func (r *Ring) SendLast(h Header, small, bulk []byte) error {
	r.sending.Lock()
	defer r.sending.Unlock()
	r.owing.Store(true)
	return r.send(h, small, bulk, false)
}

// payDebt wakes the receiver if it has not taken what SendLast has sent. It needs
// r.receive.
func (r *Ring) payDebt() {
	if !r.owing.Load() {
		return
	}
	r.sending.Lock()
	defer r.sending.Unlock()
	r.owing.Store(false)
	if !r.closed.Load() && r.out.words.head.Load() != r.out.own {
		r.patience = max(r.patience/2, 2*looksPerTime)
		r.wakeReader()
	}
}

// Flush wakes the receiver if it sleeps and there is something for it.
func (r *Ring) Flush() error {
	r.sending.Lock()
	defer r.sending.Unlock()
	if r.closed.Load() {
		return ErrClosed
	}
	r.wakeReader()
	return nil
}

func (r *Ring) send(h Header, small, bulk []byte, wake bool) error {
	total := int64(len(small)) + int64(len(bulk))
	if total > r.limit {
		return tooLarge(total, r.limit)
	}
	r.goHome()
	f := fragment{Header: h, total: total}
	most := int(min(r.out.size/4, maxFragment))
	for {
		n := min(len(small), most)
		m := min(len(bulk), most-n)
		f.length = n + m
		need := headerSize + roundUp(n+m)
		if err := r.awaitRoom(need); err != nil {
			return err
		}
		b := r.out.at(r.out.own, headerSize+n+m)
		putHeader(b, &f)
		copy(b[headerSize:], small[:n])
		copy(b[headerSize+n:], bulk[:m])
		seal(b[:headerSize+covered(n+m)], nil)
		r.out.own += need
		publish(&r.out.words.tail, r.out.own)
		small, bulk = small[n:], bulk[m:]
		if len(small)+len(bulk) == 0 {
			break
		}
		r.wakeReader()
		f.further = true
	}
	if wake {
		r.wakeReader()
	}
	return nil
}

// kindSkip is the kind of a frame after which Seq bytes of the ring are left out. Only
// links know of it, as of marks, which rings need not send.
const kindSkip = kindMark

// goHome goes on at the beginning of the ring if that is empty. It needs r.sending.
func (r *Ring) goHome() {
	h := &r.out
	offset := h.own & (h.size - 1)
	if offset < home || offset > h.size-headerSize || h.own < h.look || r.closed.Load() {
		return
	}
	h.look = h.own + home/4
	if h.words.head.Load() != h.own {
		return
	}
	h.other = h.own
	skip := h.size - offset - headerSize
	b := h.at(h.own, headerSize)
	putHeader(b, &fragment{Header: Header{Kind: kindSkip, Seq: skip}})
	seal(b, nil)
	h.own += headerSize + skip
	publish(&h.words.tail, h.own)
	h.look = h.own
}

// covered returns how many bytes of a fragment's payload the checksum covers.
func covered(n int) int {
	if n <= checked {
		return n
	}
	return 0
}

// wakeReader wakes the other side if it sleeps for want of frames.
func (r *Ring) wakeReader() {
	w := r.out.words
	if w.hungry.Load() != 0 && w.hungry.Swap(0) != 0 {
		if r.parent {
			_ = shm.FutexWake(wordOf(&w.hungry), 1)
		} else {
			signalEvent(r.wakeIn)
		}
	}
}

// wakeWriter wakes the other side if it sleeps for want of room.
func (r *Ring) wakeWriter() {
	w := r.in.words
	if w.crowded.Load() != 0 && w.crowded.Swap(0) != 0 {
		if r.parent {
			_ = shm.FutexWake(wordOf(&w.crowded), 1)
		} else {
			signalEvent(r.wakeOut)
		}
	}
}

func wordOf(w *atomic.Uint32) *uint32 { return (*uint32)(unsafe.Pointer(w)) }

// sleep waits until a flag of this side, which is set, is taken away, or something else
// happens.
func (r *Ring) sleep(flag *atomic.Uint32, event *os.File) error {
	if r.parent {
		return awaitEvent(event)
	}
	return shm.FutexWait(wordOf(flag), 1, -1)
}

// state returns why the link is of no use any more, or nil.
func (r *Ring) state() error {
	switch {
	case r.closed.Load():
		return ErrClosed
	case r.gone.Load():
		return ErrGone
	}
	return nil
}

// awaitRoom waits until need bytes can be written. It needs r.sending.
func (r *Ring) awaitRoom(need uint64) error {
	for looks := 0; ; looks++ {
		if err := r.state(); err != nil {
			return err
		}
		room, err := r.out.room(need)
		if err != nil {
			return err
		}
		if room >= need {
			return nil
		}
		if looks < 2000 && r.maximum+maxWatch > 0 && runtime.NumCPU() > 1 {
			continue
		}
		// What was sent quietly must be taken out first.
		r.wakeReader()
		flag := &r.out.words.crowded
		flag.Swap(1)
		if room, err = r.out.room(need); err != nil {
			return err
		}
		if room < need && r.state() == nil {
			if err := r.sleep(flag, r.wakeOut); err != nil {
				return err
			}
		}
		flag.Store(0)
	}
}

// giveBack ends the loan of the last frame's bytes. It needs r.receive.
func (r *Ring) giveBack() {
	if r.lent > 0 {
		r.in.own += uint64(r.lent)
		r.lent = 0
		publish(&r.in.words.head, r.in.own)
		r.wakeWriter()
	}
}

// TryRecv returns the next frame if there is one.
func (r *Ring) TryRecv() (Frame, bool, error) {
	r.receive.Lock()
	defer r.receive.Unlock()
	if r.closed.Load() {
		return Frame{}, false, ErrClosed
	}
	r.giveBack()
	for {
		n, err := r.in.filled(headerSize)
		if err != nil {
			return Frame{}, false, err
		}
		if n == 0 {
			if r.gone.Load() {
				// What was published before the death must have been seen.
				if n, err = r.in.filled(headerSize); n == 0 && err == nil {
					if r.message.open {
						return Frame{}, false, io.ErrUnexpectedEOF
					}
					return Frame{}, false, io.EOF
				}
				continue
			}
			return Frame{}, false, nil
		}
		if n < headerSize {
			return Frame{}, false, corrupt("%d bytes where a header is due", n)
		}
		// What is checked must not change afterwards.
		header := [headerSize]byte(r.in.at(r.in.own, headerSize))
		due, done := r.message.due()
		f, err := getHeader(header[:], r.limit, due, done)
		if err != nil {
			return Frame{}, false, err
		}
		size := headerSize + roundUp(f.length)
		if uint64(f.length) > r.in.size/4 || size > n || f.files != 0 {
			return Frame{}, false, corrupt("a fragment of %d bytes in a ring with %d", f.length, n)
		}
		// That the header is still the same is checked with the rest.
		if err := f.verify(r.in.at(r.in.own, headerSize+covered(f.length)), nil); err != nil {
			return Frame{}, false, err
		}
		if f.Kind == kindSkip {
			if f.total != 0 || f.Seq%8 != 0 || f.Seq > n-size {
				return Frame{}, false, corrupt("it leaves out %d bytes of %d", f.Seq, n)
			}
			r.in.own += size + f.Seq
			publish(&r.in.words.head, r.in.own)
			r.wakeWriter()
			continue
		}
		payload := r.in.at(r.in.own+headerSize, f.length)
		if !r.message.open && int64(f.length) == f.total {
			r.lent = int(size)
			return Frame{Header: f.Header, Payload: payload}, true, nil
		}
		if f.length == 0 {
			return Frame{}, false, corrupt("an empty fragment")
		}
		if !r.message.open {
			r.message.begin(f)
		}
		r.message.buf = append(r.message.buf, payload...)
		r.in.own += size
		publish(&r.in.words.head, r.in.own)
		r.wakeWriter()
		if fr, ok := r.message.frame(); ok {
			return fr, true, nil
		}
	}
}

// isReady reports whether there is something to receive, an end included. It needs
// r.receive.
func (r *Ring) isReady() bool {
	return r.state() != nil || r.in.words.tail.Load() != r.in.own
}

// Await waits until TryRecv is worth calling, and as long as a payload is lent it always
// is. One goroutine at a time may call it; others may receive meanwhile, so it gives
// nothing back: what is lent may be theirs, and in use.
func (r *Ring) Await() error {
	r.receive.Lock()
	if r.closed.Load() {
		r.receive.Unlock()
		return ErrClosed
	}
	if r.isReady() || r.watchFor() {
		if r.owing.Swap(false) {
			r.patience = min(2*r.patience, maxPatience)
		}
		r.receive.Unlock()
		return nil
	}
	r.payDebt()
	flag := &r.in.words.hungry
	flag.Swap(1)
	if r.isReady() {
		flag.Store(0)
		r.receive.Unlock()
		return nil
	}
	r.mapped.RLock()
	defer r.mapped.RUnlock()
	r.receive.Unlock()
	if r.maximum == 0 {
		return r.sleep(flag, r.wakeIn)
	}
	began := time.Now()
	err := r.sleep(flag, r.wakeIn)
	if time.Since(began) < 2*r.maximum {
		r.watch = r.maximum // a longer watch would have spared the sleep
	}
	return err
}

// watchFor watches for frames for a while, and reports whether there are any.
func (r *Ring) watchFor() bool {
	if r.watch < minWatch {
		return false
	}
	var began time.Time
	for i := 1; ; i++ {
		if r.isReady() {
			r.watch = min(2*r.watch, r.maximum)
			return true
		}
		switch {
		case i%looksPerTime != 0:
		case i == looksPerTime:
			began = time.Now()
		case time.Since(began) > r.watch:
			r.watch /= 2
			return false
		case i == r.patience:
			r.payDebt()
		}
	}
}

// GiveBack ends the loan of the payload that was received last, as the next receive would.
func (r *Ring) GiveBack() {
	r.receive.Lock()
	if !r.closed.Load() {
		r.giveBack()
	}
	r.receive.Unlock()
}

// Poll reports whether TryRecv is worth calling. It is for who watches in a loop, takes
// no lock, and may be called only while nobody else receives and nobody calls Close.
func (r *Ring) Poll() bool { return r.isReady() }

// Recv implements [Link].
func (r *Ring) Recv() (Frame, error) {
	for {
		f, ok, err := r.TryRecv()
		if ok || err != nil {
			return f, err
		}
		if err := r.Await(); err != nil {
			return Frame{}, err
		}
	}
}

// Mark implements [Link]. On the side that opened the ring it must not be called while
// Close runs: it is to cost next to nothing there.
func (r *Ring) Mark(m uint64) error {
	if r.parent {
		r.mapped.RLock()
		defer r.mapped.RUnlock()
	}
	if r.closed.Load() {
		return ErrClosed
	}
	r.out.words.mark.Store(m)
	return nil
}

// PeerMark implements [Link].
func (r *Ring) PeerMark() uint64 {
	r.receive.Lock()
	defer r.receive.Unlock()
	if r.closed.Load() {
		return r.last
	}
	return r.in.words.mark.Load()
}

// HangUp implements [Link].
func (r *Ring) HangUp() {
	r.gone.Store(true)
	r.mapped.RLock()
	defer r.mapped.RUnlock()
	if !r.closed.Load() {
		r.wakeOwn()
	}
}

// wakeOwn wakes who sleeps on this side.
func (r *Ring) wakeOwn() {
	if r.parent {
		signalEvent(r.wakeIn)
		signalEvent(r.wakeOut)
		return
	}
	for _, flag := range []*atomic.Uint32{&r.in.words.hungry, &r.out.words.crowded} {
		flag.Store(0)
		_ = shm.FutexWake(wordOf(flag), 1<<30)
	}
}

// Close implements [Link]. A payload that is lent must not be used any more.
func (r *Ring) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	r.wakeOwn()
	r.receive.Lock()
	defer r.receive.Unlock()
	r.sending.Lock() // in this order, as in Await
	defer r.sending.Unlock()
	r.mapped.Lock()
	defer r.mapped.Unlock()
	r.last = r.in.words.mark.Load()
	_ = r.wakeIn.Close()
	_ = r.wakeOut.Close()
	_ = r.out.ring.Close()
	_ = r.in.ring.Close()
	return r.control.Close()
}
