package deque

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"
)

func TestZeroDeque(t *testing.T) {
	var d Deque[int]
	if v := d.Pop(); v != nil {
		t.Errorf("Pop() = %v", v)
	}
	if v := d.Peek(); v != nil {
		t.Errorf("Peek() = %v", v)
	}
	if v, retry := d.Steal(); v != nil || retry {
		t.Errorf("Steal() = %v, %v", v, retry)
	}
	if d.Len() != 0 || !d.Empty() {
		t.Errorf("Len() = %d, Empty() = %v", d.Len(), d.Empty())
	}
	if d.buf.Load() != nil {
		t.Error("there is a buffer before the first Push")
	}
}

func TestPushNil(t *testing.T) {
	defer func() {
		if text, _ := recover().(string); !strings.Contains(text, "Push of nil") {
			t.Errorf("the panic says %q", text)
		}
	}()
	new(Deque[int]).Push(nil)
}

// TestAllocations fills and empties a deque again and again: once it has a buffer, that
// costs no memory.
func TestAllocations(t *testing.T) {
	var d Deque[int]
	v := new(int)
	n := testing.AllocsPerRun(100, func() {
		for range minSize {
			d.Push(v)
		}
		for range minSize / 2 {
			d.Steal()
			d.Pop()
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestStalledThief has a thief take an index and sleep, while the owner comes to its
// slot again: it takes another buffer, which is larger only if there is need.
func TestStalledThief(t *testing.T) {
	for _, start := range starts {
		for _, left := range []int{0, 1, minSize / 2, minSize/2 + 1, minSize - 1} {
			var d Deque[int]
			startAt(&d, start)
			vs := make([]int, 3*minSize)
			for i := range minSize {
				d.Push(&vs[i])
			}
			s := stall(&d, &vs[0])
			first := d.buf.Load()
			for range minSize - 1 - left {
				d.Steal()
			}
			d.Push(&vs[minSize])
			a := d.buf.Load()
			want := minSize
			if left > minSize/2 {
				want = 2 * minSize
			}
			if a == first || len(a.slots) != want {
				t.Fatalf("start %d: with %d left, the buffer has %d slots, want a new one with %d", start, left, len(a.slots), want)
			}
			if older := a.older.Load(); (older != nil) != (left > 0) {
				t.Errorf("start %d: with %d left, the older buffer is %p", start, left, older)
			}
			if got := s.finish(); got != s.want {
				t.Errorf("start %d: the thief that had stalled read %v, want %v", start, show(got), show(s.want))
			}
			for i := minSize; i >= minSize-left; i-- {
				if got := d.Pop(); got != &vs[i] {
					t.Fatalf("start %d: Pop() = %p, want element %d", start, got, i)
				}
			}
			if d.Pop() != nil {
				t.Errorf("start %d: there is something left", start)
			}
		}
	}
}

// TestLateThief has a thief look at top and bottom, and sleep before it looks for the
// buffer: whatever has become of that, it loses the race.
func TestLateThief(t *testing.T) {
	for _, start := range starts {
		for _, n := range []int{1, minSize, minSize + 1, 3 * maxEmpty} {
			var d Deque[int]
			startAt(&d, start)
			v := new(int)
			for range n {
				d.Push(v)
			}
			top := d.top.Load()
			for range n {
				d.Pop()
			}
			for _, n := range []int{0, minSize, minSize + 1, 3 * maxEmpty} { // buffers of every size
				d.buf.Load().holder(top) // it may find any, or none
				if d.top.CompareAndSwap(top, top+1) {
					t.Fatalf("start %d: index %d was taken twice", start, top)
				}
				for range n {
					d.Push(v)
				}
				for range n {
					d.Pop()
				}
			}
		}
	}
}

// TestShrink empties large deques, by Pop, or by Steal until Pop finds nothing.
func TestShrink(t *testing.T) {
	const kept = 2*maxEmpty - minSize // what is in buffers of minSize, twice that, and so on to maxEmpty
	for _, n := range []int{minSize, kept, kept + 1, 10 * kept} {
		for _, stolen := range []int{0, n / 2, n} {
			var d Deque[int]
			v := new(int)
			for range n {
				d.Push(v)
			}
			for range stolen {
				d.Steal()
			}
			for range max(1, n-stolen) {
				d.Pop()
			}
			if got, want := d.buf.Load() == nil, n > kept; got != want {
				t.Errorf("after %d elements, %d of them stolen, the buffer is gone: %v, want %v", n, stolen, got, want)
			}
			d.Push(v)
			if d.Peek() != v || d.Pop() != v || d.Pop() != nil {
				t.Errorf("after %d elements, %d of them stolen, the deque does not work", n, stolen)
			}
		}
	}
}

// TestCollectable sees that the garbage collector frees what was taken, while the deque
// lives and holds other things.
func TestCollectable(t *testing.T) {
	type object [8]*int // large enough not to share its memory with others
	for _, n := range []int{1, 20, minSize, minSize + 1, 500} {
		for _, keep := range []int{0, 1, 3} {
			var d Deque[object]
			taken := func() (ws []weak.Pointer[object]) {
				for range n + keep {
					d.Push(new(object))
				}
				for d.Len() > keep {
					v := d.Pop()
					if len(ws)%2 == 0 && d.Len() > keep {
						ws = append(ws, weak.Make(v))
						v, _ = d.Steal()
					}
					ws = append(ws, weak.Make(v))
				}
				return ws
			}()
			runtime.GC()
			alive := 0
			for _, w := range taken {
				if w.Value() != nil {
					alive++
				}
			}
			if len(taken) != n || alive != 0 {
				t.Errorf("of %d elements taken, want %d, %d are alive; %d are in the deque", len(taken), n, alive, keep)
			}
			if d.Len() != keep {
				t.Errorf("%d are in the deque, want %d", d.Len(), keep)
			}
		}
	}
}

// TestStress has thieves take from a deque whose owner pushes and pops. Each element is
// taken once, by one of them. The owner pops the last one it has pushed that is there
// still, and nothing only if thieves have taken everything. What a thief gets is in the
// order in which it was pushed, and it loses a race only when somebody wins it.
func TestStress(t *testing.T) {
	for _, c := range []struct {
		name    string
		thieves int
		burst   int // the most that the owner pushes or pops at once
		start   uint64
	}{
		{"last element", 1, 1, 0},
		{"last element, wrapping around", 3, 1, 1<<64 - 100},
		{"few", 2, 3, 1<<64 - 100},
		{"one buffer", 3, 30, 1<<63 - 100},
		{"growing", 2, 300, 1<<64 - 1000},
		{"growing and shrinking", 7, 6 * maxEmpty, 1<<64 - 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			elements := 30_000
			seed := uint64(time.Now().UnixNano())
			random := rand.New(rand.NewPCG(seed, 0))
			t.Logf("seed %d", seed)

			var d Deque[int]
			startAt(&d, c.start)
			vs := make([]int, elements)
			takers := make([]atomic.Int32, elements) // how often each was taken
			var failed atomic.Bool
			fail := func(format string, args ...any) {
				t.Errorf(format, args...)
				failed.Store(true)
			}
			take := func(v *int) { takers[*v].Add(1) }

			var wg sync.WaitGroup
			var over atomic.Bool
			for range c.thieves {
				wg.Go(func() {
					last, retries := -1, 0
					for !failed.Load() {
						ended := over.Load()
						v, retry := d.Steal()
						switch {
						case v != nil:
							if *v <= last {
								fail("a thief got %d after %d", *v, last)
							}
							last = *v
							take(v)
						case retry:
							if retries++; retries > elements {
								fail("a thief has lost more races than there were elements")
							}
						case ended:
							return
						default:
							runtime.Gosched()
						}
						if n := d.Len(); n < 0 || n > elements {
							fail("Len() = %d", n)
						}
					}
				})
			}

			var mine []int // what the owner has pushed and not popped
			for next := 0; next < elements && !failed.Load(); {
				for range 1 + random.IntN(c.burst) {
					if next == elements {
						break
					}
					vs[next] = next
					d.Push(&vs[next])
					mine = append(mine, next)
					next++
				}
				if random.IntN(4) == 0 {
					runtime.Gosched()
				}
				for range 1 + random.IntN(c.burst) {
					if v := d.Peek(); v != nil && *v != mine[len(mine)-1] {
						fail("Peek() = %d, want %d", *v, mine[len(mine)-1])
					}
					v := d.Pop()
					if v == nil {
						// Thieves have taken all that is left of mine: in the end
						// each is found to be taken.
						if d.top.Load() != d.bottom.Load() {
							fail("Pop() = nil of a deque that is not empty")
						}
						mine = nil
						break
					}
					if *v != mine[len(mine)-1] {
						fail("Pop() = %d, want %d", *v, mine[len(mine)-1])
					}
					mine = mine[:len(mine)-1]
					take(v)
				}
			}
			over.Store(true)
			wg.Wait()
			if failed.Load() {
				return
			}
			if d.Len() != 0 || !d.Empty() || d.Pop() != nil {
				t.Errorf("after all, Len() = %d", d.Len())
			}
			for i := range takers {
				if n := takers[i].Load(); n != 1 {
					t.Fatalf("element %d was taken %d times", i, n)
				}
			}
			if vs, _ := held(&d); len(vs) != 0 {
				t.Errorf("%d elements are kept alive in the empty deque", len(vs))
			}
		})
	}
}
