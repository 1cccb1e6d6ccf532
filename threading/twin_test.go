package threading_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
	"pgregory.net/rapid"
)

// TestTwin does the same things to a pool and to a naive one that is a few counters and a
// slice, and sees the same whenever everybody waits: in both modes.
func TestTwin(t *testing.T) {
	for name, exact := range map[string]bool{"exact": true, "relaxed": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rapid.Check(bubbled{t}, func(t *rapid.T) { twin(t, exact) })
			})
		})
	}
}

// bubbled keeps rapid from asking for the deadline of the test, which there is none of in
// a bubble.
type bubbled struct{ *testing.T }

// A job is a task of which the test decides what it does next.
type job struct {
	priority int
	orders   chan func(ctx context.Context) // what to do; one that is nil ends it
	event    strand.Event                   // for which it parks
	begun    int
	ended    bool
	future   *braid.Future[int] // nil: of Pool.Go
	refused  error              // why, in the twin
}

// is says which call the job is. Its failure is to be no news to anybody.
func (j *job) is(f *braid.Future[int]) {
	j.future = f
	go func() { _ = outcomeOf(f) }()
}

func (j *job) run(ctx context.Context) error {
	j.begun++
	defer func() { j.ended = true }()
	for order := range j.orders {
		if order == nil {
			break
		}
		order(ctx)
	}
	return nil
}

// A naive is the twin of a pool.
type naive struct {
	pool    *threading.Pool
	exact   bool // then it is determined which call begins next
	slots   int
	room    int
	paused  bool
	running []*job
	parked  []*job
	woken   []*job // they wait for a slot
	queue   []*job

	submitted, refused, completed int
}

// accept is a submission that is in the queue, or nowhere.
func (n *naive) accept(j *job) bool {
	n.submitted++
	free := max(0, n.slots-len(n.running)-len(n.woken))
	if n.exact && len(n.queue) >= n.room+free {
		n.refuse(j, engine.ErrSaturated)
		return false
	}
	i := len(n.queue)
	for i > 0 && n.queue[i-1].priority < j.priority {
		i--
	}
	n.queue = slices.Insert(n.queue, i, j)
	return true
}

func (n *naive) refuse(j *job, why error) {
	n.refused++
	j.refused = why
}

// settle waits until everybody waits, and gives away the slots of the twin.
func (n *naive) settle(t *rapid.T) {
	synctest.Wait()
	for len(n.running) < n.slots && !n.paused {
		if len(n.woken) > 0 {
			n.running = append(n.running, n.woken[0])
			n.woken = n.woken[1:]
			continue
		}
		i := 0
		if !n.exact { // any will do
			i = slices.IndexFunc(n.queue, func(j *job) bool { return j.begun > 0 })
		}
		if len(n.queue) == 0 {
			break
		}
		if i < 0 || n.queue[i].begun == 0 {
			t.Fatalf("a slot is free, and the next one of %d calls has not begun", len(n.queue))
		}
		n.running = append(n.running, n.queue[i])
		n.queue = slices.Delete(n.queue, i, i+1)
	}
	for _, j := range n.queue {
		if j.begun > 0 {
			t.Fatal("a call has begun out of turn, or without a slot")
		}
	}
	for _, j := range slices.Concat(n.running, n.parked, n.woken) {
		if j.begun != 1 || j.ended {
			t.Fatalf("a call has begun %d times, and it has ended: %v", j.begun, j.ended)
		}
	}
	s := n.pool.Statistics()
	s.Idle = 0 // as the pool likes
	want := threading.Statistics{
		Workers: n.slots, Running: len(n.running), Lent: len(n.parked) + len(n.woken), Queued: len(n.queue),
		Submitted: uint64(n.submitted), Refused: uint64(n.refused), Completed: uint64(n.completed),
	}
	if s != want {
		t.Fatalf("the pool has\n%+v, its twin\n%+v", s, want)
	}
}

