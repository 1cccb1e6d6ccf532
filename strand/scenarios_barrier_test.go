package strand_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-braid/braid/strand"
)

// The barriers of the table in scenarios_lock_test.go.

// meet starts n strands that wait at b and note what comes of it.
func meet(ctx context.Context, s *spawner, b *strand.Barrier, d *diary, n int) {
	for range n {
		s.Go("meets", func(ctx context.Context) {
			if i, err := b.Wait(ctx); err != nil {
				d.note("%s", outcome(err))
			} else {
				d.note("%d", i)
			}
		})
		s.Settle(ctx)
	}
}

func TestScenario016_Lockstep(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		const n, passes = 5, 10
		b := strand.NewBarrier(n, nil)
		var before, after atomic.Int32
		for range n {
			s.Go("meets", func(ctx context.Context) {
				for pass := range int32(passes) {
					// Everybody has left the last pass's second barrier.
					if got := after.Load(); got != pass*n {
						t.Errorf("pass %d: %d strands have finished the passes before, want %d", pass, got, pass*n)
					}
					before.Add(1)
					_, err := b.Wait(ctx)
					must(t, err)
					if got := before.Load(); got != (pass+1)*n {
						t.Errorf("pass %d: %d strands have come, want %d", pass, got, (pass+1)*n)
					}
					_, err = b.Wait(ctx)
					must(t, err)
					after.Add(1)
					_, err = b.Wait(ctx)
					must(t, err)
				}
			})
		}
		s.Wait(ctx)
		want := strand.BarrierStatistics{Parties: n, Rounds: 3 * passes}
		if st := b.Statistics(); st != want {
			t.Errorf("Statistics() = %+v, want %+v", st, want)
		}
	})
}

func TestScenario017_IndicesDiffer(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		b := strand.NewBarrier(4, nil)
		var d diary
		for range 2 {
			meet(ctx, s, b, &d, 3)
			d.expect(t, "")
			if st := b.Statistics(); st.Waiting != 3 {
				t.Errorf("Statistics() = %+v, want 3 waiting", st)
			}
			meet(ctx, s, b, &d, 1)
			s.Wait(ctx)
			d.expectSorted(t, "0, 1, 2, 3")
		}
	})
}

func TestScenario018_ActionOnce(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var d diary
		b := strand.NewBarrier(3, func(ctx context.Context) error {
			d.note("action")
			err := strand.Sleep(ctx, time.Second) // virtual time
			d.note("over")
			return err
		})
		for range 2 {
			meet(ctx, s, b, &d, 2)
			s.Go("is last", func(ctx context.Context) {
				i, err := b.Wait(ctx)
				must(t, err)
				if i != 2 {
					t.Errorf("the last strand has index %d, want 2", i)
				}
			})
			s.Settle(ctx)
			d.expect(t, "action") // nobody has left
			s.Wait(ctx)
			if got := d.tear(); len(got) != 3 || got[0] != "over" {
				t.Errorf("what happened: %q, want that the action is over first", got)
			}
		}
	})
}

func TestScenario019_Abort(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		b := strand.NewBarrier(4, nil)
		var d diary
		meet(ctx, s, b, &d, 3)
		s.Go("fails", func(ctx context.Context) { b.Abort() })
		s.Wait(ctx)
		d.expect(t, "broken, broken, broken")
		if !b.Broken() {
			t.Error("Broken() = false after Abort")
		}
		meet(ctx, s, b, &d, 1)
		d.expect(t, "broken")
		_, err := b.Wait(ctx)
		if want := "strand: the barrier is broken: it was aborted"; err == nil || err.Error() != want {
			t.Errorf("Wait returned %v, want %q", err, want)
		}
	})
}

func TestScenario020_Reset(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		b := strand.NewBarrier(3, nil)
		var d diary
		meet(ctx, s, b, &d, 2)
		b.Reset()
		s.Wait(ctx)
		d.expect(t, "broken, broken")
		if b.Broken() {
			t.Error("Broken() = true after Reset")
		}
		meet(ctx, s, b, &d, 3)
		s.Wait(ctx)
		d.expectSorted(t, "0, 1, 2")
	})
}

