package strand_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-braid/braid/strand"
)

// The locks under cancel of the table in scenarios_lock_test.go.

// TestScenario123_MutexCancelRace cancels a waiter at the moment at which the mutex
// is handed to it: whoever wins, nobody is forgotten.
func TestScenario123_MutexCancelRace(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		for _, unlockFirst := range []bool{false, true} {
			var m strand.Mutex
			var d diary
			must(t, m.Lock(ctx))
			firstCtx, cancel := context.WithCancel(ctx)
			for _, who := range []string{"first", "second"} {
				s.Go(who, func(ctx context.Context) {
					if who == "first" {
						var stop context.CancelFunc
						ctx, stop = withCancelOf(ctx, firstCtx)
						defer stop()
					}
					err := m.Lock(ctx)
					d.note("%s %s", who, outcome(err))
					if err == nil {
						m.Unlock()
					}
				})
				s.Settle(ctx)
			}
			if unlockFirst {
				m.Unlock()
				cancel()
			} else {
				cancel()
				m.Unlock()
			}
			s.Wait(ctx)
			got := d.tear()
			if len(got) != 2 {
				t.Errorf("what happened: %q, want that both return", got)
			}
			for _, entry := range got {
				switch entry {
				case "first ok", "second ok":
				case "first cancelled":
					if unlockFirst {
						t.Error("the cancel came after the mutex was handed over, and undid it")
					}
				default:
					t.Errorf("%s", entry)
				}
			}
			if st := m.Statistics(); st != (strand.MutexStatistics{}) {
				t.Errorf("Statistics() = %+v at the end, want none", st)
			}
		}
	})
}

// withCancelOf returns a copy of ctx that is done as soon as other is, too: a
// strand must not wait with another strand's context.
func withCancelOf(ctx, other context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(other, cancel)
	return ctx, func() { stop(); cancel() }
}

// TestScenario123_MutexFinishedWaiterCancelled cancels a strand that has been
// handed the mutex but has not run since.
func TestScenario123_MutexFinishedWaiterCancelled(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var m strand.Mutex
		must(t, m.Lock(ctx))
		var cancel context.CancelFunc
		s.Go("waits", func(ctx context.Context) {
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
			must(t, m.Lock(ctx)) // the mutex was there first
			m.Unlock()
		})
		s.Settle(ctx)
		m.Unlock()
		cancel()
		s.Wait(ctx)
		must(t, m.Lock(ctx))
		m.Unlock()
	})
}

// TestScenario123_SemaphoreFIFO checks that neither permits nor turns get lost
// when waiters give up.
func TestScenario123_SemaphoreFIFO(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		sem := strand.NewSemaphore(1)
		var d diary
		must(t, sem.Acquire(ctx, 1))
		for i, who := range []string{"a", "b", "c", "d"} {
			s.Go(who, func(ctx context.Context) {
				if i%2 == 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Second)
					defer cancel()
				}
				err := sem.Acquire(ctx, 1)
				d.note("%s %s", who, outcome(err))
			})
			s.Settle(ctx)
		}
		must(t, strand.Sleep(ctx, time.Minute)) // virtual time
		d.expectSorted(t, "a late, c late")
		s.Go("e", func(ctx context.Context) {
			must(t, sem.Acquire(ctx, 1))
			d.note("e ok")
		})
		s.Settle(ctx)
		for _, want := range []string{"b ok", "d ok", "e ok"} {
			sem.Release(1)
			s.Settle(ctx)
			d.expect(t, want)
		}
		s.Wait(ctx)
	})
}

// TestScenario123_SemaphoreNoHang cancels a strand in the moment in which it gets
// its permit: the one behind it must not be left waiting for it.
func TestScenario123_SemaphoreNoHang(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		sem := strand.NewBoundedSemaphore(1)
		must(t, sem.Acquire(ctx, 1))
		var cancel context.CancelFunc
		s.Go("first", func(ctx context.Context) {
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
			if sem.Acquire(ctx, 1) == nil {
				sem.Release(1)
			}
		})
		s.Settle(ctx)
		s.Go("second", func(ctx context.Context) {
			must(t, sem.Acquire(ctx, 1))
			sem.Release(1)
		})
		s.Settle(ctx)
		sem.Release(1)
		cancel()
		s.Wait(ctx)
		if st := sem.Statistics(); st != (strand.SemaphoreStatistics{Free: 1}) {
			t.Errorf("Statistics() = %+v at the end, want 1 free", st)
		}
	})
}

