package strand_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/go-braid/braid/strand"
	"pgregory.net/rapid"
)

// TestQueueKindsModel holds each kind of queue, used by one strand, against a slice
// in the order of the puts.
func TestQueueKindsModel(t *testing.T) {
	kinds := map[string]struct {
		open func(capacity int) anyQueue
		next func(items []int) int // the index of the item whose turn it is
	}{
		"Queue":     {queueKinds[0].open, func([]int) int { return 0 }},
		"LifoQueue": {queueKinds[1].open, func(items []int) int { return len(items) - 1 }},
		"PriorityQueue": {
			// Items with the same tens are equal, so that it matters who came first.
			func(capacity int) anyQueue {
				return strand.NewPriorityQueue(capacity, func(a, b int) int { return a/10 - b/10 })
			},
			func(items []int) int {
				first := 0
				for i, v := range items {
					if v/10 < items[first]/10 {
						first = i
					}
				}
				return first
			},
		},
	}
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				capacity := rapid.IntRange(1, 40).Draw(t, "capacity")
				q := kind.open(capacity)
				var model []int
				puts, gets := 0, 0
				t.Repeat(map[string]func(*rapid.T){
					"put": func(t *rapid.T) {
						v := rapid.IntRange(0, 59).Draw(t, "item")
						err := q.TryPut(v)
						if full := len(model) >= capacity; full != (err == strand.ErrFull) || !full && err != nil {
							t.Fatalf("TryPut returned %v with %d items of %d", err, len(model), capacity)
						}
						if err == nil {
							model = append(model, v)
							puts++
						}
					},
					"get": func(t *rapid.T) {
						v, err := q.TryGet()
						if len(model) == 0 {
							if err != strand.ErrEmpty {
								t.Fatalf("TryGet from an empty queue returned %v", err)
							}
							return
						}
						i := kind.next(model)
						if err != nil || v != model[i] {
							t.Fatalf("TryGet = %d, %v, want %d of %v", v, err, model[i], model)
						}
						model = slices.Delete(model, i, i+1)
						gets++
					},
					"resize": func(t *rapid.T) {
						capacity = rapid.IntRange(1, 40).Draw(t, "new capacity")
						q.Resize(capacity)
					},
					"": func(t *rapid.T) {
						st := q.Statistics()
						want := strand.QueueStatistics{Len: len(model), Cap: capacity,
							Puts: uint64(puts), Gets: uint64(gets), Unfinished: uint64(puts)}
						if st != want {
							t.Fatalf("Statistics() = %+v, want %+v", st, want)
						}
					},
				})
				if got := q.ShutdownNow(); !slices.Equal(got, model) {
					t.Fatalf("ShutdownNow() = %v, want %v", got, model)
				}
			})
		})
	}
}

func TestQueueKindsBadCapacity(t *testing.T) {
	for name, open := range map[string]func(){
		"NewLifoQueue(0)":      func() { strand.NewLifoQueue[int](0) },
		"NewPriorityQueue(-1)": func() { strand.NewPriorityQueue(-1, strings.Compare) },
	} {
		want := fmt.Sprintf("strand: %s: the capacity must be at least 1", name)
		if got := mustPanic(t, open); got != want {
			t.Errorf("the panic says %q, want %q", got, want)
		}
	}
}

// TestQueueKindsKeepNothing is TestQueueKeepsNothingItDoesNotHold for the others.
func TestQueueKindsKeepNothing(t *testing.T) {
	type item struct {
		n int
		_ [64]byte
	}
	lifo := strand.NewLifoQueue[*item](8)
	priority := strand.NewPriorityQueue(8, func(a, b *item) int { return b.n - a.n })
	var refs []weak.Pointer[item]
	for i := range 6 {
		v := &item{n: i}
		refs = append(refs, weak.Make(v))
		if lifo.TryPut(v) != nil || priority.TryPut(v) != nil {
			t.Fatal("there is no room")
		}
	}
	for range refs {
		_, err := lifo.TryGet()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := priority.TryGet(); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	for i, r := range refs {
		if r.Value() != nil {
			t.Errorf("item %d is still reachable after it was got", i)
		}
	}
	runtime.KeepAlive(lifo)
	runtime.KeepAlive(priority)
}

func TestQueueAll(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(2)
		s.Go("producer", func(ctx context.Context) {
			for i := range 10 {
				must(t, q.Put(ctx, i))
			}
			q.Shutdown()
		})
		var got []int
		for v, err := range q.All(ctx) {
			must(t, err)
			if got = append(got, v); len(got) == 4 {
				break
			}
		}
		for v, err := range q.All(ctx) { // goes on where the first ended
			must(t, err)
			got = append(got, v)
		}
		slices.Sort(got)
		if !slices.Equal(got, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
			t.Errorf("the items were %v, want each once", got)
		}

		q = open(2)
		must(t, q.Put(ctx, 1))
		late, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		var seen []string
		for v, err := range q.All(late) {
			seen = append(seen, fmt.Sprint(v, " ", outcome(err)))
		}
		if got := strings.Join(seen, ", "); got != "1 ok, 0 late" {
			t.Errorf("All yielded %q, want the item and the end of the context", got)
		}
	})
}
