package strand_test

// The tests of this file re-express scenarios of CPython's tests of queues, and of
// events under cancel. The numbers are those of a list of such scenarios; each
// test's name repeats its number. Each runs in every world, with every kind of
// queue where the order does not matter.
//
//	 37  queue_join, queue_task_done        TestScenario037_Join, TestScenario037_TaskDoneTooOften
//	 38  negative_timeout, nowait, shrink   TestScenario038_Nowait, TestScenario038_Timeout,
//	                                        TestScenario038_Shrink; a timeout is a context's and cannot
//	                                        be negative: one that is over is a context that is done
//	 39  failing_queue                      TestScenario039_CompareFailsInPut, _InGet, _ForAnother
//	 40  shutdown_nonempty, _immediate      TestScenario040_ShutdownNonempty
//	 41  shutdown_allowed_transitions       TestScenario041_ShutdownTransitions
//	 42  shutdown_all_methods_in_many       TestScenario042_ShutdownMidway
//	 43  shutdown_put, _get, _pending_get   TestScenario043_ShutdownReleases
//	 44  shutdown_immediate_join,           TestScenario044_JoinReleasedByDiscard,
//	     shutdown_get_task_done_join        TestScenario044_JoinReleasedByWork
//	 45  SimpleQueue reentrancy             TestScenario045_PutFromCleanup: on a goroutine of the runtime,
//	                                        so that it cannot interrupt a Put; a compare function must not
//	                                        use its own queue, but may use others:
//	                                        TestScenario045_PutFromCompare
//	 46  many_threads_timeout               TestScenario046_ManyWithTimeouts
//	123  Event clear_with_waiters           TestScenario123_EventClearWithWaiters; the rest of 123 is in
//	                                        scenarios_lock_test.go
//	124  get_cancelled_race                 TestScenario124_GetCancelledRace
//	     put_cancelled_race                 TestScenario124_PutCancelledRace
//	     get_cancel_drop_many_pending       TestScenario124_CancelManyGetters
//	     why_are_getters_waiting            TestScenario124_ManyPutters
//	     shutdown_immediate_with_unfinished TestScenario124_ShutdownNowWithUnfinished

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-braid/braid/strand"
)

// queueKinds are the kinds of queues, of integers.
var queueKinds = []struct {
	name string
	open func(capacity int) anyQueue
}{
	{"Queue", func(capacity int) anyQueue { return strand.NewQueue[int](capacity) }},
	{"LifoQueue", func(capacity int) anyQueue { return strand.NewLifoQueue[int](capacity) }},
	{"PriorityQueue", func(capacity int) anyQueue { return strand.NewPriorityQueue(capacity, cmp.Compare[int]) }},
}

// withQueues runs a scenario with every kind of queue in every world.
func withQueues(t *testing.T, main func(t *testing.T, ctx context.Context, s *spawner, open func(capacity int) anyQueue)) {
	for _, kind := range queueKinds {
		t.Run(kind.name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) { main(t, ctx, s, kind.open) })
		})
	}
}

// goCancellable is s.Go for a strand that can be cancelled, once it has run.
func goCancellable(s *spawner, name string, fn func(ctx context.Context)) (cancel func()) {
	var f atomic.Pointer[context.CancelFunc]
	s.Go(name, func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		f.Store(&cancel)
		fn(ctx)
	})
	return func() { (*f.Load())() }
}

func TestScenario037_Join(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(10)
		must(t, q.Join(ctx)) // there is nothing to wait for yet
		var sum atomic.Int64
		for range 3 {
			s.Go("worker", func(ctx context.Context) {
				for {
					v, err := q.Get(ctx)
					if err != nil {
						if err != strand.ErrShutdown {
							t.Errorf("Get returned %v", err)
						}
						return
					}
					must(t, strand.Sleep(ctx, time.Second))
					sum.Add(int64(v))
					q.TaskDone()
				}
			})
		}
		for round := 1; round <= 2; round++ { // it can be used again
			for i := range 100 {
				must(t, q.Put(ctx, i))
			}
			must(t, q.Join(ctx))
			if got, want := sum.Load(), int64(4950*round); got != want {
				t.Errorf("Join returned when the sum of the items that were done was %d, want %d", got, want)
			}
		}
		q.Shutdown()
	})
}

