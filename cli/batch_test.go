package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/halt"
	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// fakeWork is work in the form of a function of the input's text.
type fakeWork struct {
	f   func(ctx context.Context, text string) (any, error)
	bad string // an input that makes no sense

	mu                     sync.Mutex
	running, most, started int
}

func (w *fakeWork) submit(ctx context.Context, ex braid.Executor, it input.Item, _ int, opts []braid.Option) (*braid.Future[any], error) {
	if it.Text == w.bad && it.Text != "" {
		return nil, errors.New("it makes no sense")
	}
	return braid.Go(ctx, ex, func(ctx context.Context) (any, error) {
		w.count(1)
		defer w.count(-1)
		return w.f(ctx, it.Text)
	}, opts...), nil
}

func (w *fakeWork) count(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running += n
	w.started += max(n, 0)
	w.most = max(w.most, w.running)
}

func (w *fakeWork) describe(it input.Item, _ int) (string, error) { return it.Text, nil }

// nap sleeps for as many seconds as the text says; one with an x fails then.
func nap(ctx context.Context, text string) (any, error) {
	n, err := strconv.Atoi(strings.Trim(text, "x"))
	if err != nil {
		return nil, err
	}
	if err := strand.Sleep(ctx, time.Duration(n)*time.Second); err != nil {
		return nil, err
	}
	if strings.Contains(text, "x") {
		return nil, errors.New("failed")
	}
	return text, nil
}

// run runs a batch in virtual time and returns what it emitted.
func runBatch(t *testing.T, b *batch, src *source, workers int) []*result {
	t.Helper()
	if b.engine == nil {
		pool := threading.NewPool(threading.Config{Workers: workers})
		defer func() {
			if err := pool.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		b.engine = pool
	}
	if b.control == nil {
		b.control = newControl()
	}
	var emitted []*result
	emit := b.emit
	b.emit = func(r *result) {
		emitted = append(emitted, r)
		if emit != nil {
			emit(r)
		}
	}
	b.run(t.Context(), src)
	if got := b.tally.ended(); got != len(emitted) && b.control.stage() < stageAbandon {
		t.Errorf("%d results were emitted, %d counted", len(emitted), got)
	}
	return emitted
}

// slices of inputs, and of the texts of results
func sliceOf(texts ...string) *source {
	var entries []entry
	for _, text := range texts {
		entries = append(entries, entry{item: line(text)})
	}
	return sliceSource(entries)
}

func texts(results []*result) string {
	var list []string
	for _, r := range results {
		list = append(list, r.item.Text)
	}
	return strings.Join(list, " ")
}

func TestBatchOrder(t *testing.T) {
	for _, c := range []struct {
		keep bool
		want string
	}{{false, "1 2 3 4"}, {true, "4 3 1 2"}} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			b := &batch{work: &fakeWork{f: nap}, window: 8, ahead: 8, keep: c.keep}
			got := runBatch(t, b, sliceOf("4", "3", "1", "2"), 4)
			if texts(got) != c.want {
				t.Errorf("keep %v: order %s, want %s", c.keep, texts(got), c.want)
			}
			if took := time.Since(began); took != 4*time.Second {
				t.Errorf("it took %v, want 4s", took)
			}
			for _, r := range got {
				if want := slices.Index([]string{"4", "3", "1", "2"}, r.item.Text) + 1; r.seq != want {
					t.Errorf("input %s has number %d, want %d", r.item.Text, r.seq, want)
				}
			}
			if want := (tally{read: 4, ok: 4}); b.tally != want {
				t.Errorf("tally %+v, want %+v", b.tally, want)
			}
		})
	}
}

