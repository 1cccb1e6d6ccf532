package strand_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"weak"

	"github.com/go-braid/braid/strand"
)

func TestQueueOrderAndGrowth(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 4, 5, 7, 8, 9, 100, math.MaxInt} {
		q := strand.NewQueue[int](capacity)
		fill := min(capacity, 50)
		next, want := 0, 0
		for round := range 4 {
			for range fill {
				if err := q.TryPut(next); err != nil {
					t.Fatalf("capacity %d: TryPut: %v", capacity, err)
				}
				next++
			}
			if fill == capacity {
				if err := q.TryPut(-1); err != strand.ErrFull {
					t.Fatalf("capacity %d: TryPut to a full queue returned %v, want ErrFull", capacity, err)
				}
			}
			// Leave some, so that the ring's beginning moves between the rounds.
			leave := min(round, fill-1)
			for range fill - leave {
				v, err := q.TryGet()
				if err != nil || v != want {
					t.Fatalf("capacity %d: TryGet = %d, %v, want %d", capacity, v, err, want)
				}
				want++
			}
			fill -= leave
		}
		rest := next - want
		if st := q.Statistics(); st != (strand.QueueStatistics{Len: rest, Cap: capacity, Puts: uint64(next), Gets: uint64(want), Unfinished: uint64(next)}) {
			t.Errorf("capacity %d: Statistics() = %+v, want %d items of %d put", capacity, st, rest, next)
		}
		for ; rest > 0; rest-- {
			if v, err := q.TryGet(); err != nil || v != want {
				t.Fatalf("capacity %d: TryGet = %d, %v, want %d", capacity, v, err, want)
			}
			want++
		}
		if _, err := q.TryGet(); err != strand.ErrEmpty {
			t.Errorf("capacity %d: TryGet of an empty queue returned %v, want ErrEmpty", capacity, err)
		}
	}
}

func TestQueueBadCapacity(t *testing.T) {
	want := "strand: NewQueue(0): the capacity must be at least 1"
	if got := mustPanic(t, func() { strand.NewQueue[int](0) }); got != want {
		t.Errorf("the panic says %q, want %q", got, want)
	}
	mustPanic(t, func() { strand.NewQueue[int](math.MinInt) })
}

func TestQueueServesWaitersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := strand.NewQueue[int](2)
		got := make([]int, 3)
		for i := range got {
			go func() {
				v, err := q.Get(bg)
				if err != nil {
					t.Error(err)
				}
				got[i] = v
			}()
			synctest.Wait()
		}
		if st := q.Statistics(); st.Getters != 3 {
			t.Errorf("%d strands wait in Get, want 3", st.Getters)
		}
		for v := 1; v <= 3; v++ {
			if err := q.Put(bg, v); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("the getters got %v, want [1 2 3]", got)
		}

		for v := 1; v <= 5; v++ {
			go func() {
				if err := q.Put(bg, v); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		if st := q.Statistics(); st.Putters != 3 || st.Len != 2 {
			t.Errorf("%d items and %d strands that wait in Put, want 2 and 3", st.Len, st.Putters)
		}
		for v := 1; v <= 5; v++ {
			if got, err := q.Get(bg); err != nil || got != v {
				t.Errorf("Get = %d, %v, want %d", got, err, v)
			}
		}
	})
}

func TestQueueNeedNotWaitIgnoresContext(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	q := strand.NewQueue[int](1)
	if err := q.Put(ctx, 1); err != nil {
		t.Errorf("Put into an empty queue returned %v, want nil", err)
	}
	if err := q.Put(ctx, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("Put into a full queue returned %v, want context.Canceled", err)
	}
	if v, err := q.Get(ctx); v != 1 || err != nil {
		t.Errorf("Get = %d, %v, want 1", v, err)
	}
	if v, err := q.Get(ctx); v != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("Get = %d, %v, want 0 and context.Canceled", v, err)
	}
}

func TestQueueShutdown(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		for _, waiting := range []string{"nobody", "putters", "getters"} {
			name := "graceful"
			if immediate {
				name = "immediate"
			}
			t.Run(name+"/"+waiting, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					q := strand.NewQueue[int](2)
					errs := make(chan error, 3)
					items := []int{}
					switch waiting {
					case "putters":
						items = []int{1, 2}
						q.TryPut(1)
						q.TryPut(2)
						for range 3 {
							go func() { errs <- q.Put(bg, 9) }()
						}
					case "getters":
						for range 3 {
							go func() { _, err := q.Get(bg); errs <- err }()
						}
					case "nobody":
						items = []int{1}
						q.TryPut(1)
					}
					synctest.Wait()
					if immediate {
						if got := q.ShutdownNow(); !slices.Equal(got, items) {
							t.Errorf("ShutdownNow() = %v, want %v", got, items)
						}
						items = nil
					} else {
						q.Shutdown()
					}
					if waiting != "nobody" {
						for range 3 {
							if err := <-errs; err != strand.ErrShutdown {
								t.Errorf("a strand that waits got %v, want ErrShutdown", err)
							}
						}
					}
					if err := q.Put(bg, 3); err != strand.ErrShutdown {
						t.Errorf("Put returned %v, want ErrShutdown", err)
					}
					if err := q.TryPut(3); err != strand.ErrShutdown {
						t.Errorf("TryPut returned %v, want ErrShutdown", err)
					}
					for _, want := range items {
						if v, err := q.Get(bg); v != want || err != nil {
							t.Errorf("Get = %d, %v, want %d", v, err, want)
						}
					}
					if _, err := q.Get(bg); err != strand.ErrShutdown {
						t.Errorf("Get returned %v, want ErrShutdown", err)
					}
					if _, err := q.TryGet(); err != strand.ErrShutdown {
						t.Errorf("TryGet returned %v, want ErrShutdown", err)
					}
					st := q.Statistics()
					if !st.Shutdown || st.Len != 0 || st.Putters != 0 || st.Getters != 0 {
						t.Errorf("Statistics() = %+v, want it shut down and empty", st)
					}
				})
			})
		}
	}
}

