package lane_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/lane"
	"github.com/go-braid/braid/strand"
)

// A twin is what a lane does, in the plainest way: lists of calls, looked through from
// the beginning after everything that happens, and a bucket that gets a drop each
// millisecond.
type twin struct {
	limit   int // 0: none
	queue   int
	paused  bool
	every   int // milliseconds a token; 0: no rate
	burst   int
	drops   int
	running []int
	parked  []int
	woken   []int
	queued  []int
	waiting []int // for room
}

func (w *twin) settle() {
	for {
		room := w.limit == 0 || len(w.running) < w.limit
		switch {
		case room && len(w.woken) > 0:
			w.running = append(w.running, pop(&w.woken))
		case room && !w.paused && len(w.queued)+len(w.waiting) > 0 && (w.every == 0 || w.drops >= w.every):
			w.drops -= w.every
			from := &w.queued
			if len(w.queued) == 0 {
				from = &w.waiting
			}
			w.running = append(w.running, pop(from))
		case len(w.queued) < w.queue && len(w.waiting) > 0:
			w.queued = append(w.queued, pop(&w.waiting))
		default:
			return
		}
	}
}

func (w *twin) tick() {
	w.drops = min(w.drops+1, w.burst*w.every)
	w.settle()
}

func pop(list *[]int) int {
	first := (*list)[0]
	*list = slices.Delete(*list, 0, 1)
	return first
}

// remove reports whether i was in the list.
func remove(list *[]int, i int) bool {
	at := slices.Index(*list, i)
	if at >= 0 {
		*list = slices.Delete(*list, at, at+1)
	}
	return at >= 0
}

// A guinea is a call that does what it is told.
type guinea struct {
	outcome func() error
	cancel  context.CancelFunc
	orders  chan func(context.Context) // nil: return
	event   strand.Event
	awake   atomic.Bool
	deaf    bool // it was cancelled, and goes on
}

func (g *guinea) run(ctx context.Context) error {
	g.awake.Store(true)
	for f := range g.orders {
		if f == nil {
			break
		}
		f(ctx)
	}
	g.awake.Store(false)
	return nil
}

func (g *guinea) park(ctx context.Context) {
	g.awake.Store(false)
	if g.deaf {
		ctx = context.WithoutCancel(ctx)
	}
	_ = g.event.Wait(ctx)
	g.awake.Store(true)
}

// TestTwin holds a lane against its twin.
func TestTwin(t *testing.T) {
	for name, inner := range engines {
		if name == "a loop" {
			continue // a call that waits for an order would hold it up
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ex := inner(t)
				if p, ok := ex.(interface{ Resize(int) error }); ok {
					_ = p.Resize(1000)
				}
				// Hidden in a struct, t is not known to be a *testing.T, whose
				// deadline there is no asking for in a bubble.
				rapid.Check(struct{ rapid.TB }{t}, func(r *rapid.T) { twins(r, ex) })
			})
		})
	}
}

