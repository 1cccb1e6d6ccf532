//go:build linux

package multiprocessing_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/go-braid/braid/multiprocessing"
)

func newCondition(t testing.TB, m *multiprocessing.Mutex) *multiprocessing.Condition {
	return made[*multiprocessing.Condition](t)(multiprocessing.NewCondition(m))
}

func init() {
	// Waits until Counts[0] is positive, takes one from it, and counts that in Counts[1].
	tricks["condition: take"] = func(ctx context.Context, k kit) (int, error) {
		c := k.Condition
		if err := c.Lock(ctx); err != nil {
			return 0, err
		}
		if err := c.WaitFor(ctx, func() bool { return k.Counts.Load(0) > 0 }); err != nil {
			if !errors.Is(err, multiprocessing.ErrOwnerDied) {
				c.Unlock()
			}
			return 0, err
		}
		k.Counts.Add(0, -1)
		k.Counts.Add(1, 1)
		c.Unlock()
		return 0, nil
	}
	tricks["condition: hold"] = func(ctx context.Context, k kit) (int, error) {
		if err := k.Condition.Lock(ctx); err != nil {
			return 0, err
		}
		k.Ready.Set()
		hang()
		return 0, nil
	}
}

// give lets n strands take.
func give(t *testing.T, ctx context.Context, c *multiprocessing.Condition, counts *multiprocessing.Array[int64], n, notify int) {
	t.Helper()
	if err := c.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	counts.Add(0, int64(n))
	c.Notify(notify)
	c.Unlock()
}

func TestConditionAcrossProcesses(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	c, counts := newCondition(t, nil), newCounts(t, 2)
	var ps []*multiprocessing.Process
	for range 4 {
		ps = append(ps, launch(t, ctx, kit{How: "condition: take", Condition: c, Counts: counts}))
	}
	until(t, "all wait", func() bool { return c.Statistics().Waiting == 4 })
	give(t, ctx, c, counts, 3, 0)
	give(t, ctx, c, counts, 0, 1)
	until(t, "one has taken", func() bool { return counts.Load(1) == 1 })
	give(t, ctx, c, counts, 0, 2)
	until(t, "three have taken", func() bool { return counts.Load(1) == 3 })
	if n := c.Statistics().Waiting; n != 1 {
		t.Errorf("%d wait, want 1", n)
	}
	if err := c.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	counts.Store(0, 1)
	c.NotifyAll()
	c.Unlock()
	for _, p := range ps {
		if err := p.Join(ctx); err != nil {
			t.Error(err)
		}
	}
}

// TestConditionWaiterDies: a notification is not lost with a process that dies, whether
// it was notified or not.
func TestConditionWaiterDies(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	c, counts := newCondition(t, nil), newCounts(t, 2)
	first := launch(t, ctx, kit{How: "condition: take", Condition: c, Counts: counts})
	until(t, "the first waits", func() bool { return c.Statistics().Waiting == 1 })
	stopped := launch(t, ctx, kit{How: "condition: take", Condition: c, Counts: counts})
	until(t, "the second waits", func() bool { return c.Statistics().Waiting == 2 })
	last := launch(t, ctx, kit{How: "condition: take", Condition: c, Counts: counts})
	until(t, "the third waits", func() bool { return c.Statistics().Waiting == 3 })
	stop(t, stopped)
	slay(first)
	// These are for the first two, neither of which can do anything with them.
	give(t, ctx, c, counts, 1, 2)
	slay(stopped)
	if err := last.Join(ctx); err != nil {
		t.Error(err)
	}
	if counts.Load(1) != 1 {
		t.Errorf("%d have taken", counts.Load(1))
	}
}

