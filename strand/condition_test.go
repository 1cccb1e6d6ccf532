package strand_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/go-braid/braid/strand"
)

// TestConditionConserves passes items through a shared count with a notification
// for each, while those who wait give up as they like: no notification may get
// lost with who gave up, or an item would stay although somebody waits for it.
func TestConditionConserves(t *testing.T) {
	const takers, items = 6, 300
	var c strand.Condition
	left, taken := 0, 0 // under c
	var wg sync.WaitGroup
	for range takers {
		wg.Go(func() {
			for {
				ctx, cancel := context.WithCancel(bg)
				if rand.IntN(2) == 0 {
					go func() { spin(rand.IntN(8)); cancel() }()
				}
				must(t, c.Lock(bg))
				if taken == items {
					c.Unlock(bg)
					cancel()
					return
				}
				// Wait, not WaitFor, which would look again when cancelled: what has
				// been notified must be taken by one who is told so.
				var err error
				for left == 0 && taken < items && err == nil {
					err = c.Wait(ctx)
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				if err == nil && left > 0 {
					left--
					if taken++; taken == items {
						c.NotifyAll()
					}
				}
				c.Unlock(bg)
				cancel()
			}
		})
	}
	for range items {
		must(t, c.Lock(bg))
		left++
		c.Notify(1)
		c.Unlock(bg)
		spin(rand.IntN(3))
	}
	wg.Wait()
	if left != 0 || taken != items {
		t.Errorf("%d items are left and %d were taken, want 0 and %d", left, taken, items)
	}
	if st := c.Statistics(); st.Waiting != 0 {
		t.Errorf("Statistics() = %+v at the end, want nobody waiting", st)
	}
}

// TestConditionOps checks what is published while a strand waits for the
// notification, and then for the lock.
func TestConditionOps(t *testing.T) {
	var c strand.Condition
	p := &fakeParker{}
	ctx := strand.WithParker(bg, p)
	p.parked = func() {
		p.parked = func() { c.Unlock(bg) } // the second wait is for the lock
		must(t, c.Lock(bg))
		c.Notify(1)
	}
	must(t, c.Lock(ctx))
	must(t, c.Wait(ctx))
	c.Unlock(ctx)
	if len(p.ops) != 2 ||
		p.ops[0] != (strand.Op{Object: &c, Kind: strand.OpWait, Access: strand.Write}) ||
		p.ops[1].Kind != strand.OpLock {
		t.Errorf("the operations %v were published, want a wait for the condition and a lock of its mutex", p.ops)
	}
}