func TestQueueShutdownTwice(t *testing.T) {
	q := strand.NewQueue[int](4)
	q.TryPut(1)
	q.Shutdown()
	q.Shutdown()
	if got := q.ShutdownNow(); !slices.Equal(got, []int{1}) {
		t.Errorf("ShutdownNow after Shutdown = %v, want [1]", got)
	}
	if got := q.ShutdownNow(); len(got) != 0 {
		t.Errorf("the second ShutdownNow = %v, want nothing", got)
	}
	q.Shutdown()
	if st := q.Statistics(); st.Gets != 0 || st.Puts != 1 {
		t.Errorf("%d puts and %d gets, want 1 and 0", st.Puts, st.Gets)
	}
}

// TestQueueConserves puts and gets under contexts that are cancelled at any time:
// every item whose Put succeeded is got exactly once, the others never, and the
// items of one producer come in their order.
func TestQueueConserves(t *testing.T) {
	for _, capacity := range []int{1, 3, math.MaxInt} {
		const producers, consumers, rounds = 4, 3, 300
		q := strand.NewQueue[[2]int](capacity)
		put := make([][]int, producers)
		got := make([][][2]int, consumers)
		var putting, getting sync.WaitGroup
		for p := range producers {
			putting.Go(func() {
				for i := range rounds {
					ctx, cancel := context.WithCancel(bg)
					go func() { spin(rand.IntN(6)); cancel() }()
					if q.Put(ctx, [2]int{p, i}) == nil {
						put[p] = append(put[p], i)
					}
				}
			})
		}
		for c := range consumers {
			getting.Go(func() {
				for {
					ctx, cancel := context.WithCancel(bg)
					go func() { spin(rand.IntN(6)); cancel() }()
					v, err := q.Get(ctx)
					if err == strand.ErrShutdown {
						return
					}
					if err == nil {
						got[c] = append(got[c], v)
					}
				}
			})
		}
		putting.Wait()
		q.Shutdown()
		getting.Wait()

		seen := make([][]int, producers)
		for _, vs := range got {
			last := []int{-1, -1, -1, -1}
			for _, v := range vs {
				p, i := v[0], v[1]
				if i <= last[p] {
					t.Errorf("capacity %d: item %d of producer %d came after its item %d", capacity, i, p, last[p])
				}
				last[p] = i
				seen[p] = append(seen[p], i)
			}
		}
		for p := range producers {
			slices.Sort(seen[p])
			if !slices.Equal(seen[p], put[p]) {
				t.Errorf("capacity %d: of producer %d, %d items were put and %d others got", capacity, p, len(put[p]), len(seen[p]))
			}
		}
		st := q.Statistics()
		if st.Puts != st.Gets || st.Len != 0 {
			t.Errorf("capacity %d: Statistics() = %+v at the end, want as many gets as puts", capacity, st)
		}
	}
}

// TestQueueShutdownMidway shuts down while many put and get: everybody ends.
func TestQueueShutdownMidway(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		q := strand.NewQueue[int](4)
		var puts, gets atomic.Int64
		var left []int
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for q.Put(bg, 1) == nil {
					if puts.Add(1) == 2000 {
						if immediate {
							left = q.ShutdownNow()
						} else {
							q.Shutdown()
						}
					}
				}
			})
		}
		for range 6 {
			wg.Go(func() {
				for {
					if _, err := q.Get(bg); err != nil {
						if err != strand.ErrShutdown {
							t.Errorf("Get returned %v, want ErrShutdown", err)
						}
						return
					}
					gets.Add(1)
				}
			})
		}
		wg.Wait()
		if p, g := puts.Load(), gets.Load()+int64(len(left)); p != g {
			t.Errorf("%d items were put, %d got or returned by ShutdownNow", p, g)
		}
	}
}

func TestQueueKeepsNothingItDoesNotHold(t *testing.T) {
	type item struct{ _ [64]byte }
	q := strand.NewQueue[*item](8)
	var refs []weak.Pointer[item]
	for range 6 { // more than the ring's first size
		v := new(item)
		refs = append(refs, weak.Make(v))
		q.TryPut(v)
	}
	for range refs {
		if _, err := q.TryGet(); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	for i, r := range refs {
		if r.Value() != nil {
			t.Errorf("item %d is still reachable after it was got", i)
		}
	}
	runtime.KeepAlive(q)
}
