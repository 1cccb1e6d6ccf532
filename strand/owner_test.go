package strand_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-braid/braid/strand"
)

// ownable are the locks that break when their owner ends, as a function that makes
// one and returns how to lock and unlock it, and how it is now.
type ownable struct {
	name   string
	lock   func(ctx context.Context) error
	unlock func(ctx context.Context)
	try    func(ctx context.Context) bool
	holder strand.Holder
	broken func() bool
}

func ownables() []ownable {
	var m strand.Mutex
	var r strand.RLock
	var rw strand.RWMutex
	return []ownable{
		{"Mutex", m.Lock, func(context.Context) { m.Unlock() }, func(context.Context) bool { return m.TryLock() }, &m,
			func() bool { return m.Statistics().Broken }},
		{"RLock", r.Lock, r.Unlock, r.TryLock, &r,
			func() bool { return r.Statistics().Broken }},
		{"RWMutex", rw.Lock, func(context.Context) { rw.Unlock() }, func(context.Context) bool { return rw.TryLock() }, &rw,
			func() bool { return rw.Statistics().Broken }},
	}
}

// eachOwnable runs a scenario for each kind of lock in every world.
func eachOwnable(t *testing.T, main func(t *testing.T, ctx context.Context, s *spawner, l ownable)) {
	for i, l := range ownables() {
		t.Run(l.name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) { main(t, ctx, s, ownables()[i]) })
		})
	}
}

func TestOwnerEnds(t *testing.T) {
	eachOwnable(t, func(t *testing.T, ctx context.Context, s *spawner, l ownable) {
		var d diary
		var owner *strand.Strand
		s.Go("owner", func(ctx context.Context) {
			owner = strand.Self(ctx)
			must(t, l.lock(ctx))
			must(t, strand.Sleep(ctx, time.Minute)) // virtual time
		})
		s.Settle(ctx)
		if h := l.holder.Holders(); !slices.Equal(h, []*strand.Strand{owner}) {
			t.Errorf("Holders() = %v, want the owner", h)
		}
		check := func(err error) {
			t.Helper()
			d.note("%s", outcome(err))
			var b *strand.BrokenError
			if !errors.As(err, &b) || b.Owner != owner || b.Lock != any(l.holder) {
				t.Errorf("Lock returned %#v, want a BrokenError with the lock and its owner", err)
				return
			}
			want := fmt.Sprintf("strand: the %T(%p) is broken: its owner ended without unlocking it", l.holder, l.holder)
			if err.Error() != want {
				t.Errorf("the error says %q, want %q", err, want)
			}
		}
		for range 3 {
			s.Go("waits", func(ctx context.Context) { check(l.lock(ctx)) })
		}
		s.Settle(ctx)
		d.expect(t, "")
		s.Wait(ctx)
		d.expect(t, "broken, broken, broken")
		check(l.lock(ctx)) // and it stays so
		if l.try(ctx) {
			t.Error("TryLock of a broken lock = true")
		}
		l.unlock(ctx) // mends nothing
		check(l.lock(ctx))
		if h := l.holder.Holders(); len(h) > 0 || !l.broken() {
			t.Errorf("a broken lock has the holders %v; is broken: %v", h, l.broken())
		}
	})
}

// TestOwnerEndsAlone has nobody wait when the owner ends.
func TestOwnerEndsAlone(t *testing.T) {
	eachOwnable(t, func(t *testing.T, ctx context.Context, s *spawner, l ownable) {
		s.Go("owner", func(ctx context.Context) { must(t, l.lock(ctx)) })
		s.Wait(ctx)
		if h := l.holder.Holders(); len(h) > 0 || !l.broken() {
			t.Errorf("the owner has ended: holders %v, is broken: %v", h, l.broken())
		}
		if l.try(ctx) {
			t.Error("TryLock of a broken lock = true")
		}
		l.unlock(ctx)
		if err := l.lock(ctx); !errors.Is(err, strand.ErrBroken) {
			t.Errorf("Lock returned %v, want ErrBroken", err)
		}
	})
}

// TestOwnerEndsInTheLine has each strand that gets the lock end with it or not, so
// that those behind are told by the one who owned it last.
func TestOwnerEndsInTheLine(t *testing.T) {
	eachOwnable(t, func(t *testing.T, ctx context.Context, s *spawner, l ownable) {
		var d diary
		must(t, l.lock(ctx))
		for _, who := range []string{"unlocks", "does not", "behind", "last"} {
			s.Go(who, func(ctx context.Context) {
				err := l.lock(ctx)
				d.note("%s %s", who, outcome(err))
				if who == "unlocks" {
					l.unlock(ctx)
				}
			})
			s.Settle(ctx)
		}
		l.unlock(ctx)
		s.Wait(ctx)
		d.expectSorted(t, "behind broken, does not ok, last broken, unlocks ok")
	})
}

