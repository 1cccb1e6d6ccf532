package asyncio

import (
	"slices"
	"sync"
	"testing"
)

// A parcel notes its arrival.
type parcel struct {
	letter letter
	from   int
	n      int
	got    *[][2]int
}

func (p *parcel) arrive() { *p.got = append(*p.got, [2]int{p.from, p.n}) }

// TestInbox has several goroutines put letters in while another opens the inbox:
// all arrive once, those of one sender in order, and none after the seal.
func TestInbox(t *testing.T) {
	const senders, each = 4, 2000
	var b inbox
	var got [][2]int
	var wg sync.WaitGroup
	var accepted [senders]int
	for i := range senders {
		wg.Go(func() {
			for n := range each {
				p := &parcel{from: i, n: n, got: &got}
				p.letter.from = p
				if !b.put(&p.letter) {
					return
				}
				accepted[i]++
			}
		})
	}
	for len(got) < senders*each/2 {
		b.open()
	}
	for !b.seal() {
		b.open()
	}
	wg.Wait()
	if late := (&parcel{got: &got}); b.put(&late.letter) {
		t.Error("a sealed inbox takes a letter")
	}
	var next [senders]int
	for _, g := range got {
		if g[1] != next[g[0]] {
			t.Fatalf("sender %d: letter %d arrived, want %d", g[0], g[1], next[g[0]])
		}
		next[g[0]]++
	}
	if next != accepted {
		t.Errorf("arrived: %v, accepted: %v", next, accepted)
	}
}

func TestRing(t *testing.T) {
	var r ring[int]
	var twin []int
	next := 0
	for round := range 300 {
		for range round % 90 {
			r.push(next)
			twin = append(twin, next)
			next++
		}
		for range round % 89 {
			if len(twin) == 0 {
				break
			}
			i := (next * 7) % len(twin)
			if got := r.take(i); got != twin[i] {
				t.Fatalf("take(%d) = %d, want %d", i, got, twin[i])
			}
			twin = slices.Delete(twin, i, i+1)
			if len(twin) > 0 {
				if got := r.pop(); got != twin[0] {
					t.Fatalf("pop = %d, want %d", got, twin[0])
				}
				twin = twin[1:]
			}
		}
		if r.len() != len(twin) {
			t.Fatalf("len = %d, want %d", r.len(), len(twin))
		}
	}
}
