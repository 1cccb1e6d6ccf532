package threading

import (
	"sync"
	"sync/atomic"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/deque"
)

// local is the queues of one worker, from which others steal.
type local struct {
	spawned deque.Deque[engine.Call] // calls that its tasks have submitted
	batch   batch                    // what it has taken out of the injector
}

// isEmpty reports whether there is nothing to steal.
func (l *local) isEmpty() bool { return l.batch.len() == 0 && l.spawned.Empty() }

// len returns the number of entries, claimed ones included.
func (l *local) len() int { return l.batch.len() + l.spawned.Len() }

// maxBatch is the most entries that a worker takes out of the injector at once. So many
// make the cost of the lock small, and few enough are quickly stolen.
const maxBatch = 32

// A batch is entries in their order. The worker that owns it takes them from the front,
// and others steal from the back.
type batch struct {
	span  atomic.Uint64 // the indices of the first one, in the upper half, and behind the last
	mu    sync.Mutex    // of thieves, and of the owner while it fills the batch
	es    [maxBatch]entry
	stale int // how many of es have been in use since they were cleared; the owner's
}

const first = 1 << 32 // a step of the upper half

func (b *batch) len() int {
	v := b.span.Load()
	return int(uint32(v)) - int(v>>32)
}

// fill has f write entries into the empty batch of the caller, and return how many.
// It returns when no thief has to do with those that were there before.
func (b *batch) fill(f func(es []entry) int) {
	b.mu.Lock()
	n := f(b.es[:])
	clear(b.es[n:max(n, b.stale)])
	b.stale = n
	b.span.Store(uint64(n))
	b.mu.Unlock()
}

// forget clears what is left of entries that were taken out of an empty batch, and so
// have kept their calls alive: to clear each on the way would cost more.
func (b *batch) forget() {
	if b.stale > 0 && b.len() == 0 {
		b.fill(func([]entry) int { return 0 })
	}
}

// next takes the first entry. Only the owner calls it.
func (b *batch) next() (e entry, ok bool) {
	for {
		v := b.span.Load()
		i := v >> 32
		if i >= uint64(uint32(v)) {
			return entry{}, false
		}
		if b.span.CompareAndSwap(v, v+first) {
			return b.es[i], true
		}
	}
}

// peek returns the first entry, which stays, or nil. Only the owner calls it.
func (b *batch) peek() *entry {
	v := b.span.Load()
	i := v >> 32
	if i >= uint64(uint32(v)) {
		return nil
	}
	return &b.es[i]
}

// skip takes away e, which is the first entry, or reports that a thief was faster. Only
// the owner calls it.
func (b *batch) skip(e *entry) bool {
	for {
		v := b.span.Load()
		i := v >> 32
		if i >= uint64(uint32(v)) || e != &b.es[i] {
			return false
		}
		if b.span.CompareAndSwap(v, v+first) {
			return true
		}
	}
}

// steal moves half of the entries, rounded up, from the back into es, in their order.
func (b *batch) steal(es *[maxBatch]entry) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		v := b.span.Load()
		begin, end := int(v>>32), int(uint32(v))
		n := (end - begin + 1) / 2
		if n <= 0 {
			return 0
		}
		if b.span.CompareAndSwap(v, v-uint64(n)) {
			copy(es[:n], b.es[end-n:end])
			return n
		}
	}
}
