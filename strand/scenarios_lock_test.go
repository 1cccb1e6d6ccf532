package strand_test

// The tests of this file, and a few that it names, re-express scenarios of
// CPython's tests of the locks of threading and asyncio. The numbers are those of a
// list of such scenarios; each test's name repeats its number. Each runs in every
// world.
//
//	  1  different_thread               TestScenario001_UnlockedByAnother
//	  2  state_after_timeout            TestScenario002_LockAfterTimeout
//	  3  acquire_contended              TestScenario003_OneAtATime
//	  4  timeout                        TestScenario004_TimeoutTakesItsTime; a timeout is a context's
//	                                    and cannot be negative or too large
//	  5  thread_leak                    TestScenario005_ForeignGoroutine: there are no thread objects,
//	                                    and a lock keeps nothing of who has unlocked it
//	  6  RLock                          TestScenario006_RLock*
//	  7  Event set_and_clear            TestScenario007_SetAndClear
//	  8  Event timeout                  TestScenario008_EventTimeout
//	  9  Condition acquire              TestScenario009_ConditionSharesItsLock; the lock of a zero
//	                                    Condition is a Mutex, since an RLock needs identities
//	 10  unacquired wait, notify        TestScenario010_ConditionWithoutLock
//	 11  notify                         TestScenario011_NotifyCounts
//	 12  waitfor, waitfor_timeout       TestScenario012_WaitFor
//	 13  multirelease                   TestScenario013_ReleaseSeveral
//	 14  acquire_contended, _timeout    TestScenario014_SemaphoreContended
//	 15  bounded over-release           TestScenario015_BoundedSemaphore
//	 16  barrier_10                     TestScenario016_Lockstep
//	 17  wait_return                    TestScenario017_IndicesDiffer
//	 18  action                         TestScenario018_ActionOnce
//	 19  abort                          TestScenario019_Abort
//	 20  reset                          TestScenario020_Reset
//	 21  abort_and_reset                TestScenario021_AbortAndReset
//	 22  timeout, default_timeout       TestScenario022_BarrierTimeout; a barrier has no timeout of its
//	                                    own: give the strands one context with a deadline
//	 23  single_thread                  TestScenario023_SingleStrand
//	123  locks of asyncio under cancel  TestScenario123_*, and every order of arrivals, cancels and
//	                                    wake-ups in the tests called EveryOrder; Event
//	                                    clear_with_waiters is scenario 7

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-braid/braid/strand"
)

// A diary is where the strands of a scenario note what happens to them.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, fmt.Sprintf(format, args...))
}

// tear returns what was noted since the last call.
func (d *diary) tear() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	entries := d.entries
	d.entries = nil
	return entries
}

// expect compares what was noted since the last call with a list that is separated
// by commas.
func (d *diary) expect(t *testing.T, want string) {
	t.Helper()
	if got := strings.Join(d.tear(), ", "); got != want {
		t.Errorf("what happened: %q, want %q", got, want)
	}
}

// expectSorted is expect, whatever the order.
func (d *diary) expectSorted(t *testing.T, want string) {
	t.Helper()
	entries := d.tear()
	slices.Sort(entries)
	if got := strings.Join(entries, ", "); got != want {
		t.Errorf("what happened, sorted: %q, want %q", got, want)
	}
}

// outcome names an error for a diary.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, strand.ErrBroken), errors.Is(err, strand.ErrBarrierBroken):
		return "broken"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, context.DeadlineExceeded):
		return "late"
	}
	return err.Error()
}

// must reports an error that should not be.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func TestScenario001_UnlockedByAnother(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var m strand.Mutex
		must(t, m.Lock(ctx))
		s.Go("unlocks", func(ctx context.Context) { m.Unlock() })
		s.Wait(ctx)
		if st := m.Statistics(); st.Locked {
			t.Errorf("Statistics() = %+v after another strand has unlocked it", st)
		}
		s.Go("locks", func(ctx context.Context) {
			must(t, m.Lock(ctx))
			m.Unlock()
		})
		s.Wait(ctx)
		must(t, m.Lock(ctx))
		m.Unlock()
	})
}

func TestScenario002_LockAfterTimeout(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var m strand.Mutex
		var d diary
		must(t, m.Lock(ctx))
		s.Go("late", func(ctx context.Context) {
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			d.note("%s", outcome(m.Lock(short)))
		})
		s.Wait(ctx)
		d.expect(t, "late")
		m.Unlock()
		must(t, m.Lock(ctx))
		m.Unlock()
	})
}

