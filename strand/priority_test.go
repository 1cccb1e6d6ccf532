package strand_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/go-braid/braid/strand"
)

// TestPriorityQueueFIFOAmongEqual puts many items of few priorities.
func TestPriorityQueueFIFOAmongEqual(t *testing.T) {
	type item struct{ priority, n int }
	q := strand.NewPriorityQueue(1000, func(a, b item) int { return cmp.Compare(a.priority, b.priority) })
	for n := range 1000 {
		if err := q.TryPut(item{priority: n * 7919 % 5, n: n}); err != nil {
			t.Fatal(err)
		}
	}
	last := item{priority: -1}
	for range 1000 {
		v, err := q.TryGet()
		if err != nil {
			t.Fatal(err)
		}
		if v.priority < last.priority || v.priority == last.priority && v.n < last.n {
			t.Fatalf("%+v came after %+v", v, last)
		}
		last = v
	}
}

func TestPriorityQueueNoCompare(t *testing.T) {
	got := mustPanic(t, func() { strand.NewPriorityQueue[int](1, nil) })
	if !strings.Contains(got, "compare is nil") || !strings.Contains(got, "cmp.Compare") {
		t.Errorf("the panic says %q, want what is wrong and what to pass", got)
	}
}

// FuzzPriorityQueue reads its input as puts and gets: a byte below 128 is an item
// to put, another one is a get. A comparison with the item 7 fails every third time.
func FuzzPriorityQueue(f *testing.F) {
	f.Add([]byte{5, 3, 4, 200, 1, 200, 200, 200})
	f.Add([]byte{7, 1, 7, 2, 7, 3, 200, 200, 200, 200, 200, 200, 200})
	f.Add([]byte("\x09\x08\x07\x06\x05\x04\x03\x02\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		comparisons := 0
		q := strand.NewPriorityQueue(len(ops)+1, func(a, b byte) int {
			if comparisons++; (a == 7 || b == 7) && comparisons%3 == 0 {
				panic("fails")
			}
			return cmp.Compare(a, b)
		})
		var in [128]int // copies of each item that are in the queue
		n := 0
		for _, op := range ops {
			func() {
				defer func() {
					if v := recover(); v != nil && v != "fails" {
						panic(v)
					}
				}()
				if op < 128 {
					if err := q.TryPut(op); err != nil {
						t.Fatal(err)
					}
					in[op]++
					n++
					return
				}
				v, err := q.TryGet()
				if err != nil {
					if n > 0 {
						t.Fatalf("TryGet returned %v with %d items in the queue", err, n)
					}
					return
				}
				if in[v] == 0 {
					t.Fatalf("TryGet returned %d, which is not in the queue", v)
				}
				for less := range v {
					if in[less] > 0 {
						t.Fatalf("TryGet returned %d before %d", v, less)
					}
				}
				in[v]--
				n--
			}()
			if got := q.Statistics().Len; got != n {
				t.Fatalf("there are %d items, want %d", got, n)
			}
		}
	})
}
