package quiet

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

// An object is busy with so much work, and leaves things behind.
type object struct {
	mu           sync.Mutex
	line         Line
	work, behind int
	after        []func()
}

func newObject(work, behind int) *object {
	o := &object{work: work, behind: behind}
	o.line = Line{Mu: &o.mu, Unlock: o.unlock, Is: func(gone bool) bool {
		return o.work == 0 && (!gone || o.behind == 0)
	}}
	return o
}

func (o *object) unlock() {
	after := o.after
	o.after = nil
	o.mu.Unlock()
	for _, f := range after {
		f()
	}
}

func (o *object) change(work, behind int) {
	o.mu.Lock()
	defer o.unlock()
	o.work += work
	o.behind += behind
	o.after = o.line.Wake(o.after)
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObject(2, 1)
		var mu sync.Mutex
		over := map[bool]int{}
		for _, gone := range []bool{false, true, false} {
			go func() {
				if err := o.line.Await(t.Context(), o, gone); err != nil {
					t.Error(err)
				}
				mu.Lock()
				over[gone]++
				mu.Unlock()
			}()
		}
		is := func(quiet, gone int) {
			t.Helper()
			synctest.Wait()
			if over[false] != quiet || over[true] != gone {
				t.Errorf("over are %v, want %d that wait for quiet and %d for the end", over, quiet, gone)
			}
		}
		is(0, 0)
		o.change(-1, 0)
		is(0, 0)
		o.change(-1, 0)
		is(2, 0)
		o.change(+1, 0)
		o.change(0, -1)
		is(2, 0)
		o.change(-1, 0)
		is(2, 1)
	})
}

// Who gives up is in the line no more, and what is quiet already is so for everybody.
func TestAwaitIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newObject(1, 0)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error)
		go func() { errs <- o.line.Await(ctx, o, false) }()
		synctest.Wait()
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("Await = %v, want that it was cancelled", err)
		}
		if n := o.line.waiters.Len(); n != 0 {
			t.Errorf("%d are left in the line", n)
		}
		o.change(-1, 0)
		if err := o.line.Await(ctx, o, true); err != nil {
			t.Errorf("Await of what is quiet = %v", err)
		}
	})
}