func twin(t *rapid.T, exact bool) {
	cfg := threading.Config{Workers: rapid.IntRange(1, 3).Draw(t, "workers")}
	if exact {
		cfg.Queue, cfg.Full = rapid.IntRange(1, 4).Draw(t, "queue"), threading.Refuse
	}
	n := &naive{pool: threading.NewPool(cfg), exact: exact, slots: cfg.Workers, room: cfg.Queue}
	var jobs []*job
	draw := func(t *rapid.T, from []*job) *job {
		if len(from) == 0 {
			t.Skip("there is none")
		}
		return from[rapid.IntRange(0, len(from)-1).Draw(t, "which")]
	}
	newJob := func() *job {
		j := &job{orders: make(chan func(context.Context))}
		jobs = append(jobs, j)
		return j
	}
	remove := func(from *[]*job, j *job) {
		i := slices.Index(*from, j)
		*from = slices.Delete(*from, i, i+1)
	}
	end := func(j *job, how func(context.Context)) {
		j.orders <- how
		remove(&n.running, j)
		n.completed++
	}
	t.Repeat(map[string]func(*rapid.T){
		"submit": func(t *rapid.T) {
			j := newJob()
			j.priority = rapid.SampledFrom([]int{0, 0, 0, 1, -1}).Draw(t, "priority")
			j.is(runWith(bg, n.pool, j.run, braid.Priority(j.priority)))
			n.accept(j)
		},
		"go": func(t *rapid.T) {
			j := newJob()
			err := n.pool.Go(bg, func(ctx context.Context) { _ = j.run(ctx) })
			if ok := n.accept(j); ok != (err == nil) {
				t.Fatalf("Go = %v", err)
			}
		},
		"spawn": func(t *rapid.T) {
			parent, j := draw(t, n.running), newJob()
			made := make(chan *braid.Future[int])
			parent.orders <- func(ctx context.Context) {
				// It does not end with the parent, but it is that which submits it.
				made <- runWith(context.WithoutCancel(ctx), n.pool, j.run)
			}
			j.is(<-made)
			n.accept(j)
		},
		"cancel": func(t *rapid.T) {
			j := draw(t, n.queue)
			if j.future == nil {
				t.Skip("it cannot be cancelled by itself")
			}
			j.future.Cancel(nil)
			remove(&n.queue, j)
			n.refuse(j, context.Canceled)
		},
		"return": func(t *rapid.T) { end(draw(t, n.running), nil) },
		"panic":  func(t *rapid.T) { end(draw(t, withFuture(n.running)), func(context.Context) { panic("no luck") }) },
		"exit":   func(t *rapid.T) { end(draw(t, withFuture(n.running)), func(context.Context) { runtime.Goexit() }) },
		"park": func(t *rapid.T) {
			j := draw(t, n.running)
			j.orders <- func(ctx context.Context) { _ = j.event.Wait(ctx); j.event.Clear() }
			remove(&n.running, j)
			n.parked = append(n.parked, j)
		},
		"wake": func(t *rapid.T) {
			j := draw(t, n.parked)
			j.event.Set()
			remove(&n.parked, j)
			n.woken = append(n.woken, j)
		},
		"resize": func(t *rapid.T) {
			n.slots = rapid.IntRange(1, 4).Draw(t, "slots")
			if err := n.pool.Resize(n.slots); err != nil {
				t.Fatal(err)
			}
		},
		"pause":  func(t *rapid.T) { n.pool.Pause(); n.paused = true },
		"resume": func(t *rapid.T) { n.pool.Resume(); n.paused = false },
		"withdraw": func(t *rapid.T) {
			if k := n.pool.Withdraw(errWhy); k != len(n.queue) {
				t.Fatalf("Withdraw = %d, want %d", k, len(n.queue))
			}
			for _, j := range n.queue {
				n.refuse(j, errWhy)
			}
			n.queue = nil
		},
		"drain": func(t *rapid.T) {
			ctx, cancel := context.WithCancel(bg)
			drained := make(chan error, 1)
			go func() { drained <- n.pool.Drain(ctx) }()
			synctest.Wait()
			select {
			case err := <-drained:
				if err != nil || len(n.running)+len(n.parked)+len(n.woken)+len(n.queue) > 0 {
					t.Fatalf("Drain = %v of a pool that is busy", err)
				}
			default:
				if len(n.running)+len(n.parked)+len(n.woken)+len(n.queue) == 0 {
					t.Fatal("Drain waits for a pool with nothing in it")
				}
				cancel()
				if err := <-drained; !errors.Is(err, context.Canceled) {
					t.Fatalf("a cancelled Drain = %v", err)
				}
			}
			cancel()
		},
		"": n.settle,
	})
	// Everything comes to its end while the pool closes.
	closed := make(chan error, 1)
	go func() { closed <- n.pool.Close(bg) }()
	n.paused = false
	for n.settle(t); len(n.running)+len(n.parked) > 0; n.settle(t) {
		for len(n.parked) > 0 {
			n.parked[0].event.Set()
			n.woken = append(n.woken, n.parked[0])
			n.parked = n.parked[1:]
			n.settle(t)
		}
		if len(n.running) > 0 {
			end(n.running[0], nil)
		}
	}
	if err := <-closed; err != nil {
		t.Fatalf("Close = %v", err)
	}
	if idle := n.pool.Statistics().Idle; idle != 0 {
		t.Fatalf("%d goroutines are idle in a closed pool", idle)
	}
	for _, j := range jobs {
		if j.future == nil {
			continue
		}
		err := outcomeOf(j.future)
		if refused := errors.Is(err, braid.ErrNotStarted); refused != (j.begun == 0) || refused && !errors.Is(err, j.refused) {
			t.Fatalf("a call has begun %d times, and its outcome is %v, want %v", j.begun, err, j.refused)
		}
	}
}

// withFuture returns the jobs whose failure somebody hears of.
func withFuture(jobs []*job) (with []*job) {
	for _, j := range jobs {
		if j.future != nil {
			with = append(with, j)
		}
	}
	return with
}