func TestScenario037_TaskDoneTooOften(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(2)
		mustPanic(t, q.TaskDone)
		must(t, q.Put(ctx, 1))
		mustPanic(t, q.TaskDone) // it is not taken yet
		if _, err := q.Get(ctx); err != nil {
			t.Error(err)
		}
		q.TaskDone()
		if got, want := mustPanic(t, q.TaskDone), "strand: TaskDone was called 2 times, but only 1 items were taken from the queue"; got != want {
			t.Errorf("the panic says %q, want %q", got, want)
		}
		must(t, q.Join(ctx)) // and the count is right
	})
}

func TestScenario038_Nowait(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(2)
		must(t, q.TryPut(1))
		must(t, q.TryPut(2))
		if err := q.TryPut(3); err != strand.ErrFull {
			t.Errorf("TryPut to a full queue returned %v, want ErrFull", err)
		}
		for range 2 {
			_, err := q.TryGet()
			must(t, err)
		}
		if v, err := q.TryGet(); v != 0 || err != strand.ErrEmpty {
			t.Errorf("TryGet from an empty queue returned %d, %v, want 0, ErrEmpty", v, err)
		}
	})
}

func TestScenario038_Timeout(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(1)
		for _, timeout := range []time.Duration{-time.Second, 0, time.Second} {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			start := strand.Now(ctx)
			if _, err := q.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("timeout %v: Get returned %v, want DeadlineExceeded", timeout, err)
			}
			must(t, q.Put(ctx, 1)) // there is room
			if err := q.Put(ctx, 2); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("timeout %v: Put returned %v, want DeadlineExceeded", timeout, err)
			}
			if v, err := q.Get(ctx); v != 1 || err != nil {
				t.Errorf("timeout %v: Get = %d, %v, want 1", timeout, v, err)
			}
			if got := strand.Now(ctx).Sub(start); got != max(0, timeout) {
				t.Errorf("timeout %v: it took %v", timeout, got)
			}
		}
	})
}

func TestScenario038_Shrink(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(3)
		for i := range 3 {
			must(t, q.Put(ctx, i))
		}
		q.Resize(1)
		if st := q.Statistics(); st.Len != 3 || st.Cap != 1 {
			t.Errorf("Statistics() = %+v, want all 3 items and a capacity of 1", st)
		}
		if err := q.TryPut(3); err != strand.ErrFull {
			t.Errorf("TryPut returned %v, want ErrFull", err)
		}
		var d diary
		s.Go("putter", func(ctx context.Context) {
			d.note("put %s", outcome(q.Put(ctx, 3)))
		})
		s.Settle(ctx)
		for range 2 {
			_, err := q.Get(ctx)
			must(t, err)
		}
		s.Settle(ctx)
		d.expect(t, "") // one is left, and there is room for one
		_, err := q.Get(ctx)
		must(t, err)
		s.Wait(ctx)
		d.expect(t, "put ok")

		for range 3 {
			s.Go("putter", func(ctx context.Context) { d.note("put %s", outcome(q.Put(ctx, 4))) })
		}
		s.Settle(ctx)
		q.Resize(3)
		s.Settle(ctx)
		d.expect(t, "put ok, put ok")
		q.Resize(math.MaxInt)
		s.Wait(ctx)
		d.expect(t, "put ok")
		if st := q.Statistics(); st.Len != 4 || st.Putters != 0 {
			t.Errorf("Statistics() = %+v, want 4 items and nobody who waits", st)
		}
		mustPanic(t, func() { q.Resize(0) })
	})
}

// A fragile item makes a comparison panic.
const fragile = 13

func compareOrPanic(a, b int) int {
	if a == fragile || b == fragile {
		panic("fragile")
	}
	return cmp.Compare(a, b)
}

// items takes all there is.
func items(q anyQueue) (items []int) {
	for v, err := q.TryGet(); err == nil; v, err = q.TryGet() {
		items = append(items, v)
	}
	return items
}

func TestScenario039_CompareFailsInPut(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		q := strand.NewPriorityQueue(10, compareOrPanic)
		for _, v := range []int{5, 3, 4, 1, 2} {
			must(t, q.Put(ctx, v))
		}
		for _, put := range []func(){
			func() { _ = q.TryPut(fragile) },
			func() { _ = q.Put(ctx, fragile) },
		} {
			if got := mustPanic(t, put); got != "fragile" {
				t.Errorf("the panic is %q, want that of compare", got)
			}
		}
		if st, want := q.Statistics(), (strand.QueueStatistics{Len: 5, Cap: 10, Puts: 5, Unfinished: 5}); st != want {
			t.Errorf("Statistics() = %+v, want %+v", st, want)
		}
		if got := items(q); !slices.Equal(got, []int{1, 2, 3, 4, 5}) {
			t.Errorf("the queue had %v, want 1 to 5", got)
		}
	})
}

