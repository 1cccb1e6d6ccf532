package lane_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/lane"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// timed returns a body that notes when it runs.
func timed(d *diary[time.Duration], begin time.Time) func(context.Context) error {
	return func(context.Context) error { d.add(time.Since(begin)); return nil }
}

func TestRate(t *testing.T) {
	for name, inner := range engines {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := open(t, inner(t), lane.Config{Rate: 2, Burst: 2})
				var d diary[time.Duration]
				begin := time.Now()
				var fs []*braid.Future[int]
				for range 5 {
					fs = append(fs, run(l, timed(&d, begin)))
				}
				loaded(t, l, load{queued: 3})
				if n := l.Ushers(); n != 0 {
					t.Errorf("%d goroutines wait for the rate, want none", n)
				}
				for _, f := range fs {
					succeeded(t, f)
				}
				d.is(t, 0, 0, time.Second/2, time.Second, 3*time.Second/2)
				if n := l.Statistics().RateWaits; n != 3 {
					t.Errorf("%d calls were held up, want 3", n)
				}
			})
		})
	}
}

// A call that is cancelled while it is the next costs nobody else time.
func TestRateCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Rate: 1})
		var d diary[time.Duration]
		begin := time.Now()
		ctx, cancel := context.WithCancel(bg)
		first, gone, next := run(l, timed(&d, begin)), runWith(ctx, l, timed(&d, begin)), run(l, timed(&d, begin))
		loaded(t, l, load{queued: 2})
		cancel()
		isAll(t, outcomeOf(gone), engine.ErrNotStarted)
		succeeded(t, first)
		succeeded(t, next)
		d.is(t, 0, time.Second)
	})
}

func TestRateWithoutQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Rate: 1, Queue: -1})
		var d diary[time.Duration]
		begin := time.Now()
		outcomes := []func() error{spawn(bg, l, timed(&d, begin)), spawn(bg, l, timed(&d, begin)), spawn(bg, l, timed(&d, begin))}
		for _, outcome := range outcomes {
			if err := outcome(); err != nil {
				t.Error(err)
			}
		}
		d.is(t, 0, time.Second, 2*time.Second)
	})
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Rate: 1, Queue: -1, Full: lane.Refuse})
		succeeded(t, run(l, nothing))
		isAll(t, outcomeOf(run(l, nothing)), engine.ErrSaturated)
		<-time.After(time.Second)
		succeeded(t, run(l, nothing))
		if n := l.Statistics().RateWaits; n != 0 {
			t.Errorf("%d calls were held up, want none: it was refused", n)
		}
	})
}

// Together, the slower rule counts, call by call.
func TestRateAndLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Rate: 1, Burst: 10, Limit: 2})
		var d diary[time.Duration]
		begin := time.Now()
		var fs []*braid.Future[int]
		for i := range 14 {
			fs = append(fs, run(l, func(ctx context.Context) error {
				d.add(time.Since(begin))
				if i < 10 {
					return strand.Sleep(ctx, time.Second)
				}
				return nil
			}))
		}
		for _, f := range fs {
			succeeded(t, f)
		}
		const s = time.Second
		// Two a second at first: one comes to the bucket and two go, until it is empty.
		d.is(t, 0, 0, s, s, 2*s, 2*s, 3*s, 3*s, 4*s, 4*s, 5*s, 5*s, 5*s, 5*s)
	})
}

func TestSetRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Rate: 1.0 / 3600})
		var d diary[time.Duration]
		begin := time.Now()
		var fs []*braid.Future[int]
		for range 4 {
			fs = append(fs, run(l, timed(&d, begin)))
		}
		loaded(t, l, load{queued: 3})
		if err := l.SetRate(1); err != nil {
			t.Error(err)
		}
		<-time.After(time.Second)
		loaded(t, l, load{queued: 2})
		if err := l.SetRate(0); err != nil {
			t.Error(err)
		}
		for _, f := range fs {
			succeeded(t, f)
		}
		d.is(t, 0, time.Second, time.Second, time.Second)
		for _, rate := range []float64{-1, math.Inf(1), math.NaN()} {
			says(t, l.SetRate(rate), "it must be a positive number of calls a second, or 0 for no limit")
		}
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Limit: 2, Queue: 1})
		release := occupy(t, l, 1)
		var event strand.Event
		parked := run(l, event.Wait)
		loaded(t, l, load{running: 1, lent: 1})
		l.Pause()
		l.Pause()
		if !l.Statistics().Paused {
			t.Error("the lane does not say that it is paused")
		}
		queued, waiting := run(l, nothing), spawn(bg, l, nothing)
		loaded(t, l, load{running: 1, lent: 1, queued: 1, waiting: 1})
		event.Set()
		succeeded(t, parked) // goes on all the same
		release()
		loaded(t, l, load{queued: 1, waiting: 1})
		l.Resume()
		succeeded(t, queued)
		if err := waiting(); err != nil {
			t.Error(err)
		}
		l.Resume()
		succeeded(t, run(l, nothing))
	})
}

// Who closes a paused lane gets what was admitted done.
func TestCloseEndsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Limit: 1})
		l.Pause()
		f := run(l, nothing)
		loaded(t, l, load{queued: 1})
		if err := l.Close(bg); err != nil {
			t.Error(err)
		}
		succeeded(t, f)
		l.Pause()
		isAll(t, outcomeOf(run(l, nothing)), engine.ErrClosed)
	})
}

func TestResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Limit: 1})
		gate := make(chan struct{})
		hold := func(context.Context) error { <-gate; return nil }
		var fs []*braid.Future[int]
		for range 6 {
			fs = append(fs, run(l, hold))
		}
		loaded(t, l, load{running: 1, queued: 5})
		for _, n := range []int{4, 2} {
			if err := l.Resize(n); err != nil {
				t.Error(err)
			}
			if l.Size() != n || l.Statistics().Limit != n {
				t.Errorf("Size is %d, Statistics.Limit %d, want %d", l.Size(), l.Statistics().Limit, n)
			}
			loaded(t, l, load{running: 4, queued: 2})
		}
		gate <- struct{}{}
		gate <- struct{}{}
		loaded(t, l, load{running: 2, queued: 2})
		gate <- struct{}{}
		loaded(t, l, load{running: 2, queued: 1})
		close(gate)
		for _, f := range fs {
			succeeded(t, f)
		}
		says(t, l.Resize(0), "lane: cannot resize to 0 places: it needs at least 1; to let nothing through use Pause")
	})
}

func TestSize(t *testing.T) {
	p := pool(t, threading.Config{Workers: 3})
	for _, tc := range []struct {
		name  string
		inner engine.Executor
		cfg   lane.Config
		want  int
	}{
		{"fewer than workers", p, lane.Config{Limit: 2}, 2},
		{"more than workers", p, lane.Config{Limit: 10}, 3},
		{"no limit", p, lane.Config{}, 3},
		{"no workers", nil, lane.Config{Limit: 10}, 10},
		{"neither", nil, lane.Config{}, runtime.GOMAXPROCS(0)},
		{"adaptive", nil, lane.Config{Adaptive: &lane.Gradient{Initial: 7}}, 7},
		{"adaptive, within the limit", nil, lane.Config{Limit: 5, Adaptive: &lane.Gradient{Initial: 7}}, 5},
		{"a lane behind", lane.New(nil, lane.Config{Limit: 2}), lane.Config{Limit: 4}, 2},
	} {
		if n := engine.Size(lane.New(tc.inner, tc.cfg)); n != tc.want {
			t.Errorf("%s: the size is %d, want %d", tc.name, n, tc.want)
		}
	}
}