func TestScenario003_OneAtATime(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		const n = 5
		var m strand.Mutex
		var d diary
		var release strand.Event
		must(t, m.Lock(ctx))
		for i := range n {
			s.Go("locks", func(ctx context.Context) {
				must(t, m.Lock(ctx))
				d.note("%d", i)
				must(t, release.Wait(ctx)) // so that main unlocks it
			})
			s.Settle(ctx)
		}
		if w := m.Statistics().Waiting; w != n {
			t.Errorf("%d strands wait, want %d", w, n)
		}
		for i := range n {
			d.expect(t, "")
			m.Unlock()
			s.Settle(ctx)
			d.expect(t, fmt.Sprint(i))
		}
		m.Unlock()
		release.Set()
		s.Wait(ctx)
		if st := m.Statistics(); st != (strand.MutexStatistics{}) {
			t.Errorf("Statistics() = %+v at the end, want none", st)
		}
	})
}

func TestScenario004_TimeoutTakesItsTime(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var m strand.Mutex
		must(t, m.Lock(ctx))
		defer m.Unlock()
		for _, d := range []time.Duration{-time.Second, 0, time.Minute, 24 * time.Hour} {
			s.Go("late", func(ctx context.Context) {
				start := strand.Now(ctx)
				short, cancel := context.WithDeadline(ctx, start.Add(d))
				defer cancel()
				if err := m.Lock(short); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("with a timeout of %v, Lock returned %v", d, err)
				}
				if took := strand.Now(ctx).Sub(start); took != max(d, 0) {
					t.Errorf("with a timeout of %v, Lock took %v", d, took)
				}
			})
			s.Wait(ctx)
		}
	})
}

func TestScenario005_ForeignGoroutine(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var m strand.Mutex
		var foreign sync.WaitGroup
		foreign.Go(func() {
			ctx := context.Background()
			must(t, m.Lock(ctx))
			if h := m.Holders(); h != nil {
				t.Errorf("Holders() = %v while a goroutine without identity holds it, want none", h)
			}
			m.Unlock()
		})
		foreign.Wait()
		must(t, m.Lock(ctx))
		if h := m.Holders(); !slices.Equal(h, []*strand.Strand{strand.Self(ctx)}) {
			t.Errorf("Holders() = %v, want the strand that holds it", h)
		}
		m.Unlock()
		if h := m.Holders(); h != nil {
			t.Errorf("Holders() = %v of a free mutex, want none", h)
		}
	})
}

func TestScenario006_RLockDepth(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var r strand.RLock
		var d diary
		for depth := 1; depth <= 3; depth++ {
			must(t, r.Lock(ctx))
			if st := r.Statistics(); st.Depth != depth {
				t.Errorf("Statistics() = %+v, want depth %d", st, depth)
			}
		}
		s.Go("another", func(ctx context.Context) {
			must(t, r.Lock(ctx))
			d.note("locked")
			r.Unlock(ctx)
		})
		s.Settle(ctx)
		must(t, r.Lock(ctx)) // also while another one waits
		for range 4 {
			d.expect(t, "")
			r.Unlock(ctx)
			s.Settle(ctx)
		}
		d.expect(t, "locked")
		if st := r.Statistics(); st != (strand.RLockStatistics{}) {
			t.Errorf("Statistics() = %+v at the end, want none", st)
		}
	})
}

func TestScenario006_RLockOwnerOnly(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		const want = "strand: Unlock of an RLock by a strand that does not hold it"
		var r strand.RLock
		if got := mustPanic(t, func() { r.Unlock(ctx) }); got != want {
			t.Errorf("Unlock of a free RLock panics with %q", got)
		}
		must(t, r.Lock(ctx))
		s.Go("another", func(ctx context.Context) {
			if got := mustPanic(t, func() { r.Unlock(ctx) }); got != want {
				t.Errorf("Unlock by another strand panics with %q", got)
			}
			if r.TryLock(ctx) {
				t.Error("TryLock by another strand = true")
			}
		})
		s.Wait(ctx)
		if st := r.Statistics(); st.Depth != 1 {
			t.Errorf("Statistics() = %+v, want depth 1", st)
		}
		r.Unlock(ctx)
		if got := mustPanic(t, func() { r.Unlock(ctx) }); got != want {
			t.Errorf("Unlock once too often panics with %q", got)
		}
	})
}

func TestScenario007_SetAndClear(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var e strand.Event
		var woken atomic.Int32
		for range 5 {
			s.Go("waits", func(ctx context.Context) {
				must(t, e.Wait(ctx))
				woken.Add(1)
			})
		}
		s.Settle(ctx)
		e.Set()
		e.Clear()
		s.Wait(ctx)
		if n := woken.Load(); n != 5 || e.IsSet() {
			t.Errorf("%d of 5 strands were woken; IsSet() = %v", n, e.IsSet())
		}
	})
}