func TestScenario021_AbortAndReset(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		const n = 4
		b, other := strand.NewBarrier(n, nil), strand.NewBarrier(n, nil)
		var d diary
		for i := range n {
			s.Go("meets", func(ctx context.Context) {
				if i == n-1 {
					b.Abort()
				} else {
					_, err := b.Wait(ctx)
					d.note("%s", outcome(err))
				}
				// When all know, one of them mends it.
				first, err := other.Wait(ctx)
				must(t, err)
				if first == 0 {
					b.Reset()
				}
				_, err = other.Wait(ctx)
				must(t, err)
				_, err = b.Wait(ctx)
				d.note("%s", outcome(err))
			})
		}
		s.Wait(ctx)
		d.expect(t, "broken, broken, broken, ok, ok, ok, ok")
	})
}

func TestScenario022_BarrierTimeout(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		b := strand.NewBarrier(3, nil)
		var d diary
		meet(ctx, s, b, &d, 1)
		s.Go("has a deadline", func(ctx context.Context) {
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := b.Wait(short)
			d.note("%s", outcome(err))
		})
		s.Settle(ctx)
		d.expect(t, "")
		s.Wait(ctx)
		d.expectSorted(t, "broken, late")
		meet(ctx, s, b, &d, 1) // the late one
		d.expect(t, "broken")
		_, err := b.Wait(ctx)
		if want := "strand: the barrier is broken: a strand gave up: context deadline exceeded"; err == nil || err.Error() != want {
			t.Errorf("Wait returned %v, want %q", err, want)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("another strand's deadline passes for that of the caller")
		}
	})
}

func TestScenario022_BarrierContextIsDone(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		b := strand.NewBarrier(2, nil)
		done, cancel := context.WithCancel(ctx)
		cancel()
		var d diary
		if i, err := b.Wait(done); !errors.Is(err, context.Canceled) || i != -1 {
			t.Errorf("Wait returned %d, %v, want -1 and context.Canceled", i, err)
		}
		if !b.Broken() {
			t.Error("a strand came and could not wait, but the barrier is whole")
		}
		b.Reset()
		meet(ctx, s, b, &d, 1)
		_, err := b.Wait(done) // is the last one, and need not wait
		must(t, err)
		s.Wait(ctx)
		d.expect(t, "0")
	})
}

func TestScenario023_SingleStrand(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		actions := 0
		b := strand.NewBarrier(1, func(context.Context) error { actions++; return nil })
		for range 3 {
			if i, err := b.Wait(ctx); i != 0 || err != nil {
				t.Errorf("Wait returned %d, %v, want 0", i, err)
			}
		}
		if actions != 3 {
			t.Errorf("the action ran %d times in 3 rounds", actions)
		}
		for _, n := range []int{0, -1} {
			want := fmt.Sprintf("strand: NewBarrier(%d): there must be at least 1 strand", n)
			if got := mustPanic(t, func() { strand.NewBarrier(n, nil) }); got != want {
				t.Errorf("the panic says %q, want %q", got, want)
			}
		}
	})
}