// A batch is one call to a limit. To a rate it would be too many.
func TestMaxBatch(t *testing.T) {
	for _, tc := range []struct {
		name  string
		inner engine.Executor
		cfg   lane.Config
		want  int
	}{
		{"a limit", batcher{}, lane.Config{Limit: 2}, 7},
		{"lanes", lane.New(batcher{}, lane.Config{}), lane.Config{}, 7},
		{"a rate", batcher{}, lane.Config{Rate: 2}, 1},
		{"adaptive", batcher{}, lane.Config{Adaptive: &lane.Gradient{}}, 1},
		{"a rate behind", lane.New(batcher{}, lane.Config{Rate: 2}), lane.Config{}, 1},
		{"an engine without", nil, lane.Config{}, 1},
	} {
		if n := lane.New(tc.inner, tc.cfg).MaxBatch(); n != tc.want {
			t.Errorf("%s: MaxBatch = %d, want %d", tc.name, n, tc.want)
		}
	}
}

type batcher struct{ foreign }

func (batcher) MaxBatch() int { return 7 }

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool(t, threading.Config{Workers: 1})
		l := lane.New(p, lane.Config{Limit: 2, Queue: 1})
		begun := make(chan struct{})
		runs := run(l, func(ctx context.Context) error { close(begun); <-ctx.Done(); return context.Cause(ctx) })
		<-begun
		behind, queued := run(l, nothing), run(l, nothing) // in the pool's queue, in the lane's
		waiting := spawn(bg, l, nothing)
		loaded(t, l, load{running: 2, queued: 1, waiting: 1})
		ctx, cancel := context.WithTimeout(bg, time.Minute)
		defer cancel()
		err := l.Close(ctx)
		isAll(t, err, context.DeadlineExceeded)
		says(t, err, "lane: closing cancelled 3 calls: ")
		for _, err := range []error{outcomeOf(behind), outcomeOf(queued), waiting()} {
			isAll(t, err, engine.ErrNotStarted, engine.ErrClosed)
			isNone(t, err, context.Canceled)
		}
		isAll(t, outcomeOf(runs), engine.ErrClosed)
		succeeded(t, run(p, nothing)) // the pool is open
	})
}

func TestCloseOfDeafTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, nil, lane.Config{Grace: time.Second})
		release := occupy(t, l, 1)
		begin := time.Now()
		err := l.Close(canceled())
		says(t, err, "lane: closing cancelled 1 call, of which 1 still run: ")
		if d := time.Since(begin); d != time.Second {
			t.Errorf("Close has waited %v, want the grace of a second", d)
		}
		release()
	})
}

func TestCloseFromTask(t *testing.T) {
	for name, inner := range engines {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := open(t, inner(t), lane.Config{Limit: 1})
				succeeded(t, run(l, func(ctx context.Context) error {
					says(t, l.Drain(ctx), "lane: Drain called from a task of the lane: it would wait for itself")
					says(t, l.Close(ctx), "lane: Close called from a task of the lane: it is closing, but cannot wait for itself")
					return nil
				}))
				isAll(t, outcomeOf(run(l, nothing)), engine.ErrClosed)
			})
		})
	}
}

// A task of one lane may drain another, of the same engine.
func TestDrainOfAnotherLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool(t, threading.Config{Workers: 1})
		a, b := open(t, p, lane.Config{Limit: 1}), open(t, p, lane.Config{Limit: 1})
		f := run(a, func(ctx context.Context) error {
			run(b, nothing)
			return b.Drain(ctx)
		})
		succeeded(t, f)
	})
}