func TestScenario039_CompareFailsInGet(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		broken := false
		q := strand.NewPriorityQueue(10, func(a, b int) int {
			if broken && a+b == 7 {
				panic("broken")
			}
			return cmp.Compare(a, b)
		})
		for _, v := range []int{1, 3, 5, 4, 2, 6} {
			must(t, q.Put(ctx, v))
		}
		broken = true
		failures := 0
		var got []int
		for q.Statistics().Len > 0 {
			func() {
				defer func() {
					if recover() != nil {
						failures++
						broken = false
					}
				}()
				v, err := q.Get(ctx)
				must(t, err)
				got = append(got, v)
			}()
		}
		if failures != 1 || !slices.Equal(got, []int{1, 2, 3, 4, 5, 6}) {
			t.Errorf("got %v with %d failures, want 1 to 6 and one failure", got, failures)
		}
		if st, want := q.Statistics(), (strand.QueueStatistics{Cap: 10, Puts: 6, Gets: 6, Unfinished: 6}); st != want {
			t.Errorf("Statistics() = %+v, want %+v", st, want)
		}
	})
}

// TestScenario039_CompareFailsForAnother has the comparison fail when a strand
// makes room for another one, whose item it is.
func TestScenario039_CompareFailsForAnother(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		q := strand.NewPriorityQueue(2, compareOrPanic)
		must(t, q.Put(ctx, 1))
		must(t, q.Put(ctx, 2))
		var d diary
		for _, v := range []int{fragile, 3, 4} {
			s.Go("putter", func(ctx context.Context) {
				defer func() {
					if r := recover(); r != nil {
						d.note("%v", r)
					}
				}()
				must(t, q.Put(ctx, v))
				d.note("%d", v)
			})
			s.Settle(ctx)
		}
		if v, err := q.Get(ctx); v != 1 || err != nil {
			t.Errorf("Get = %d, %v, want 1: it is not this strand's failure", v, err)
		}
		s.Settle(ctx)
		d.expectSorted(t, "3, fragile") // the next one got the place
		if got := items(q); !slices.Equal(got, []int{2, 3, 4}) {
			t.Errorf("the queue had %v, want 2, 3 and 4", got)
		}
		if st, want := q.Statistics(), (strand.QueueStatistics{Cap: 2, Puts: 4, Gets: 4, Unfinished: 4}); st != want {
			t.Errorf("Statistics() = %+v, want %+v", st, want)
		}
	})
}

func TestScenario040_ShutdownNonempty(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(3)
		must(t, q.Put(ctx, 1))
		must(t, q.Put(ctx, 2))
		q.Shutdown()
		if got := items(q); len(got) != 2 {
			t.Errorf("after Shutdown there are the items %v, want both", got)
		}
		if _, err := q.Get(ctx); err != strand.ErrShutdown {
			t.Errorf("Get returned %v, want ErrShutdown", err)
		}

		q = open(3)
		for _, v := range []int{2, 3, 1} {
			must(t, q.Put(ctx, v))
		}
		if got := q.ShutdownNow(); !slices.Equal(got, []int{2, 3, 1}) {
			t.Errorf("ShutdownNow() = %v, want [2 3 1], the order of the puts", got)
		}
		if _, err := q.TryGet(); err != strand.ErrShutdown {
			t.Errorf("TryGet returned %v, want ErrShutdown", err)
		}
	})
}

func TestScenario041_ShutdownTransitions(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(3)
		must(t, q.Put(ctx, 1))
		q.Shutdown()
		q.Shutdown()
		if st := q.Statistics(); !st.Shutdown || st.Len != 1 {
			t.Errorf("after Shutdown: %+v, want it shut down with its item", st)
		}
		if got := q.ShutdownNow(); !slices.Equal(got, []int{1}) {
			t.Errorf("ShutdownNow() = %v, want [1]", got)
		}
		q.Shutdown() // does not take it back
		if _, err := q.Get(ctx); err != strand.ErrShutdown {
			t.Errorf("Get returned %v, want ErrShutdown", err)
		}
		q.Resize(10)
		if err := q.TryPut(1); err != strand.ErrShutdown {
			t.Errorf("TryPut returned %v, want ErrShutdown", err)
		}
	})
}