func TestScenario008_EventTimeout(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var e strand.Event
		for _, d := range []time.Duration{0, time.Second} {
			for _, set := range []bool{false, true} {
				s.Go("waits", func(ctx context.Context) {
					if set {
						e.Set()
					}
					short, cancel := context.WithTimeout(ctx, d)
					defer cancel()
					if err := e.Wait(short); (err == nil) != set {
						t.Errorf("timeout %v: Wait returned %v although IsSet() = %v", d, err, set)
					}
					e.Clear()
				})
				s.Wait(ctx)
			}
		}
	})
}

func TestScenario009_ConditionSharesItsLock(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var m strand.Mutex
		c := strand.NewCondition(&m)
		must(t, c.Lock(ctx))
		if m.TryLock() {
			t.Error("the mutex is free while the condition is locked")
		}
		m.Unlock()
		must(t, m.Lock(ctx))
		c.Unlock(ctx)
		if m.Statistics().Locked {
			t.Error("the mutex is locked after the condition was unlocked")
		}

		var r strand.RLock
		c = strand.NewCondition(&r)
		must(t, r.Lock(ctx))
		must(t, c.Lock(ctx))
		s.Go("notifies", func(ctx context.Context) {
			must(t, r.Lock(ctx)) // Wait lets go of it twice
			c.Notify(1)
			r.Unlock(ctx)
		})
		must(t, c.Wait(ctx))
		if st := r.Statistics(); st.Depth != 2 {
			t.Errorf("Statistics() = %+v after Wait, want depth 2 as before", st)
		}
		c.Unlock(ctx)
		r.Unlock(ctx)

		var own strand.Condition
		must(t, own.Lock(ctx))
		s.Go("notifies", func(ctx context.Context) {
			must(t, own.Lock(ctx))
			own.NotifyAll()
			own.Unlock(ctx)
		})
		must(t, own.Wait(ctx))
		own.Unlock(ctx)
	})
}

func TestScenario010_ConditionWithoutLock(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		for name, c := range map[string]*strand.Condition{
			"own": {}, "Mutex": strand.NewCondition(new(strand.Mutex)), "RLock": strand.NewCondition(new(strand.RLock)),
		} {
			check := func(got, want string) {
				t.Helper()
				if got != want {
					t.Errorf("%s: the panic says %q, want %q", name, got, want)
				}
			}
			wait := func() { _ = c.Wait(ctx) }
			waitFor := func() { _ = c.WaitFor(ctx, func() bool { return true }) }
			const (
				noWait    = "strand: Wait on a Condition by a strand that does not hold its lock"
				noWaitFor = "strand: WaitFor on a Condition by a strand that does not hold its lock"
			)
			check(mustPanic(t, wait), noWait)
			check(mustPanic(t, waitFor), noWaitFor)
			check(mustPanic(t, func() { c.Notify(1) }), "strand: Notify on a Condition whose lock is not held")
			check(mustPanic(t, c.NotifyAll), "strand: NotifyAll on a Condition whose lock is not held")
			check(mustPanic(t, func() { c.Notify(-1) }), "strand: cannot notify -1 strands")

			var done strand.Event
			s.Go("holds it", func(ctx context.Context) {
				must(t, c.Lock(ctx))
				must(t, done.Wait(ctx))
				c.Unlock(ctx)
			})
			s.Settle(ctx)
			check(mustPanic(t, wait), noWait)
			check(mustPanic(t, waitFor), noWaitFor)
			done.Set()
			s.Wait(ctx)
			must(t, c.Lock(ctx)) // it is as it was
			c.Unlock(ctx)
		}
	})
}

func TestScenario011_NotifyCounts(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		const n = 9
		var c strand.Condition
		var d diary
		notify := func(f func()) {
			must(t, c.Lock(ctx))
			f()
			s.Settle(ctx)
			d.expect(t, "") // nobody goes on before we unlock
			c.Unlock(ctx)
			s.Settle(ctx)
		}
		for range 2 { // the first run leaves nothing behind
			for i := range n {
				s.Go("waits", func(ctx context.Context) {
					must(t, c.Lock(ctx))
					must(t, c.Wait(ctx))
					d.note("%d", i)
					c.Unlock(ctx)
				})
				s.Settle(ctx)
			}
			notify(func() { c.Notify(0) })
			d.expect(t, "")
			notify(func() { c.Notify(3) })
			d.expectSorted(t, "0, 1, 2")
			notify(func() { c.Notify(2); c.Notify(1) })
			d.expectSorted(t, "3, 4, 5")
			if st := c.Statistics(); st.Waiting != 3 {
				t.Errorf("Statistics() = %+v, want 3 waiting", st)
			}
			notify(c.NotifyAll)
			d.expectSorted(t, "6, 7, 8")
			notify(c.NotifyAll)
			notify(func() { c.Notify(5) }) // nobody waits: it is forgotten
			s.Wait(ctx)
		}
	})
}

