package deque

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

	"pgregory.net/rapid"
)

// A locked is a slice under a mutex that does what a deque does.
type locked struct {
	mu sync.Mutex
	vs []*int
}

func (l *locked) Push(v *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.vs = append(l.vs, v)
}

func (l *locked) Peek() *int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.vs) == 0 {
		return nil
	}
	return l.vs[len(l.vs)-1]
}

func (l *locked) Pop() *int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.vs)
	if n == 0 {
		return nil
	}
	v := l.vs[n-1]
	l.vs[n-1] = nil
	l.vs = l.vs[:n-1]
	return v
}

func (l *locked) Steal() *int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.vs) == 0 {
		return nil
	}
	v := l.vs[0]
	l.vs[0] = nil
	l.vs = l.vs[1:]
	return v
}

// startAt has the indices of an unused deque begin at i.
func startAt[T any](d *Deque[T], i uint64) {
	d.top.Store(i)
	d.bottom.Store(i)
	d.clean = i
}

// starts are where an index wraps around soon, or becomes negative as a signed number, or
// does nothing of the kind.
var starts = []uint64{0, math.MaxUint64 - 70, math.MaxUint64 - 5, math.MaxUint64, math.MaxInt64 - 70, math.MaxInt64}

// held returns what the deque keeps alive.
func held[T any](d *Deque[T]) (vs []*T) {
	if a := d.buf.Load(); a != nil {
		for i := range a.slots {
			if v := a.slots[i].Load(); v != nil {
				vs = append(vs, v)
			}
		}
	}
	return vs
}

// TestTwin does the same things to a deque and to a slice under a mutex, and sees the
// same. It also looks at what the deque keeps alive.
func TestTwin(t *testing.T) { rapid.Check(t, twin) }

func twin(t *rapid.T) {
	var d Deque[int]
	var l locked
	startAt(&d, rapid.SampledFrom(starts).Draw(t, "start"))
	most := 0                   // elements at once
	stolen := 0                 // since the owner has last found the deque empty
	var late []func(t *rapid.T) // thieves that have looked at the deque and have not taken anything
	popped := func() {
		if len(l.vs) == 0 {
			stolen = 0
		}
	}
	same := func(t *rapid.T, op string, got, want *int) {
		if got != want {
			t.Fatalf("%s = %v, want %v", op, got, want)
		}
	}
	count := rapid.OneOf(rapid.IntRange(1, 4), rapid.IntRange(1, 150))
	t.Repeat(map[string]func(*rapid.T){
		"push": func(t *rapid.T) {
			for range count.Draw(t, "n") {
				v := new(int)
				d.Push(v)
				l.Push(v)
			}
			most = max(most, len(l.vs))
		},
		"pop": func(t *rapid.T) {
			for range count.Draw(t, "n") {
				same(t, "Pop", d.Pop(), l.Pop())
				popped()
			}
		},
		"steal": func(t *rapid.T) {
			for range count.Draw(t, "n") {
				v, retry := d.Steal()
				if retry {
					t.Fatal("a thief without a rival was told to try again")
				}
				same(t, "Steal", v, l.Steal())
				stolen++
			}
		},
		// A thief that has done the steps S1 to S3, and does the last one later.
		"look": func(t *rapid.T) {
			if len(l.vs) == 0 {
				return
			}
			top := d.top.Load()
			v := d.buf.Load().slot(top).Load()
			late = append(late, func(t *rapid.T) {
				current := d.top.Load() == top
				if got := d.top.CompareAndSwap(top, top+1); got != current {
					t.Fatalf("a late thief has got something: %v, want %v", got, current)
				}
				if current {
					// What it has seen is what is there, if anything is: the owner
					// would have said so.
					same(t, "a late Steal", v, l.Steal())
					stolen++
				}
			})
		},
		"late": func(t *rapid.T) {
			for _, f := range late {
				if len(l.vs) > 0 {
					f(t)
				}
			}
			late = nil
		},
		"": func(t *rapid.T) {
			same(t, "Peek", d.Peek(), l.Peek())
			if d.Len() != len(l.vs) || d.Empty() != (len(l.vs) == 0) {
				t.Fatalf("Len = %d and Empty = %v with %d elements", d.Len(), d.Empty(), len(l.vs))
			}
			slots := 0
			if a := d.buf.Load(); a != nil {
				slots = len(a.slots)
			}
			if bound := max(minSlots, 2*most-1); slots > bound {
				t.Fatalf("%d slots for at most %d elements, want at most %d", slots, most, bound)
			}
			alive := held(&d)
			for _, v := range l.vs {
				if !slices.Contains(alive, v) {
					t.Fatalf("an element is in no slot")
				}
			}
			if n := len(alive) - len(l.vs); n > stolen {
				t.Fatalf("%d elements that were taken are kept alive, of which %d were stolen", n, stolen)
			}
		},
	})
}

// TestZeroDeque does with a deque that has no buffer what can be done.
func TestZeroDeque(t *testing.T) {
	var d Deque[int]
	if v, retry := d.Steal(); v != nil || retry || d.Pop() != nil || d.Peek() != nil || d.Len() != 0 || !d.Empty() {
		t.Error("there is something in the zero deque")
	}
	if n := testing.AllocsPerRun(10, func() { d.Pop(); d.Steal(); d.Peek() }); n != 0 || d.buf.Load() != nil {
		t.Errorf("an empty deque allocates %v objects", n)
	}
}