func TestScenario042_ShutdownMidway(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		for _, immediate := range []bool{false, true} {
			const producers, consumers, each = 4, 6, 1 << 14
			q := open(64)
			var put, got, left atomic.Int64
			for range producers {
				s.Go("producer", func(ctx context.Context) {
					for i := range each {
						if err := q.Put(ctx, i); err != nil {
							if err != strand.ErrShutdown {
								t.Errorf("Put returned %v", err)
							}
							return
						}
						if put.Add(1) < producers*each/2 {
							continue
						}
						if immediate {
							left.Add(int64(len(q.ShutdownNow())))
						} else {
							q.Shutdown()
						}
					}
				})
			}
			for range consumers {
				s.Go("consumer", func(ctx context.Context) {
					for {
						if _, err := q.Get(ctx); err != nil {
							if err != strand.ErrShutdown {
								t.Errorf("Get returned %v", err)
							}
							return
						}
						got.Add(1)
						q.TaskDone()
					}
				})
			}
			s.Wait(ctx)
			if put.Load() != got.Load()+left.Load() {
				t.Errorf("%d items were put, %d got and %d left", put.Load(), got.Load(), left.Load())
			}
			must(t, q.Join(ctx))
		}
	})
}

func TestScenario043_ShutdownReleases(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		for _, immediate := range []bool{false, true} {
			shutdown := func(q anyQueue) {
				if immediate {
					q.ShutdownNow()
				} else {
					q.Shutdown()
				}
			}
			var d diary
			full := open(1)
			must(t, full.Put(ctx, 1))
			empty := open(1)
			for range 2 {
				s.Go("putter", func(ctx context.Context) {
					if err := full.Put(ctx, 2); err == strand.ErrShutdown {
						d.note("put")
					}
				})
				s.Go("getter", func(ctx context.Context) {
					if _, err := empty.Get(ctx); err == strand.ErrShutdown {
						d.note("get")
					}
				})
			}
			s.Settle(ctx)
			d.expect(t, "")
			shutdown(full)
			s.Settle(ctx)
			d.expect(t, "put, put")
			shutdown(empty)
			s.Wait(ctx)
			d.expect(t, "get, get")
		}
	})
}

func TestScenario044_JoinReleasedByDiscard(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(3)
		for i := range 3 {
			must(t, q.Put(ctx, i))
		}
		var d diary
		for range 2 {
			s.Go("joiner", func(ctx context.Context) { d.note("join %s", outcome(q.Join(ctx))) })
		}
		s.Settle(ctx)
		q.Shutdown()
		s.Settle(ctx)
		d.expect(t, "") // the items are still there
		q.ShutdownNow()
		s.Wait(ctx)
		d.expect(t, "join ok, join ok")
	})
}

func TestScenario044_JoinReleasedByWork(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(3)
		for i := range 2 {
			must(t, q.Put(ctx, i))
		}
		var d diary
		s.Go("joiner", func(ctx context.Context) { d.note("join %s", outcome(q.Join(ctx))) })
		s.Settle(ctx)
		q.Shutdown()
		for range 2 {
			d.expect(t, "")
			_, err := q.Get(ctx)
			must(t, err)
			s.Settle(ctx)
			d.expect(t, "")
			q.TaskDone()
			s.Settle(ctx)
		}
		d.expect(t, "join ok")
	})
}

// TestScenario045_PutFromCleanup puts from cleanups of the garbage collector while
// the same queue is used.
func TestScenario045_PutFromCleanup(t *testing.T) {
	const n = 20
	q := strand.NewQueue[int](2 * n)
	for i := range n {
		obj := new([16]byte)
		runtime.AddCleanup(obj, func(i int) {
			if err := q.TryPut(i); err != nil {
				t.Errorf("TryPut from a cleanup returned %v", err)
			}
		}, i)
	}
	seen := make(map[int]bool)
	for len(seen) < n {
		if err := q.Put(bg, -1); err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		for v, err := q.TryGet(); err == nil; v, err = q.TryGet() {
			if v >= 0 && seen[v] {
				t.Errorf("item %d came twice", v)
			}
			if v >= 0 {
				seen[v] = true
			}
		}
	}
}

