package lane_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/lane"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// descend makes calls within calls on ex, so many deep.
func descend(ctx context.Context, ex braid.Executor, depth int) (int, error) {
	if depth == 0 {
		return 0, nil
	}
	n, err := braid.Go(ctx, ex, func(ctx context.Context) (int, error) {
		return descend(ctx, ex, depth-1)
	}).Await(ctx)
	return n + 1, err
}

// TestThousandDeep has tasks wait for tasks in a lane with one place, in front of pools
// of one, and of all else that there is.
func TestThousandDeep(t *testing.T) {
	for name, inner := range map[string]func(t *testing.T) engine.Executor{
		"pool of one": func(t *testing.T) engine.Executor { return pool(t, threading.Config{Workers: 1}) },
		"pool of one without a queue": func(t *testing.T) engine.Executor {
			return pool(t, threading.Config{Workers: 1, Queue: -1})
		},
		"lane of one": func(t *testing.T) engine.Executor {
			return open(t, pool(t, threading.Config{Workers: 1}), lane.Config{Limit: 1})
		},
		"goroutines": func(*testing.T) engine.Executor { return nil },
		"serial":     func(*testing.T) engine.Executor { return engine.NewSerial(nil) },
		"loop": func(t *testing.T) engine.Executor {
			l := asyncio.NewLoop(asyncio.Config{})
			t.Cleanup(func() { _ = l.Close(bg) })
			return l
		},
	} {
		for _, queue := range []int{0, -1} {
			t.Run(name, func(t *testing.T) {
				l := open(t, inner(t), lane.Config{Limit: 1, Queue: queue})
				depth := 1000
				if name == "loop" || name == "goroutines" || name == "serial" {
					depth = 200 // contexts within contexts: the time goes with the square
				}
				if n, err := descend(bg, l, depth); n != depth || err != nil {
					t.Errorf("with Queue %d the depth is %d, %v; want %d", queue, n, err, depth)
				}
				if s := l.Statistics(); s.Completed != uint64(depth) {
					t.Errorf("the lane has counted %+v", s)
				}
			})
		}
	}
}

// TestLanesOfOnePool has tasks wait for tasks in another lane, to and fro.
func TestLanesOfOnePool(t *testing.T) {
	p := pool(t, threading.Config{Workers: 1})
	lanes := []*lane.Lane{open(t, p, lane.Config{Limit: 1}), open(t, p, lane.Config{Limit: 1, Queue: -1})}
	var down func(ctx context.Context, depth int) (int, error)
	down = func(ctx context.Context, depth int) (int, error) {
		if depth == 0 {
			return 0, nil
		}
		n, err := braid.Go(ctx, lanes[depth%2], func(ctx context.Context) (int, error) {
			return down(ctx, depth-1)
		}).Await(ctx)
		return n + 1, err
	}
	for range 4 {
		if n, err := down(bg, 100); n != 100 || err != nil {
			t.Errorf("the depth is %d, %v; want 100", n, err)
		}
	}
}

func TestLends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool(t, threading.Config{Workers: 2})
		l := open(t, p, lane.Config{Limit: 1})
		var event strand.Event
		waiter := run(l, event.Wait)
		loaded(t, l, load{lent: 1})
		release := occupy(t, l, 1)
		event.Set()
		loaded(t, l, load{running: 1, lent: 1}) // woken, and without a place
		next := run(l, nothing)
		loaded(t, l, load{running: 1, lent: 1, queued: 1})
		if s := p.Statistics(); s.Running != 1 || s.Lent != 1 {
			t.Errorf("who waits for a place has a slot: %+v", s)
		}
		release()
		succeeded(t, waiter)
		succeeded(t, next)
	})
}

func TestWokenBeforeQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Limit: 1})
		var event strand.Event
		var d diary[string]
		waiter := run(l, func(ctx context.Context) error {
			err := event.Wait(ctx)
			d.add("woken")
			return err
		})
		synctest.Wait()
		release := occupy(t, l, 1)
		queued := run(l, func(context.Context) error { d.add("queued"); return nil })
		event.Set()
		synctest.Wait()
		release()
		succeeded(t, waiter)
		succeeded(t, queued)
		d.is(t, "woken", "queued")
	})
}

// A task that waits for time, or for something outside, keeps its place.
func TestKeepsItsPlace(t *testing.T) {
	for name, park := range map[string]func(context.Context) error{
		"Sleep": func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) },
		"Outside": func(ctx context.Context) error {
			return strand.Park(ctx, strand.Op{Kind: strand.OpRead}, laterWaitable{})
		},
	} {
		for engineName, inner := range engines {
			t.Run(name+" on "+engineName, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := open(t, inner(t), lane.Config{Limit: 1})
					f := run(l, park)
					loaded(t, l, load{running: 1})
					next := run(l, nothing)
					loaded(t, l, load{running: 1, queued: 1})
					begin := time.Now()
					succeeded(t, next)
					if d := time.Since(begin); d != time.Hour {
						t.Errorf("the next call went on after %v, want an hour", d)
					}
					succeeded(t, f)
				})
			})
		}
	}
}

// laterWaitable is woken after an hour.
type laterWaitable struct{}

func (laterWaitable) Arm(wake func()) bool { time.AfterFunc(time.Hour, wake); return true }
func (laterWaitable) Disarm() bool         { return false }

var engines = map[string]func(t testing.TB) engine.Executor{
	"a pool":     func(t testing.TB) engine.Executor { return pool(t, threading.Config{Workers: 3}) },
	"goroutines": func(testing.TB) engine.Executor { return engine.NewGoroutines(nil) },
	"a loop": func(t testing.TB) engine.Executor {
		l := asyncio.NewLoop(asyncio.Config{})
		t.Cleanup(func() { _ = l.Close(bg) })
		return l
	},
}

func TestMaxLent(t *testing.T) {
	for name, inner := range engines {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := open(t, inner(t), lane.Config{Limit: 2, MaxLent: 1})
				var event strand.Event
				fs := []*braid.Future[int]{run(l, event.Wait), run(l, event.Wait)}
				loaded(t, l, load{running: 1, lent: 1})
				fs = append(fs, run(l, event.Wait))
				loaded(t, l, load{running: 2, lent: 1})
				fs = append(fs, run(l, nothing))
				loaded(t, l, load{running: 2, lent: 1, queued: 1})
				event.Set()
				for _, f := range fs {
					succeeded(t, f)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				l := open(t, inner(t), lane.Config{Limit: 1, MaxLent: -1})
				var event strand.Event
				f, next := run(l, event.Wait), run(l, nothing)
				loaded(t, l, load{running: 1, queued: 1})
				event.Set()
				succeeded(t, f)
				succeeded(t, next)
			})
		})
	}
}

// A task that was cancelled while it was parked takes its place again, and so it does
// if it was cancelled while it waits for that.
func TestCancelledParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Limit: 1})
		var event strand.Event
		ctx, cancel := context.WithCancelCause(bg)
		first, second := runWith(ctx, l, event.Wait), runWith(ctx, l, event.Wait)
		loaded(t, l, load{lent: 2})
		release := occupy(t, l, 1)
		cancel(errWhy)
		loaded(t, l, load{running: 1, lent: 2})
		release()
		isAll(t, outcomeOf(first), context.Canceled, errWhy)
		isAll(t, outcomeOf(second), context.Canceled, errWhy)
		loaded(t, l, load{})
	})
}