func TestScenario012_WaitFor(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var c strand.Condition
		state := 0
		s.Go("waits", func(ctx context.Context) {
			must(t, c.Lock(ctx))
			defer c.Unlock(ctx)
			must(t, c.WaitFor(ctx, func() bool { return state == 4 }))
			if state != 4 {
				t.Errorf("WaitFor returned in state %d, want 4", state)
			}
		})
		s.Go("waits for what never comes", func(ctx context.Context) {
			must(t, c.Lock(ctx))
			defer c.Unlock(ctx)
			start := strand.Now(ctx)
			short, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			if err := c.WaitFor(short, func() bool { return state == 5 }); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("WaitFor returned %v, want context.DeadlineExceeded", err)
			}
			if took := strand.Now(ctx).Sub(start); took != time.Minute {
				t.Errorf("WaitFor took %v, want a minute", took)
			}
			must(t, c.WaitFor(short, func() bool { return true })) // needs no wait
		})
		for range 4 {
			s.Settle(ctx)
			must(t, c.Lock(ctx))
			state++
			c.Notify(2)
			c.Unlock(ctx)
		}
		s.Wait(ctx)
	})
}

func TestScenario013_ReleaseSeveral(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		sem := strand.NewSemaphore(0)
		var d diary
		for i := range 6 {
			s.Go("acquires", func(ctx context.Context) {
				must(t, sem.Acquire(ctx, 1))
				d.note("%d", i)
			})
			s.Settle(ctx)
		}
		sem.Release(4)
		s.Settle(ctx)
		d.expectSorted(t, "0, 1, 2, 3")
		sem.Release(2)
		s.Wait(ctx)
		d.expectSorted(t, "4, 5")
	})
}

func TestScenario014_SemaphoreContended(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		const permits = 3
		sem := strand.NewBoundedSemaphore(permits)
		var held, most, timeouts atomic.Int32
		for i := range 10 {
			s.Go("acquires", func(ctx context.Context) {
				short, cancel := context.WithTimeout(ctx, time.Duration(i+1)*time.Second)
				defer cancel()
				if err := sem.Acquire(short, 1); err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					timeouts.Add(1)
					return
				}
				most.Store(max(most.Load(), held.Add(1)))
				must(t, strand.Sleep(ctx, 2500*time.Millisecond)) // virtual time
				held.Add(-1)
				sem.Release(1)
			})
			s.Settle(ctx)
		}
		s.Wait(ctx)
		// At 2.5 s, those with a timeout of 4, 5 and 6 s follow the first three; at
		// 5 s, those with 7, 8 and 9; the last one at 7.5 s.
		if most.Load() != permits || timeouts.Load() != 0 {
			t.Errorf("at most %d held a permit at once, want %d; %d timeouts, want none", most.Load(), permits, timeouts.Load())
		}
		must(t, sem.Acquire(ctx, permits))
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := sem.Acquire(short, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Acquire returned %v, want context.DeadlineExceeded", err)
		}
		sem.Release(permits)
		if st := sem.Statistics(); st != (strand.SemaphoreStatistics{Free: permits}) {
			t.Errorf("Statistics() = %+v at the end, want %d free", st, permits)
		}
	})
}

func TestScenario015_BoundedSemaphore(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		sem := strand.NewBoundedSemaphore(2)
		want := "strand: cannot release 1 permits: 2 of 2 are free, so fewer are held"
		if got := mustPanic(t, func() { sem.Release(1) }); got != want {
			t.Errorf("the panic says %q, want %q", got, want)
		}
		must(t, sem.Acquire(ctx, 1))
		mustPanic(t, func() { sem.Release(2) })
		if st := sem.Statistics(); st.Free != 1 {
			t.Errorf("%d permits are free after the panic, want 1", st.Free)
		}
		sem.Release(1)
		for _, n := range []int{3, -1} {
			mustPanic(t, func() { _ = sem.Acquire(ctx, n) })
			mustPanic(t, func() { sem.TryAcquire(n) })
		}
		must(t, sem.Acquire(ctx, 2))
		s.Go("acquires", func(ctx context.Context) {
			must(t, sem.Acquire(ctx, 2))
			sem.Release(2)
		})
		s.Settle(ctx)
		sem.Release(2)
		s.Wait(ctx)
		if st := sem.Statistics(); st != (strand.SemaphoreStatistics{Free: 2}) {
			t.Errorf("Statistics() = %+v at the end, want 2 free", st)
		}
	})
}