// No more than the window is in flight; with keep, no more than so many results
// wait for an earlier one.
func TestBatchWindow(t *testing.T) {
	for _, c := range []struct {
		name          string
		window, ahead int
		keep          bool
		mostLaunched  int // while the first input still runs
	}{
		{"window", 3, 0, false, 100},
		{"ahead", 3, 10, true, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &fakeWork{}
				launchedAt := 0
				w.f = func(ctx context.Context, text string) (any, error) {
					if text == "1" {
						err := strand.Sleep(ctx, time.Hour)
						w.mu.Lock()
						launchedAt = w.started
						w.mu.Unlock()
						return nil, err
					}
					return nil, strand.Sleep(ctx, time.Second)
				}
				taken := 0
				b := &batch{work: w, window: c.window, ahead: c.ahead, keep: c.keep, engine: engine.NewGoroutines(nil)}
				got := runBatch(t, b, newSource(t.Context(), items(100, &taken), nil), 0)
				if len(got) != 100 || w.most != c.window {
					t.Errorf("%d results, %d at once; want 100, and %d", len(got), w.most, c.window)
				}
				if launchedAt != c.mostLaunched {
					t.Errorf("%d were launched before the first ended, want %d", launchedAt, c.mostLaunched)
				}
			})
		})
	}
}

// What a policy stops is not launched, if nothing waits in the engine's queue.
func TestBatchHalt(t *testing.T) {
	for _, c := range []struct {
		policy string
		inputs string
		window int
		want   tally
		took   time.Duration
	}{
		{"soon,fail=1", "1 1x 1 1", 1, tally{read: 2, ok: 1, failed: 1}, 2 * time.Second},
		{"soon,fail=1", "1x 5 1 1", 2, tally{read: 2, ok: 1, failed: 1}, 5 * time.Second},
		{"now,fail=1", "1x 5 1 1", 2, tally{read: 2, failed: 1, stopped: 1}, time.Second},
		{"now,success=1", "1x 2 9 9 9", 3, tally{read: 4, ok: 1, failed: 1, stopped: 2}, 2 * time.Second},
		{"soon,done=3", "1 1x 1 1", 1, tally{read: 3, ok: 2, failed: 1}, 3 * time.Second},
		{"soon,fail=3", "1x 1x 1 1x 1 1", 1, tally{read: 4, ok: 1, failed: 3}, 4 * time.Second},
		{"never", "1x 1x 1", 1, tally{read: 3, ok: 1, failed: 2}, 3 * time.Second},
		// What waits in the queue is withdrawn. Worker 1 takes the second input
		// before the loop sees the failure, or not; so the window is 1 above.
		{"now,fail=1", "1x 5 5 5 5 5", 6, tally{read: 6, failed: 1, stopped: 1, skipped: 4}, time.Second},
	} {
		t.Run(c.policy+" "+c.inputs, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				policy, err := halt.Parse(c.policy)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				b := &batch{work: &fakeWork{f: nap}, window: c.window, halt: policy}
				workers := min(c.window, 3)
				if c.window == 6 {
					workers = 2
				}
				runBatch(t, b, sliceOf(strings.Fields(c.inputs)...), workers)
				if c.window == 6 && b.tally.stopped == 2 { // the free worker has taken another
					c.want.stopped, c.want.skipped = 2, 3
				}
				if b.tally != c.want {
					t.Errorf("tally %+v, want %+v", b.tally, c.want)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v, want %v", took, c.took)
				}
				if code, _ := b.control.reason(); (code == exitHalted) != (c.policy != "never") {
					t.Errorf("exit code %d", code)
				}
			})
		})
	}
}

func TestBatchLeftOut(t *testing.T) {
	policy, _ := halt.Parse("soon,fail=1")
	for _, c := range []struct {
		inputs  string
		leftOut bool
	}{{"1 1x", false}, {"1 1x 1", true}, {"1x", false}} {
		synctest.Test(t, func(t *testing.T) {
			b := &batch{work: &fakeWork{f: nap}, window: 1, halt: policy, prompt: true}
			list := func(yield func(input.Item, error) bool) {
				for _, text := range strings.Fields(c.inputs) {
					if !yield(line(text), nil) {
						return
					}
				}
			}
			runBatch(t, b, newSource(t.Context(), list, nil), 1)
			if b.leftOut() != c.leftOut {
				t.Errorf("%s: left out %v, want %v", c.inputs, b.leftOut(), c.leftOut)
			}
		})
	}
}