// TestCollected has the garbage collector say what the deque keeps alive.
func TestCollected(t *testing.T) {
	type object struct{ _ [64]byte }
	for _, start := range starts[:3] {
		for _, n := range []int{1, 2, minSlots, 3 * minSlots} {
			t.Run(fmt.Sprintf("%d from %d", n, start), func(t *testing.T) {
				var d Deque[object]
				startAt(&d, start)
				push := func(n int) (ws []weak.Pointer[object]) {
					for range n {
						v := new(object)
						d.Push(v)
						ws = append(ws, weak.Make(v))
					}
					return ws
				}
				alive := func(ws []weak.Pointer[object]) (n int) {
					runtime.GC()
					for _, w := range ws {
						if w.Value() != nil {
							n++
						}
					}
					return n
				}
				ws := push(n)
				if got := alive(ws); got != n {
					t.Fatalf("%d of %d elements are alive", got, n)
				}
				for i := range n {
					if i%3 == 0 {
						d.Steal()
					} else {
						d.Pop()
					}
				}
				d.Pop()
				if got := alive(ws); got != 0 {
					t.Errorf("%d elements are kept alive in an empty deque", got)
				}

				// One is there all the time, and all the others are stolen.
				push(1)
				ws = nil
				for range 5 * minSlots {
					ws = append(ws, push(1)...)
					d.Steal()
				}
				if got, slots := alive(ws), len(d.buf.Load().slots); got > slots {
					t.Errorf("%d elements are alive, want at most one for each of %d slots", got, slots)
				}
				if d.Pop() == nil || alive(ws) != 0 {
					t.Error("the last Pop has not cleared everything")
				}

				ws = push(3)
				for range ws {
					d.Steal()
				}
				if d.Pop() != nil || alive(ws) != 0 {
					t.Error("a Pop that has found nothing has not cleared everything")
				}
				runtime.KeepAlive(&d)
			})
		}
	}
}

// TestStress has thieves at a deque whose owner pushes and pops at random. Each element is
// taken once, a thief gets later ones only later, and Pop says that there are none only if
// there are none.
func TestStress(t *testing.T) {
	for _, c := range []struct {
		name           string
		thieves, burst int // how many elements the owner pushes or pops at once, at most
		start          uint64
	}{
		{"the last element", 1, 1, 0},
		{"the last element, wrapping around", 3, 1, math.MaxUint64 - 50},
		{"a few, becoming negative", 2, 4, math.MaxInt64 - 50},
		{"growth, wrapping around", 3, 400, math.MaxUint64 - 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 20_000
			if testing.Short() {
				n = 2_000
			}
			var d Deque[int]
			startAt(&d, c.start)
			vs := make([]int, n)
			taken := make([]atomic.Int32, n)
			var pushed atomic.Bool
			var wg sync.WaitGroup
			for range c.thieves {
				wg.Go(func() {
					last := -1
					for {
						over := pushed.Load() // before the look
						v, retry := d.Steal()
						switch {
						case v != nil:
							if *v <= last {
								t.Errorf("a thief has got %d after %d", *v, last)
							}
							last = *v
							taken[*v].Add(1)
						case !retry && over:
							return
						default:
							runtime.Gosched()
						}
					}
				})
			}
			random := rand.New(rand.NewPCG(1, c.start))
			for next := 0; next < n; {
				for range 1 + random.IntN(c.burst) {
					if next < n {
						vs[next] = next
						d.Push(&vs[next])
						next++
					}
				}
				if random.IntN(4) == 0 {
					runtime.Gosched() // a turn for the thieves
				}
				below := next
				for range 1 + random.IntN(c.burst) {
					v := d.Pop()
					if v == nil {
						if d.top.Load() != d.bottom.Load() {
							t.Error("Pop has found nothing in a deque that has something")
						}
						if alive := held(&d); len(alive) > 0 {
							t.Errorf("%d elements are kept alive after a Pop that has found nothing", len(alive))
						}
						break
					}
					if *v >= below {
						t.Errorf("Pop has returned %d after %d", *v, below)
					}
					below = *v
					taken[*v].Add(1)
				}
			}
			pushed.Store(true)
			wg.Wait()
			for i := range taken {
				if k := taken[i].Load(); k != 1 {
					t.Fatalf("element %d was taken %d times", i, k)
				}
			}
			if !d.Empty() || d.Pop() != nil {
				t.Error("there is something left")
			}
		})
	}
}

// BenchmarkDeque compares a deque with a slice under a mutex.
func BenchmarkDeque(b *testing.B) {
	v := new(int)
	for _, depth := range []int{0, 10} { // elements that are there all the time
		b.Run(fmt.Sprintf("pushpop/%d/deque", depth), func(b *testing.B) {
			var d Deque[int]
			for range depth {
				d.Push(v)
			}
			for b.Loop() {
				d.Push(v)
				d.Pop()
			}
		})
		b.Run(fmt.Sprintf("pushpop/%d/mutex", depth), func(b *testing.B) {
			var l locked
			for range depth {
				l.Push(v)
			}
			for b.Loop() {
				l.Push(v)
				l.Pop()
			}
		})
	}
	b.Run("pushsteal/deque", func(b *testing.B) {
		var d Deque[int]
		for b.Loop() {
			d.Push(v)
			d.Steal()
		}
	})
	b.Run("pushsteal/mutex", func(b *testing.B) {
		var l locked
		for b.Loop() {
			l.Push(v)
			l.Steal()
		}
	})
}