// TestConditionOwnerDies: when somebody dies with the mutex, all who wait are told, and
// do not hold it.
func TestConditionOwnerDies(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	m := newMutex(t)
	c, counts, ready := newCondition(t, m), newCounts(t, 2), newEvent(t)
	p := launch(t, ctx, kit{How: "condition: take", Condition: c, Counts: counts})
	here := make(chan error)
	go func() {
		err := m.Lock(ctx)
		if err == nil {
			err = c.Wait(ctx)
		}
		here <- err
	}()
	until(t, "both wait", func() bool { return c.Statistics().Waiting == 2 })
	owner := launch(t, ctx, kit{How: "condition: hold", Condition: c, Ready: ready})
	if err := ready.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	slay(owner)
	if err := <-here; !errors.Is(err, multiprocessing.ErrOwnerDied) {
		t.Errorf("who waits here: %v", err)
	}
	if err := p.Join(ctx); !errors.Is(err, multiprocessing.ErrOwnerDied) {
		t.Errorf("who waits elsewhere: %v", err)
	}
	if died, err := c.Recover(ctx); !died || err != nil {
		t.Errorf("Recover = %v, %v", died, err)
	}
	if n := c.Statistics().Waiting; n != 0 {
		t.Errorf("%d still wait", n)
	}
	c.Unlock()
}

func TestConditionCancelled(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	c := newCondition(t, nil)
	wait := func(ctx context.Context) error {
		if err := c.Lock(ctx); err != nil {
			return err
		}
		defer c.Unlock() // which it holds in any case
		return c.Wait(ctx)
	}
	if err := cancelled(ctx, func() {}, wait); err != context.Canceled {
		t.Errorf("cancelled before Notify: %v", err)
	}
	if n := c.Statistics().Waiting; n != 0 {
		t.Errorf("%d wait", n)
	}
	notify := func() {
		if err := c.Lock(ctx); err != nil {
			t.Fatal(err)
		}
		c.Notify(1)
		c.Unlock()
	}
	if err := cancelled(ctx, notify, wait); err != nil && err != context.Canceled {
		t.Errorf("cancelled after Notify: %v", err)
	}
	// Who is cancelled from the start has never let go of the mutex.
	if err := c.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.Wait(gone); err != context.Canceled {
		t.Errorf("Wait = %v", err)
	}
	if err := c.WaitFor(gone, func() bool { return true }); err != nil {
		t.Errorf("WaitFor = %v", err)
	}
	c.Unlock()
	expectPanic(t, "does not hold", func() { _ = c.Wait(ctx) })
	expectPanic(t, "does not hold", func() { c.Notify(1) })
	expectPanic(t, "cannot notify", func() { c.Notify(-1) })
}

// TestConditionPassesOn: of two who wait, one is notified and the other cancelled, in
// every order, and one goes on.
func TestConditionPassesOn(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	c := newCondition(t, nil)
	for range 200 {
		var wg sync.WaitGroup
		woken := make(chan int, 3)
		cancels := make([]context.CancelFunc, 2)
		for i := range 2 {
			ctx, cancel := context.WithCancel(ctx)
			cancels[i] = cancel
			wg.Go(func() {
				if err := c.Lock(ctx); err != nil {
					t.Error(err)
					return
				}
				defer c.Unlock()
				if err := c.Wait(ctx); err == nil {
					woken <- i
				}
			})
		}
		until(t, "both wait", func() bool { return c.Statistics().Waiting == 2 })
		if err := c.Lock(ctx); err != nil {
			t.Fatal(err)
		}
		go cancels[0]()
		c.Notify(1)
		c.Unlock()
		<-woken // nobody else would wake it
		cancels[0]()
		cancels[1]()
		wg.Wait()
	}
}

func TestConditionClosed(t *testing.T) {
	checkShared(t)
	ctx := deadline(t)
	m := newMutex(t)
	c := newCondition(t, m)
	waits := make(chan error)
	go func() {
		_ = c.Lock(ctx)
		waits <- c.Wait(ctx)
	}()
	until(t, "it waits", func() bool { return c.Statistics().Waiting == 1 })
	_ = c.Close()
	if err := <-waits; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Wait = %v", err)
	}
	if !m.TryLock() {
		t.Error("who was thrown out holds the mutex")
	}
	m.Unlock()
	if err := c.Lock(ctx); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Lock = %v", err)
	}
	expectPanic(t, "closed", func() { _ = c.Wait(ctx) })
}