// The stages of an end that the user asks for.
func TestBatchStages(t *testing.T) {
	for _, c := range []struct {
		stage int32
		want  tally
		took  time.Duration
	}{
		{stageDrain, tally{read: 6, ok: 2, skipped: 4}, 10 * time.Second},
		{stageTerminate, tally{read: 6, stopped: 2, skipped: 4}, 3 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			b := &batch{work: &fakeWork{f: nap}, window: 6, control: newControl()}
			time.AfterFunc(3*time.Second, func() { b.control.raise(c.stage, 130, nil) })
			got := runBatch(t, b, sliceOf(strings.Fields("10 10 10 10 10 10 10 10")...), 2)
			if b.tally != c.want {
				t.Errorf("stage %d: tally %+v, want %+v", c.stage, b.tally, c.want)
			}
			if took := time.Since(began); took != c.took {
				t.Errorf("stage %d: it took %v, want %v", c.stage, took, c.took)
			}
			for _, r := range got {
				switch {
				case r.skipped && !errors.Is(r.err, braid.ErrNotStarted):
					t.Errorf("input %d was skipped with %v", r.seq, r.err)
				case r.stopped && !errors.Is(r.err, errTerminated):
					t.Errorf("input %d was stopped with %v", r.seq, r.err)
				}
			}
		})
	}
}

// At the last stage nobody waits for a task that does not listen.
func TestBatchAbandon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		began := time.Now()
		b := &batch{
			work:   &fakeWork{f: func(context.Context, string) (any, error) { <-free; return nil, nil }},
			window: 2, control: newControl(), engine: engine.NewGoroutines(nil),
		}
		time.AfterFunc(time.Second, func() { b.control.raise(stageTerminate, 130, nil) })
		time.AfterFunc(2*time.Second, func() { b.control.raise(stageAbandon, 130, nil) })
		got := runBatch(t, b, sliceOf("a", "b", "c"), 0)
		if took := time.Since(began); took != 2*time.Second || len(got) != 0 {
			t.Errorf("it took %v and emitted %s", took, texts(got))
		}
		close(free)
	})
}

// Results come while the source is slow, and what was printed is flushed.
func TestBatchSlowSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make(chan string)
		src := newSource(t.Context(), func(yield func(input.Item, error) bool) {
			for text := range in {
				if !yield(line(text), nil) {
					return
				}
			}
		}, nil)
		var emitted, flushed atomic.Int32
		b := &batch{
			work: &fakeWork{f: nap}, window: 4,
			emit: func(*result) { emitted.Add(1) },
			idle: func() time.Duration { flushed.Store(emitted.Load()); return 0 },
		}
		go func() {
			defer close(in)
			for i := range int32(3) {
				in <- "1"
				time.Sleep(time.Minute)
				if n := flushed.Load(); n != i+1 {
					t.Errorf("a minute after input %d, %d results are flushed", i+1, n)
				}
			}
		}()
		runBatch(t, b, src, 2)
		if b.tally.ok != 3 || !b.exhausted {
			t.Errorf("tally %+v, exhausted %v", b.tally, b.exhausted)
		}
	})
}

// A run that drains does not wait for an input that may never come.
func TestBatchStopsWhileSourceBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		src := newSource(t.Context(), func(yield func(input.Item, error) bool) {
			if yield(line("1"), nil) {
				<-never
			}
		}, nil)
		b := &batch{work: &fakeWork{f: nap}, window: 4, control: newControl()}
		time.AfterFunc(time.Minute, func() { b.control.raise(stageDrain, 130, nil) })
		runBatch(t, b, src, 2)
		if b.tally.ok != 1 || !b.leftOut() {
			t.Errorf("tally %+v, left out %v; it is not known that there is no more", b.tally, b.leftOut())
		}
		close(never)
	})
}

// refuser is an engine that takes no calls.
type refuser struct{ why error }

func (r refuser) Start(ctx context.Context, c *engine.Call) {
	c.Submit(ctx, &engine.Host{Name: "refuser", Executor: r})
	c.Refuse(r.why)
}