// TestOwnerUnlocksAndEnds ends strands that have held the lock but do not any more.
func TestOwnerUnlocksAndEnds(t *testing.T) {
	eachOwnable(t, func(t *testing.T, ctx context.Context, s *spawner, l ownable) {
		for range 3 {
			s.Go("holds it", func(ctx context.Context) {
				must(t, l.lock(ctx))
				must(t, strand.Sleep(ctx, time.Second)) // virtual time
				l.unlock(ctx)
			})
		}
		s.Settle(ctx)
		s.Go("gives up", func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			if err := l.lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Lock returned %v, want context.DeadlineExceeded", err)
			}
		})
		s.Wait(ctx)
		must(t, l.lock(ctx))
		l.unlock(ctx)
	})
}

// TestNoOwner has locks that nobody owns: they do not break.
func TestNoOwner(t *testing.T) {
	for _, l := range ownables() {
		if l.name == "RLock" {
			continue // has always an owner: TestRLockNeedsIdentity
		}
		ended, self := strand.Enter(bg)
		self.End()
		for name, lock := range map[string]func(){
			"a goroutine without identity": func() { must(t, l.lock(bg)) },
			"a strand that has ended":      func() { must(t, l.lock(ended)) },
			"TryLock":                      func() { l.try(ended) },
		} {
			lock()
			if h := l.holder.Holders(); h != nil || l.broken() {
				t.Errorf("%s, locked by %s: Holders() = %v, want none; is broken: %v", l.name, name, h, l.broken())
			}
			l.unlock(bg)
		}
	}
}

func TestRLockNeedsIdentity(t *testing.T) {
	ended, self := strand.Enter(bg)
	self.End()
	var r strand.RLock
	for _, ctx := range []context.Context{bg, ended, strand.Detach(ended)} {
		if err := r.Lock(ctx); err != strand.ErrNoIdentity {
			t.Errorf("Lock returned %v, want ErrNoIdentity", err)
		}
		if got := mustPanic(t, func() { r.TryLock(ctx) }); got != strand.ErrNoIdentity.Error() {
			t.Errorf("TryLock panics with %q", got)
		}
		mustPanic(t, func() { r.Unlock(ctx) })
	}
	if st := r.Statistics(); st != (strand.RLockStatistics{}) {
		t.Errorf("Statistics() = %+v, want none", st)
	}
}

func TestRLockTryLock(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var r strand.RLock
		for depth := 1; depth <= 2; depth++ {
			if !r.TryLock(ctx) || r.Statistics().Depth != depth {
				t.Errorf("TryLock failed, or the depth is %d, want %d", r.Statistics().Depth, depth)
			}
		}
		r.Unlock(ctx)
		s.Go("another", func(ctx context.Context) {
			if r.TryLock(ctx) {
				t.Error("TryLock = true although another strand holds it")
			}
		})
		s.Wait(ctx)
		r.Unlock(ctx)
		s.Go("another", func(ctx context.Context) {
			if !r.TryLock(ctx) {
				t.Error("TryLock of a free RLock = false")
				return
			}
			r.Unlock(ctx)
		})
		s.Wait(ctx)
	})
}

// TestConditionLockBreaks has strands wait for a notification that nobody can give
// any more.
func TestConditionLockBreaks(t *testing.T) {
	for name, tell := range map[string]func(ctx context.Context, c *strand.Condition) error{
		"Lock": func(ctx context.Context, c *strand.Condition) error { return c.Lock(ctx) },
		"Wait": func(ctx context.Context, c *strand.Condition) error { return c.Wait(ctx) },
		"WaitFor": func(ctx context.Context, c *strand.Condition) error {
			return c.WaitFor(ctx, func() bool { return true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
				var c strand.Condition
				var d diary
				for range 2 {
					s.Go("waits", func(ctx context.Context) {
						must(t, c.Lock(ctx))
						d.note("%s", outcome(c.WaitFor(ctx, func() bool { return false })))
						c.Unlock(ctx) // as a deferred call would: no panic
					})
				}
				s.Settle(ctx)
				s.Go("ends", func(ctx context.Context) { must(t, c.Lock(ctx)) })
				s.Settle(ctx)
				d.expect(t, "")
				if err := tell(ctx, &c); !errors.Is(err, strand.ErrBroken) {
					t.Errorf("it returned %v, want ErrBroken", err)
				}
				s.Wait(ctx)
				d.expect(t, "broken, broken")
			})
		})
	}
}

// TestConditionNotifiedLockBreaks has the strand that notifies end with the lock.
func TestConditionNotifiedLockBreaks(t *testing.T) {
	inWorlds(t, func(t *testing.T, ctx context.Context, s *spawner) {
		var c strand.Condition
		var d diary
		for range 3 {
			s.Go("waits", func(ctx context.Context) {
				must(t, c.Lock(ctx))
				d.note("%s", outcome(c.Wait(ctx)))
			})
		}
		s.Settle(ctx)
		s.Go("ends", func(ctx context.Context) {
			must(t, c.Lock(ctx))
			c.Notify(1)
		})
		s.Wait(ctx)
		d.expect(t, "broken, broken, broken") // told by the one that was notified
	})
}

func TestNewConditionWithoutLock(t *testing.T) {
	want := "strand: NewCondition(nil): give it a *Mutex or an *RLock, or use a zero Condition"
	if got := mustPanic(t, func() { strand.NewCondition(nil) }); got != want {
		t.Errorf("the panic says %q, want %q", got, want)
	}
}
