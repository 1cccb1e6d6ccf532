//go:build linux

package multiprocessing

import (
	"fmt"
	"testing"

	"github.com/go-braid/braid/strand"
)

// TestQueueRepair: what somebody has begun who died in the middle of it is finished or
// undone, also if who finishes it dies himself.
func TestQueueRepair(t *testing.T) {
	const slot = 9
	for _, c := range []struct {
		name  string
		state func(o *queueObject) // after 2 puts and a get, of which one is taken by slot
		taken uint64               // by slot
		lost  uint64
	}{
		{"nothing", func(*queueObject) {}, 1, 0},
		{"announced", func(o *queueObject) { o.taken[slot].Store(1<<takenShift | takingOf(2)) }, 1, 0},
		{"counted", func(o *queueObject) {
			o.taken[slot].Store(1<<takenShift | takingOf(2))
			o.gets.Store(2)
		}, 2, 0},
		{"lost, not taken back", func(o *queueObject) { o.lost.Store(1<<lostShift | slot + 1) }, 0, 1},
		{"lost, taken back", func(o *queueObject) {
			o.lost.Store(1<<lostShift | slot + 1)
			o.taken[slot].Store(0)
		}, 0, 1},
	} {
		q, err := NewQueue[int](4)
		if err != nil {
			t.Fatal(err)
		}
		o := q.object()
		for i := range 2 {
			if err := q.TryPut(i); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := q.TryGet(); err != nil {
			t.Fatal(err)
		}
		o.taken[0].Store(0)
		o.taken[slot].Store(1 << takenShift)
		c.state(o)
		for range 2 {
			o.r.Lock()
			o.Repair()
			o.r.Unlock()
			if n := o.taken[slot].Load(); n != c.taken<<takenShift || o.lost.Load() != c.lost<<lostShift {
				t.Errorf("%s: %#x are taken, and %#x lost", c.name, n, o.lost.Load())
			}
		}
		o.r.Lock()
		o.Settle(slot)
		o.r.Unlock()
		if n := o.lostItems(); n != c.taken+c.lost {
			t.Errorf("%s: after Settle %d are lost", c.name, n)
		}
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestQueueCountsOn: the numbers of items and the positions of bytes are never used up;
// what is kept of them in a few bits wraps around.
func TestQueueCountsOn(t *testing.T) {
	q, err := NewQueue[string](3, MaxBytes(4096))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	o := q.object()
	const start = 1<<(takenShift-takingShift) - 5 // shortly before what says who takes which wraps around
	o.puts.Store(start)
	o.gets.Store(start)
	for i := range 3000 {
		if err := q.TryPut(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if i%3 == 2 {
			if err := q.TryPut("x"); err != strand.ErrFull {
				t.Fatalf("a full queue: %v", err)
			}
			for j := i - 2; j <= i; j++ {
				if s, err := q.TryGet(); err != nil || s != fmt.Sprint(j) {
					t.Fatalf("item %d is %q, %v", j, s, err)
				}
				q.TaskDone()
			}
		}
	}
}