func TestScenario045_PutFromCompare(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		log := strand.NewQueue[string](100)
		q := strand.NewPriorityQueue(3, func(a, b int) int {
			must(t, log.Put(ctx, fmt.Sprint(a, " with ", b)))
			return cmp.Compare(a, b)
		})
		must(t, q.Put(ctx, 2))
		must(t, q.Put(ctx, 1))
		if got := items(q); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("the queue had %v, want 1 and 2", got)
		}
		if got := strings.Join(log.ShutdownNow(), ", "); got != "1 with 2" {
			t.Errorf("the comparisons were %q, want one, of 1 with 2", got)
		}
	})
}

func TestScenario046_ManyWithTimeouts(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		const strands, each = 50, 20
		q := open(8)
		var put, got [strands * each]atomic.Int32
		for f := range strands {
			s.Go("feeder", func(ctx context.Context) {
				for i := f * each; i < (f+1)*each; i++ {
					ctx, cancel := context.WithTimeout(ctx, time.Duration(i%7)*time.Millisecond)
					if q.Put(ctx, i) == nil {
						put[i].Add(1)
					}
					cancel()
				}
			})
			s.Go("consumer", func(ctx context.Context) {
				for i := range each {
					ctx, cancel := context.WithTimeout(ctx, time.Duration(i%5)*time.Millisecond)
					if v, err := q.Get(ctx); err == nil {
						got[v].Add(1)
						_ = strand.Sleep(ctx, time.Duration(i%3)*time.Millisecond)
					}
					cancel()
				}
			})
		}
		s.Wait(ctx)
		for _, v := range items(q) {
			got[v].Add(1)
		}
		refused := 0
		for i := range put {
			if p, g := put[i].Load(), got[i].Load(); p != g {
				t.Errorf("item %d was put %d times and got %d times", i, p, g)
			} else if p == 0 {
				refused++
			}
		}
		if st := q.Statistics(); st.Puts != st.Gets || st.Putters+st.Getters > 0 {
			t.Errorf("Statistics() = %+v, want as many gets as puts, and nobody who waits", st)
		}
		t.Logf("%d of %d items were refused in time", refused, len(put))
	})
}

// TestScenario123_EventClearWithWaiters clears the flag of an event while strands
// wait: it does nothing to them, and the next Set wakes them all.
func TestScenario123_EventClearWithWaiters(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var e strand.Event
		var d diary
		wait := func(ctx context.Context) { d.note("%s", outcome(e.Wait(ctx))) }
		for range 3 {
			s.Go("waits", wait)
		}
		cancel := goCancellable(s, "gives up", wait)
		s.Settle(ctx)
		e.Clear()
		s.Settle(ctx)
		d.expect(t, "")
		if got := e.Statistics().Waiting; got != 4 {
			t.Errorf("%d strands wait, want 4", got)
		}
		cancel()
		s.Settle(ctx)
		d.expect(t, "cancelled")
		e.Set()
		e.Clear()
		s.Settle(ctx)
		d.expect(t, "ok, ok, ok")
		s.Go("is late", wait)
		s.Settle(ctx)
		d.expect(t, "")
		e.Set()
		s.Wait(ctx)
		d.expect(t, "ok")
	})
}

// TestScenario124_GetCancelledRace cancels the first of two getters, before or
// after an item is handed to it.
func TestScenario124_GetCancelledRace(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		for _, cancelFirst := range []bool{false, true} {
			q := open(1)
			var d diary
			get := func(ctx context.Context) {
				v, err := q.Get(ctx)
				d.note("%d %s", v, outcome(err))
			}
			cancel := goCancellable(s, "first", get)
			s.Settle(ctx)
			s.Go("second", get)
			s.Settle(ctx)
			if cancelFirst {
				cancel()
				s.Settle(ctx)
				must(t, q.TryPut(1))
				s.Wait(ctx)
				d.expect(t, "0 cancelled, 1 ok")
				continue
			}
			must(t, q.TryPut(1))
			cancel()
			s.Settle(ctx)
			d.expect(t, "1 ok") // the cancel came too late
			must(t, q.TryPut(2))
			s.Wait(ctx)
			d.expect(t, "2 ok")
		}
	})
}