// TestScenario123_ConditionReacquires cancels a strand in Wait: it returns with the
// lock held, however long that takes.
func TestScenario123_ConditionReacquires(t *testing.T) {
	for name, open := range map[string]func() strand.Locker{
		"Mutex": func() strand.Locker { return new(strand.Mutex) },
		"RLock": func() strand.Locker { return new(strand.RLock) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
				c := strand.NewCondition(open())
				var d diary
				s.Go("waits", func(ctx context.Context) {
					must(t, c.Lock(ctx))
					short, cancel := context.WithTimeout(ctx, time.Second)
					defer cancel()
					err := c.Wait(short)
					d.note("%s", outcome(err))
					if err := c.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("Wait under a done context returned %v", err)
					}
					c.Unlock(ctx) // panics if it does not hold it
				})
				s.Settle(ctx)
				must(t, c.Lock(ctx))
				must(t, strand.Sleep(ctx, time.Minute)) // virtual time
				d.expect(t, "")                         // its context is done, but the lock is ours
				if st := c.Statistics(); st.Waiting != 0 {
					t.Errorf("Statistics() = %+v, want nobody waiting for a notification", st)
				}
				c.Unlock(ctx)
				s.Wait(ctx)
				d.expect(t, "late")
			})
		})
	}
}

// TestScenario123_ConditionPassesOn cancels a strand that has been notified but
// does not have the lock yet.
func TestScenario123_ConditionPassesOn(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var c strand.Condition
		var d diary
		var cancel context.CancelFunc
		for _, who := range []string{"first", "second", "third"} {
			s.Go(who, func(ctx context.Context) {
				if who == "first" {
					ctx, cancel = context.WithCancel(ctx)
					defer cancel()
				}
				must(t, c.Lock(ctx))
				d.note("%s %s", who, outcome(c.Wait(ctx)))
				c.Unlock(ctx)
			})
			s.Settle(ctx)
		}
		must(t, c.Lock(ctx))
		c.Notify(1)
		s.Settle(ctx) // the first one waits for the lock
		cancel()
		s.Settle(ctx)
		d.expect(t, "")
		c.Unlock(ctx)
		s.Settle(ctx)
		d.expect(t, "first cancelled, second ok")

		must(t, c.Lock(ctx))
		c.NotifyAll()
		c.Unlock(ctx)
		s.Wait(ctx)
		d.expect(t, "third ok")
	})
}

// TestScenario123_ConditionPassesNothingOn is the same for a strand that was
// notified with all others: who comes later has no part in it.
func TestScenario123_ConditionPassesNothingOn(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var c strand.Condition
		var d diary
		var cancel context.CancelFunc
		s.Go("first", func(ctx context.Context) {
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
			must(t, c.Lock(ctx))
			d.note("first %s", outcome(c.Wait(ctx)))
			c.Unlock(ctx)
		})
		s.Settle(ctx)
		must(t, c.Lock(ctx))
		c.NotifyAll()
		c.Unlock(ctx)
		must(t, c.Lock(ctx)) // we, or the one that was notified
		cancel()
		s.Go("second", func(ctx context.Context) {
			must(t, c.Lock(ctx))
			d.note("second %s", outcome(c.Wait(ctx)))
			c.Unlock(ctx)
		})
		c.Unlock(ctx)
		s.Settle(ctx)
		if got := d.tear(); len(got) != 1 || got[0] != "first cancelled" && got[0] != "first ok" {
			t.Errorf("what happened: %q, want that only the first one returned", got)
		}
		must(t, c.Lock(ctx))
		c.Notify(1)
		c.Unlock(ctx)
		s.Wait(ctx)
		d.expect(t, "second ok")
	})
}

// TestScenario123_ConditionWaitForCancelled cancels a strand whose condition has
// come true: it is told so.
func TestScenario123_ConditionWaitForCancelled(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var c strand.Condition
		ready := false
		var cancel context.CancelFunc
		s.Go("waits", func(ctx context.Context) {
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
			must(t, c.Lock(ctx))
			must(t, c.WaitFor(ctx, func() bool { return ready }))
			c.Unlock(ctx)
		})
		s.Settle(ctx)
		must(t, c.Lock(ctx))
		ready = true
		cancel()
		c.Unlock(ctx)
		s.Wait(ctx)
	})
}