// TestListener has the engine's listener hear of all calls in the lane, from their
// arrival on.
func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary[string]
		tell := func(what string) func(engine.Event) {
			return func(e engine.Event) { d.add(e.Engine + " " + e.Task + " " + what) }
		}
		// One worker: with two, the next call may begin before the end of the one before is told.
		p := pool(t, threading.Config{Workers: 1, Name: "cpu", Listener: &engine.Listener{
			Submitted: tell("submitted"), Started: tell("started"), Finished: tell("finished"),
		}})
		l := open(t, open(t, p, lane.Config{Name: "outer"}), lane.Config{Name: "inner", Limit: 1})
		var event strand.Event
		f := run(l, func(ctx context.Context) error { event.Set(); return nil }, braid.Name("first"))
		succeeded(t, f)
		release := occupy(t, l, 1)
		g := run(l, nothing, braid.Name("second"))
		ctx, cancel := context.WithCancel(bg)
		h := runWith(ctx, l, nothing, braid.Name("third"))
		cancel()
		err := outcomeOf(h)
		says(t, err, "braid: task third on cpu/outer/inner: the task was not started")
		release()
		succeeded(t, g)
		const e = "cpu/outer/inner "
		d.is(t, e+"first submitted", e+"first started", e+"first finished",
			e+" submitted", e+" started", e+"second submitted", e+"third submitted", e+"third finished",
			e+" finished", e+"second started", e+"second finished")
	})
}

// An engine that shows nothing of itself has lanes all the same.
func TestForeignEngine(t *testing.T) {
	l := open(t, foreign{}, lane.Config{Name: "images", Limit: 1, Queue: -1, Full: lane.Refuse})
	for range 100 {
		says(t, outcomeOf(run(l, func(context.Context) error { return errWhy })), "braid: on lane/images: the cause")
	}
}

// A foreign engine runs each call to its end in Start.
type foreign struct{}

func (foreign) Start(ctx context.Context, c *engine.Call) {
	ctx = c.Submit(ctx, &engine.Host{Name: "foreign"})
	c.Run(strand.Detach(ctx), 0)
}

// A task may end the goroutine that passes calls on.
func TestGoexitInStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, foreign{}, lane.Config{Limit: 1})
		gate := make(chan struct{})
		first := spawn(bg, l, func(context.Context) error { <-gate; return nil })
		synctest.Wait()
		var fs []*braid.Future[int]
		for range 10 {
			fs = append(fs, run(l, func(context.Context) error { runtime.Goexit(); return nil }))
		}
		fs = append(fs, run(l, nothing))
		close(gate)
		if err := first(); err != nil {
			t.Error(err)
		}
		for _, f := range fs[:10] {
			isAll(t, outcomeOf(f), engine.ErrGoexit)
		}
		succeeded(t, fs[10])
	})
}

func TestScopeOnLane(t *testing.T) {
	l := open(t, nil, lane.Config{Limit: 2})
	sum := 0
	err := braid.Scope(bg, l, func(ctx context.Context, g *braid.Group) error {
		var mu strand.Mutex
		for i := range 10 {
			runWith(ctx, g, func(ctx context.Context) error {
				if err := mu.Lock(ctx); err != nil {
					return err
				}
				defer mu.Unlock()
				sum += i
				return nil
			})
		}
		return nil
	}, braid.Limit(3))
	if err != nil || sum != 45 {
		t.Errorf("the sum is %d, %v", sum, err)
	}
}

func TestNewPanics(t *testing.T) {
	for text, f := range map[string]func(){
		"lane: Config.Limit is -1: it must be positive, or 0 for no limit":                             func() { lane.New(nil, lane.Config{Limit: -1}) },
		"lane: Config.Rate is NaN: it must be a positive number of calls a second, or 0 for no limit":  func() { lane.New(nil, lane.Config{Rate: math.NaN()}) },
		"lane: Config.Burst is 5 with a Rate of 0: it must be positive, or 0 for 1, and needs a Rate":  func() { lane.New(nil, lane.Config{Burst: 5}) },
		"lane: Config.Burst is -5 with a Rate of 2: it must be positive, or 0 for 1, and needs a Rate": func() { lane.New(nil, lane.Config{Rate: 2, Burst: -5}) },
		"lane: Config.Full is 2: it must be Wait or Refuse":                                            func() { lane.New(nil, lane.Config{Full: 2}) },
		"lane: Gradient.Min is -1: it must be positive, or 0 for the default":                          func() { lane.New(nil, lane.Config{Adaptive: &lane.Gradient{Min: -1}}) },
		"lane: Gradient.Max is 3, but Min is 4":                                                        func() { lane.New(nil, lane.Config{Adaptive: &lane.Gradient{Min: 4, Max: 3}}) },
		"lane: Gradient.Initial is 5: it must be between Min, 1, and Max, 4":                           func() { lane.New(nil, lane.Config{Adaptive: &lane.Gradient{Max: 4, Initial: 5}}) },
		"lane: New in front of a braid.Group: make the lane first, and give it to braid.Scope as its exec": func() {
			_ = braid.Scope(bg, nil, func(_ context.Context, g *braid.Group) error { lane.New(g, lane.Config{}); return nil })
		},
	} {
		func() {
			defer func() {
				if s, ok := recover().(string); !ok || !strings.HasPrefix(s, text) {
					t.Errorf("the panic says %q, want %q", s, text)
				}
			}()
			f()
		}()
	}
}