// TestScenario123_BarrierDraining has strands come for the next round while the
// action of the last one runs.
func TestScenario123_BarrierDraining(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var d diary
		proceed := strand.NewSemaphore(0)
		b := strand.NewBarrier(2, func(ctx context.Context) error {
			d.note("action")
			return proceed.Acquire(ctx, 1)
		})
		meet(ctx, s, b, &d, 2)
		d.expect(t, "action")
		meet(ctx, s, b, &d, 3) // two for the next round, one for that after it
		s.Go("gives up", func(ctx context.Context) {
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := b.Wait(short)
			d.note("%s", outcome(err))
		})
		s.Settle(ctx)
		want := strand.BarrierStatistics{Parties: 2, Waiting: 1, Late: 4}
		if st := b.Statistics(); st != want {
			t.Errorf("Statistics() = %+v, want %+v", st, want)
		}
		must(t, strand.Sleep(ctx, time.Minute)) // virtual time
		d.expect(t, "late")                     // which breaks nothing: it had not joined a round

		proceed.Release(1)
		s.Settle(ctx)
		if got := strings.Join(d.tear(), ", "); got != "0, 1, action" && got != "1, 0, action" &&
			got != "action, 0, 1" && got != "action, 1, 0" && got != "0, action, 1" && got != "1, action, 0" {
			t.Errorf("what happened: %q, want that the first round ends and the next one fills", got)
		}
		if st := b.Statistics(); st.Waiting != 1 || st.Late != 1 || st.Rounds != 1 {
			t.Errorf("Statistics() = %+v, want 1 waiting for the action, 1 late, 1 round", st)
		}
		proceed.Release(2)
		meet(ctx, s, b, &d, 1)
		s.Wait(ctx)
		d.expectSorted(t, "0, 0, 1, 1, action")
	})
}

// TestScenario123_BarrierHalfDrained breaks a barrier when its round is over but
// not all have left.
func TestScenario123_BarrierHalfDrained(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		b := strand.NewBarrier(3, nil)
		for name, interfere := range map[string]func(){"abort": b.Abort, "reset": b.Reset} {
			var d diary
			meet(ctx, s, b, &d, 2)
			_, err := b.Wait(ctx)
			interfere() // the others have not run yet, perhaps
			must(t, err)
			s.Wait(ctx)
			d.expectSorted(t, "0, 1")
			if b.Broken() != (name == "abort") {
				t.Errorf("Broken() = %v after %s", b.Broken(), name)
			}
			b.Reset()
		}
	})
}

// TestScenario123_BarrierActionInterrupted breaks a barrier while its action runs.
func TestScenario123_BarrierActionInterrupted(t *testing.T) {
	failed := errors.New("failed")
	for _, c := range []struct {
		name      string
		interfere func(b *strand.Barrier)
		result    error // of the action
		want      string
		broken    bool
	}{
		{"abort", (*strand.Barrier).Abort, nil, "broken, broken", true},
		{"reset", (*strand.Barrier).Reset, nil, "broken, broken", false},
		{"failure", func(*strand.Barrier) {}, failed, "broken, failed", true},
		{"abort and failure", (*strand.Barrier).Abort, failed, "broken, failed", true},
		{"reset and failure", (*strand.Barrier).Reset, failed, "broken, failed", false},
		{"abort and reset", func(b *strand.Barrier) { b.Abort(); b.Reset() }, nil, "broken, broken", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
				var d diary
				var proceed strand.Event
				b := strand.NewBarrier(2, func(ctx context.Context) error {
					must(t, proceed.Wait(ctx))
					return c.result
				})
				meet(ctx, s, b, &d, 2)
				c.interfere(b)
				s.Settle(ctx)
				proceed.Set()
				s.Wait(ctx)
				d.expectSorted(t, c.want)
				if b.Broken() != c.broken {
					t.Errorf("Broken() = %v, want %v", b.Broken(), c.broken)
				}
			})
		})
	}
}

// TestScenario123_BarrierActionPanics has an action panic, with others waiting.
func TestScenario123_BarrierActionPanics(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var d diary
		b := strand.NewBarrier(2, func(context.Context) error { panic("boom") })
		meet(ctx, s, b, &d, 1)
		if got := mustPanic(t, func() { _, _ = b.Wait(ctx) }); got != "boom" {
			t.Errorf("Wait panics with %q, want the action's panic", got)
		}
		s.Wait(ctx)
		d.expect(t, "broken")
		_, err := b.Wait(ctx)
		if want := "strand: the barrier is broken: its action did not return"; err == nil || err.Error() != want {
			t.Errorf("Wait returned %v, want %q", err, want)
		}
	})
}
