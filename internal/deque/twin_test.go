package deque

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// locked is a deque for everybody to understand: the twin of the tests, and the peer of
// the benchmarks.
type locked struct {
	mu sync.Mutex
	vs []*int
}

func (d *locked) Push(v *int) {
	d.mu.Lock()
	d.vs = append(d.vs, v)
	d.mu.Unlock()
}

func (d *locked) Pop() (v *int) {
	d.mu.Lock()
	if n := len(d.vs); n > 0 {
		v = d.vs[n-1]
		d.vs[n-1] = nil
		d.vs = d.vs[:n-1]
	}
	d.mu.Unlock()
	return v
}

func (d *locked) Steal() (v *int) {
	d.mu.Lock()
	if len(d.vs) > 0 {
		v = d.vs[0]
		d.vs[0] = nil
		d.vs = d.vs[1:]
	}
	d.mu.Unlock()
	return v
}

func (d *locked) Peek() (v *int) {
	d.mu.Lock()
	if n := len(d.vs); n > 0 {
		v = d.vs[n-1]
	}
	d.mu.Unlock()
	return v
}

func (d *locked) Len() int {
	d.mu.Lock()
	n := len(d.vs)
	d.mu.Unlock()
	return n
}

// startAt has the indices of an unused deque begin at i.
func startAt[T any](d *Deque[T], i uint64) {
	d.top.Store(i)
	d.bottom.Store(i)
}

// starts are indices from which a test soon comes to where they wrap around, where
// their sign changes, or where they are as in real life.
var starts = []uint64{0, math.MaxUint64 - 40, math.MaxUint64, math.MaxInt64 - 40, math.MaxInt64, 12345}

// A stalled thief has taken an index and has not got to reading the slot.
type stalled struct {
	slot *unsafe.Pointer
	want *int
}

func (s stalled) finish() *int {
	v := (*int)(atomic.LoadPointer(s.slot))
	atomic.StorePointer(s.slot, nil)
	return v
}

// stall does the first half of Steal, in a deque that is not empty.
func stall(d *Deque[int], want *int) stalled {
	t := d.top.Load()
	a := d.buf.Load().holder(t)
	d.top.Store(t + 1)
	return stalled{slot: a.slot(t), want: want}
}

// held returns what the buffers of a deque keep alive, and how many slots they have.
func held[T any](d *Deque[T]) (vs []*T, slots int) {
	for a := d.buf.Load(); a != nil; a = a.older.Load() {
		slots += len(a.slots)
		for i := range a.slots {
			if p := atomic.LoadPointer(&a.slots[i]); p != nil {
				vs = append(vs, (*T)(p))
			}
		}
	}
	return vs, slots
}

// TestTwin does the same things to a deque and to a slice under a mutex, and sees the
// same. Some thieves stall, and go on when the owner has pushed and popped more. What
// the deque keeps alive is at all times what is in it, and what stalled thieves have
// still to read; and its memory is in proportion to the most that was in it.
func TestTwin(t *testing.T) { rapid.Check(t, twin) }

func twin(t *rapid.T) {
	var d Deque[int]
	var twin locked
	startAt(&d, rapid.SampledFrom(starts).Draw(t, "start")+rapid.Uint64Range(0, 70).Draw(t, "offset"))
	var thieves []stalled
	pushed, most := 0, 0
	push := func() {
		v := new(int)
		*v = pushed
		pushed++
		d.Push(v)
		twin.Push(v)
		most = max(most, twin.Len())
	}
	same := func(t *rapid.T, what string, got, want *int) {
		if got != want {
			t.Fatalf("%s() = %v, of the twin %v", what, show(got), show(want))
		}
	}
	steal := func(t *rapid.T) {
		got, retry := d.Steal()
		if retry {
			t.Fatalf("Steal() says that it has lost a race, and there was none")
		}
		same(t, "Steal", got, twin.Steal())
	}
	count := rapid.OneOf(rapid.IntRange(1, 4), rapid.IntRange(1, 100))
	t.Repeat(map[string]func(*rapid.T){
		"push": func(t *rapid.T) {
			for range count.Draw(t, "count") {
				push()
			}
		},
		"push many": func(t *rapid.T) {
			for range rapid.IntRange(100, 1500).Draw(t, "count") {
				push()
			}
		},
		"pop": func(t *rapid.T) {
			for range count.Draw(t, "count") {
				same(t, "Pop", d.Pop(), twin.Pop())
			}
		},
		"steal": func(t *rapid.T) {
			for range count.Draw(t, "count") {
				steal(t)
			}
		},
		"pop all": func(t *rapid.T) {
			for range twin.Len() + 1 {
				same(t, "Pop", d.Pop(), twin.Pop())
			}
			if a := d.buf.Load(); a.isLarge() {
				t.Fatalf("a buffer of %d slots is kept for nothing", len(a.slots))
			}
		},
		"steal all": func(t *rapid.T) {
			for range twin.Len() + 1 {
				steal(t)
			}
		},
		"go round": func(t *rapid.T) {
			for range count.Draw(t, "count") {
				push()
				steal(t)
			}
		},
		"stall": func(t *rapid.T) {
			if twin.Len() > 0 {
				thieves = append(thieves, stall(&d, twin.Steal()))
			}
		},
		"go on": func(t *rapid.T) {
			if len(thieves) == 0 {
				t.Skip("no thief has stalled")
			}
			i := rapid.IntRange(0, len(thieves)-1).Draw(t, "thief")
			same(t, "Steal", thieves[i].finish(), thieves[i].want)
			thieves = slices.Delete(thieves, i, i+1)
		},
		"": func(t *rapid.T) {
			same(t, "Peek", d.Peek(), twin.Peek())
			if got, want := d.Len(), twin.Len(); got != want || d.Empty() != (want == 0) {
				t.Fatalf("Len() = %d and Empty() = %v, of the twin %d", got, d.Empty(), want)
			}
			in := make(map[*int]bool)
			for _, v := range twin.vs {
				in[v] = true
			}
			for _, s := range thieves {
				in[s.want] = true
			}
			vs, slots := held(&d)
			for _, v := range vs {
				if !in[v] {
					t.Fatalf("%d is kept alive, and nobody is going to take it", *v)
				}
				delete(in, v)
			}
			if bound := 8*(most+len(thieves)) + 4*minSize; slots > bound {
				t.Fatalf("%d slots for at most %d elements; want at most %d", slots, most, bound)
			}
		},
	})
	for _, s := range thieves {
		same(t, "Steal", s.finish(), s.want)
	}
}

func show(v *int) any {
	if v == nil {
		return "nil"
	}
	return *v
}