// TestAdaptive has a service that answers 8 at once as fast as one, and a lane that finds
// that out.
func TestAdaptive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const servers, took = 8, 100 * time.Millisecond
		service := make(chan struct{}, servers)
		l := open(t, nil, lane.Config{Adaptive: &lane.Gradient{Max: 500, Initial: 100}, Queue: 10_000})
		var fs []*braid.Future[int]
		begin := time.Now()
		for range 5000 {
			fs = append(fs, run(l, func(context.Context) error {
				service <- struct{}{}
				defer func() { <-service }()
				return strand.Sleep(bg, took)
			}))
		}
		for _, f := range fs[:4000] {
			succeeded(t, f)
		}
		s := l.Statistics()
		if s.Limit < servers || s.Limit > 2*servers {
			t.Errorf("the limit is %d for a service of %d", s.Limit, servers)
		}
		if s.LongRTT < took || s.LongRTT > 5*took/4 {
			t.Errorf("long is %v for a service that takes %v", s.LongRTT, took)
		}
		if least := time.Duration(len(fs)) * took / servers; time.Since(begin) > least {
			t.Errorf("4000 calls took %v, longer than all 5000 should", time.Since(begin))
		}
		for _, f := range fs[4000:] {
			succeeded(t, f)
		}
	})
}

// What says nothing of the service is no sample: failures, and time without a place.
func TestAdaptiveSamples(t *testing.T) {
	for _, tc := range []struct {
		name string
		body func(ctx context.Context, event *strand.Event) error
		want time.Duration
	}{
		{"success", func(ctx context.Context, _ *strand.Event) error { return strand.Sleep(ctx, time.Second) }, time.Second},
		{"failure", func(ctx context.Context, _ *strand.Event) error {
			return errors.Join(strand.Sleep(ctx, time.Second), errWhy)
		}, 0},
		{"time is over", func(ctx context.Context, _ *strand.Event) error { return strand.Sleep(ctx, time.Hour) }, time.Minute},
		{"parked", func(ctx context.Context, e *strand.Event) error {
			return errors.Join(strand.Sleep(ctx, time.Second), e.Wait(ctx), strand.Sleep(ctx, time.Second))
		}, 2 * time.Second},
	} {
		for name, inner := range engines {
			t.Run(tc.name+" on "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ex := inner(t)
					if p, ok := ex.(*threading.Pool); ok {
						_ = p.Resize(10)
					}
					l := open(t, ex, lane.Config{Adaptive: &lane.Gradient{Initial: 10}})
					var event strand.Event
					time.AfterFunc(30*time.Second, event.Set)
					var fs []*braid.Future[int]
					for range 10 { // a round
						fs = append(fs, run(l, func(ctx context.Context) error { return tc.body(ctx, &event) }, braid.Timeout(time.Minute)))
					}
					for _, f := range fs {
						_ = outcomeOf(f)
					}
					if got := l.Statistics().ShortRTT; got.Round(time.Millisecond) != tc.want {
						t.Errorf("short is %v, want %v", got, tc.want)
					}
				})
			})
		}
	}
}