func twins(r *rapid.T, ex braid.Executor) {
	w := &twin{
		limit: rapid.IntRange(0, 4).Draw(r, "limit"),
		queue: rapid.IntRange(0, 4).Draw(r, "queue"),
		every: rapid.SampledFrom([]int{0, 0, 1, 7, 50}).Draw(r, "every"),
		burst: rapid.IntRange(1, 3).Draw(r, "burst"),
	}
	cfg := lane.Config{Limit: w.limit, Queue: w.queue}
	if w.queue == 0 {
		cfg.Queue = -1
	}
	if w.every > 0 {
		cfg.Rate, cfg.Burst = 1000/float64(w.every), w.burst
		w.drops = w.burst * w.every
	}
	l := lane.New(ex, cfg)
	var all []*guinea
	one := func(r *rapid.T, list []int) int {
		if len(list) == 0 {
			r.Skip("there is none")
		}
		return rapid.SampledFrom(list).Draw(r, "call")
	}
	defer func() {
		// To the end, in whatever order.
		l.Resume()
		_ = l.SetRate(0)
		_ = l.Resize(100)
		for _, g := range all {
			g.event.Set()
			close(g.orders)
		}
		if err := l.Close(bg); err != nil {
			r.Errorf("Close = %v", err)
		}
		for i, g := range all {
			_ = g.outcome() // hangs if it was lost
			if g.awake.Load() {
				r.Errorf("call %d still runs", i)
			}
		}
	}()
	r.Repeat(map[string]func(*rapid.T){
		"submit": func(r *rapid.T) {
			ctx, cancel := context.WithCancel(bg)
			g := &guinea{cancel: cancel, orders: make(chan func(context.Context))}
			g.outcome = spawn(ctx, l, g.run)
			w.waiting = append(w.waiting, len(all))
			all = append(all, g)
		},
		"end": func(r *rapid.T) {
			i := one(r, w.running)
			all[i].orders <- nil
			_ = all[i].outcome()
			remove(&w.running, i)
		},
		"park": func(r *rapid.T) {
			i := one(r, w.running)
			all[i].event.Clear()
			all[i].orders <- all[i].park
			remove(&w.running, i)
			w.parked = append(w.parked, i)
		},
		"wake": func(r *rapid.T) {
			i := one(r, w.parked)
			all[i].event.Set()
			remove(&w.parked, i)
			w.woken = append(w.woken, i)
		},
		"cancel": func(r *rapid.T) {
			if len(all) == 0 {
				r.Skip("there is none")
			}
			i := rapid.IntRange(0, len(all)-1).Draw(r, "call")
			if slices.Contains(w.running, i) || slices.Contains(w.woken, i) {
				r.Skip("its next wait would be none")
			}
			all[i].cancel()
			switch {
			case remove(&w.queued, i) || remove(&w.waiting, i):
				if all[i].outcome() == nil {
					r.Fatalf("call %d was cancelled in the queue and has run", i)
				}
			case !all[i].deaf && remove(&w.parked, i):
				w.woken = append(w.woken, i)
				all[i].deaf = true
			}
		},
		"withdraw": func(r *rapid.T) {
			if n, want := l.Withdraw(nil), len(w.queued)+len(w.waiting); n != want {
				r.Fatalf("Withdraw = %d, want %d", n, want)
			}
			w.queued, w.waiting = nil, nil
		},
		"pause":  func(*rapid.T) { l.Pause(); w.paused = true },
		"resume": func(*rapid.T) { l.Resume(); w.paused = false },
		"resize": func(r *rapid.T) {
			w.limit = rapid.IntRange(1, 5).Draw(r, "limit")
			_ = l.Resize(w.limit)
		},
		"time": func(r *rapid.T) {
			d := rapid.IntRange(1, 100).Draw(r, "milliseconds")
			<-time.After(time.Duration(d) * time.Millisecond)
			for range d {
				w.tick()
			}
		},
		"": func(r *rapid.T) {
			w.settle()
			synctest.Wait()
			compare(r, l, w, all)
		},
	})
}

func compare(r *rapid.T, l *lane.Lane, w *twin, all []*guinea) {
	s := l.Statistics()
	balanced(r, s)
	got := fmt.Sprint(s.Running, s.Lent, s.Queued, s.Waiting, s.Paused)
	want := fmt.Sprint(len(w.running), len(w.parked)+len(w.woken), len(w.queued), len(w.waiting), w.paused)
	if got != want {
		r.Fatalf("running, lent, queued, waiting, paused are %s, want %s", got, want)
	}
	var awake []int
	for i, g := range all {
		if g.awake.Load() {
			awake = append(awake, i)
		}
	}
	slices.Sort(w.running)
	if !slices.Equal(awake, w.running) {
		r.Fatalf("the calls %v run, want %v", awake, w.running)
	}
}