// A refusal is a failure of the input, unless the run is being stopped.
func TestBatchRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("full")
		b := &batch{work: &fakeWork{f: nap}, window: 2, engine: refuser{full}}
		got := runBatch(t, b, sliceOf("1", "1", "1"), 0)
		if want := (tally{read: 3, failed: 3}); b.tally != want {
			t.Errorf("tally %+v, want %+v", b.tally, want)
		}
		for _, r := range got {
			if !errors.Is(r.err, full) {
				t.Errorf("input %d: error %v, want the engine's", r.seq, r.err)
			}
		}
		b = &batch{work: &fakeWork{f: nap}, window: 2, engine: refuser{errHalted}}
		runBatch(t, b, sliceOf("1"), 0)
		if want := (tally{read: 1, skipped: 1}); b.tally != want {
			t.Errorf("tally %+v, want %+v", b.tally, want)
		}
	})
}

// Inputs that cannot be read, that make no sense, and results that cannot be
// written: each is one failure among others.
func TestBatchFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unreadable := errors.New("unreadable")
		src := sliceSource([]entry{{item: line("1")}, {err: unreadable}, {item: line("bad")}, {item: line("2")}, {item: line("3")}})
		b := &batch{
			work: &fakeWork{f: nap, bad: "bad"}, window: 2, keep: true, ahead: 10,
			render: func(r *result) error {
				if r.value == "2" {
					return errors.New("unwritable")
				}
				r.text = fmt.Append(nil, r.value)
				return nil
			},
		}
		var got []string
		for _, r := range runBatch(t, b, src, 2) {
			got = append(got, fmt.Sprintf("%d %s %v", r.seq, r.text, r.err))
		}
		want := []string{"1 1 <nil>", "2  unreadable", "3  it makes no sense", "4  unwritable", "5 3 <nil>"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if want := (tally{read: 5, ok: 2, failed: 3}); b.tally != want {
			t.Errorf("tally %+v, want %+v", b.tally, want)
		}
	})
}

func TestBatchEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &batch{work: &fakeWork{f: nap}, window: 2}
		if got := runBatch(t, b, sliceOf(), 1); len(got) != 0 || b.tally.read != 0 || !b.exhausted {
			t.Errorf("results %s, tally %+v", texts(got), b.tally)
		}
	})
}

// The percentage of a policy is one of all inputs, once they are known.
func TestBatchTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy, _ := halt.Parse("soon,fail=50%")
		b := &batch{work: &fakeWork{f: nap}, window: 1, halt: policy, total: func() int { return 4 }}
		runBatch(t, b, sliceOf("1x", "1x", "1x", "1x"), 1)
		if want := (tally{read: 2, failed: 2}); b.tally != want {
			t.Errorf("tally %+v, want %+v", b.tally, want)
		}
	})
}

// The stopwatch has the last attempt, and how many there were.
func TestStopwatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &stopwatch{}
		pool := threading.NewPool(threading.Config{Workers: 1, Listener: clock.listener()})
		tries := 0
		b := &batch{
			work: &fakeWork{f: func(ctx context.Context, text string) (any, error) {
				tries++
				if err := strand.Sleep(ctx, time.Duration(tries)*time.Second); err != nil || tries == 3 {
					return text, err
				}
				return nil, errors.New("not yet")
			}},
			engine: pool, window: 1, options: []braid.Option{braid.Retry(5), braid.Backoff(time.Hour, time.Hour)},
			emit: clock.take,
		}
		got := runBatch(t, b, sliceOf("a"), 0)
		if r := got[0]; r.attempts != 3 || r.wall != 3*time.Second || r.err != nil {
			t.Errorf("%d attempts, the last of which took %v, %v; want 3, 3s", r.attempts, r.wall, r.err)
		}
		r := &result{seq: 7}
		if clock.take(r); r.attempts != 0 || r.wall != 0 {
			t.Errorf("a call that never ran has %d attempts and took %v", r.attempts, r.wall)
		}
		if len(clock.calls) != 0 {
			t.Errorf("%d calls are remembered", len(clock.calls))
		}
		if err := pool.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