// TestScenario124_PutCancelledRace cancels a putter for which there is no room: the
// next one takes its turn, and its item is nowhere.
func TestScenario124_PutCancelledRace(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		for _, cancelFirst := range []bool{false, true} {
			q := open(1)
			must(t, q.TryPut(1))
			var d diary
			put := func(v int) func(ctx context.Context) {
				return func(ctx context.Context) { d.note("%d %s", v, outcome(q.Put(ctx, v))) }
			}
			cancel := goCancellable(s, "first", put(2))
			s.Settle(ctx)
			s.Go("second", put(3))
			s.Settle(ctx)
			var got []int
			get := func() {
				v, err := q.TryGet()
				must(t, err)
				got = append(got, v)
			}
			if cancelFirst {
				cancel()
				s.Settle(ctx)
				get()
			} else {
				get()
				cancel()
			}
			s.Settle(ctx)
			get()
			s.Wait(ctx)
			got = append(got, items(q)...)
			if cancelFirst {
				d.expect(t, "2 cancelled, 3 ok")
				if !slices.Equal(got, []int{1, 3}) {
					t.Errorf("the items were %v, want 1 and 3", got)
				}
			} else {
				d.expect(t, "2 ok, 3 ok")
				if !slices.Equal(got, []int{1, 2, 3}) {
					t.Errorf("the items were %v, want 1, 2 and 3", got)
				}
			}
		}
	})
}

func TestScenario124_CancelManyGetters(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(1)
		var d diary
		var cancels []func()
		for range 8 {
			cancels = append(cancels, goCancellable(s, "getter", func(ctx context.Context) {
				v, err := q.Get(ctx)
				d.note("%d %s", v, outcome(err))
			}))
			s.Settle(ctx)
		}
		for i, cancel := range cancels {
			if i != 5 {
				cancel()
			}
		}
		must(t, q.Put(ctx, 1))
		s.Settle(ctx)
		got := d.tear()
		slices.Sort(got)
		// A getter that is cancelled in the same instant may still win.
		if cancelled := strings.Count(strings.Join(got, ","), "0 cancelled"); cancelled < 6 || !slices.Contains(got, "1 ok") {
			t.Errorf("what happened: %q, want that one gets the item and the cancelled ones do not", got)
		}
		if st := q.Statistics(); st.Len != 0 || st.Getters != 8-len(got) {
			t.Errorf("Statistics() = %+v after %d of 8 getters have ended", st, len(got))
		}
		q.Shutdown()
	})
}

// TestScenario124_ManyPutters has many more putters than room, and getters that
// come in between: nobody waits while there is something for him.
func TestScenario124_ManyPutters(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		const capacity, putters = 2, 10
		q := open(capacity)
		for i := range putters {
			s.Go("putter", func(ctx context.Context) { must(t, q.Put(ctx, i)) })
		}
		for taken := range putters {
			s.Settle(ctx)
			if st := q.Statistics(); st.Len != min(capacity, putters-taken) || st.Putters != max(0, putters-taken-capacity) {
				t.Errorf("after %d gets: %+v", taken, st)
			}
			if _, err := q.Get(ctx); err != nil {
				t.Error(err)
			}
		}
		s.Wait(ctx)
	})
}

// TestScenario124_ShutdownNowWithUnfinished shuts down while an item that was taken
// is not done: Join waits for it, and for nothing else.
func TestScenario124_ShutdownNowWithUnfinished(t *testing.T) {
	withQueues(t, func(t *testing.T, ctx context.Context, s *spawner, open func(int) anyQueue) {
		q := open(5)
		for i := range 5 {
			must(t, q.Put(ctx, i))
		}
		_, err := q.Get(ctx)
		must(t, err)
		if got := q.ShutdownNow(); len(got) != 4 {
			t.Errorf("ShutdownNow() = %v, want 4 items", got)
		}
		var d diary
		s.Go("joiner", func(ctx context.Context) { d.note("join %s", outcome(q.Join(ctx))) })
		cancel := goCancellable(s, "impatient", func(ctx context.Context) { d.note("join %s", outcome(q.Join(ctx))) })
		s.Settle(ctx)
		d.expect(t, "")
		cancel()
		s.Settle(ctx)
		d.expect(t, "join cancelled")
		q.TaskDone()
		s.Wait(ctx)
		d.expect(t, "join ok")
		mustPanic(t, q.TaskDone)
	})
}
