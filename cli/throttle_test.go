package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// fakeMachine is a machine of which a test says what it has left.
type fakeMachine struct {
	mu      sync.Mutex
	memory  int64
	threads func() int
	err     error
}

func (m *fakeMachine) sensors() sensors {
	return sensors{
		memory: func() (int64, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.memory, m.err
		},
		load: func() (int, error) {
			if m.threads == nil {
				return 0, m.err
			}
			return m.threads(), m.err
		},
	}
}

func (m *fakeMachine) set(memory int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.memory = memory
}

// timedWork is work that notes when each input begins, relative to the first.
type timedWork struct {
	fakeWork
	mu     sync.Mutex
	began  time.Time
	starts []string
}

func newTimedWork(f func(ctx context.Context, text string) (any, error)) *timedWork {
	w := &timedWork{began: time.Now()}
	w.f = func(ctx context.Context, text string) (any, error) {
		w.mu.Lock()
		w.starts = append(w.starts, fmt.Sprint(time.Since(w.began).Round(time.Millisecond).Seconds()))
		w.mu.Unlock()
		return f(ctx, text)
	}
	return w
}

// throttled runs a batch of so many workers with the limits of flags.
func throttled(t *testing.T, f limitFlags, m *fakeMachine, w work, workers int, inputs string, opts ...braid.Option) *batch {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l, err := f.read(ctx, m.sensors())
	if err != nil {
		t.Fatal(err)
	}
	pool := threading.NewPool(threading.Config{Workers: workers, Listener: l.throttle.listener()})
	defer func() {
		if err := pool.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	b := &batch{work: w, engine: pool, window: workers, throttle: l.throttle, options: opts}
	runBatch(t, b, sliceOf(strings.Fields(inputs)...), workers)
	return b
}

func TestDelay(t *testing.T) {
	for _, c := range []struct {
		delay, inputs string
		retries       int
		want          string
	}{
		{"2s", "1 1 1", 0, "0 2 4"},
		{"2", "5 5 5", 0, "0 2 5"},  // two workers
		{"0s", "1 1 1", 0, "0 0 1"}, // likewise
		{"1s", "3 0 0", 0, "0 1 2"},
		// 1s, and a tenth less after each success; 30 % more after each failure.
		{"1sauto", "0 0 0", 0, "0 0.9 1.71"},
		{"1sauto", "0x 0x 0", 0, "0 1.3 2.99"},
		// A retry, after 0 seconds here, is a start: others keep away from it.
		{"2s", "1x 0 0", 1, "0 1 3 5"},
	} {
		t.Run(c.delay+" "+c.inputs, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTimedWork(nap)
				throttled(t, limitFlags{delay: c.delay}, &fakeMachine{}, w, 2, c.inputs, braid.Retry(c.retries), braid.Backoff(-1, 0))
				if got := strings.Join(w.starts, " "); got != c.want {
					t.Errorf("starts at %s, want %s", got, c.want)
				}
			})
		})
	}
}

// An adaptive delay stays within bounds.
func TestDelayBounds(t *testing.T) {
	d := &delay{adapts: true, wait: time.Second}
	for range 1000 {
		d.ended(true)
	}
	if d.wait != mostDelay {
		t.Errorf("after failures: %v, want %v", d.wait, mostDelay)
	}
	for range 1000 {
		d.ended(false)
	}
	if d.wait != leastDelay {
		t.Errorf("after successes: %v, want %v", d.wait, leastDelay)
	}
	fixed := &delay{wait: time.Second}
	if fixed.ended(true); fixed.wait != time.Second {
		t.Errorf("a fixed delay became %v", fixed.wait)
	}
}

func TestRate(t *testing.T) {
	for _, c := range []struct {
		rate, inputs string
		retries      int
		want         string
	}{
		{"2/s", "0 0 0 0", 0, "0 0.5 1 1.5"},
		{"30/m", "0 0 0", 0, "0 2 4"},
		{"2/h", "0 0", 0, "0 1800"},
		{"1/s", "5 0 0", 0, "0 1 2"},
		// A retry takes a token, afterwards if there is none.
		{"1/s", "0x 0 0", 1, "0 0 2 3"},
	} {
		t.Run(c.rate+" "+c.inputs, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newTimedWork(nap)
				throttled(t, limitFlags{rate: c.rate}, &fakeMachine{}, w, 2, c.inputs, braid.Retry(c.retries), braid.Backoff(-1, 0))
				if got := strings.Join(w.starts, " "); got != c.want {
					t.Errorf("starts at %s, want %s", got, c.want)
				}
			})
		})
	}
}

// A fast rate is met over time, although timers are coarse.
func TestRateFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := newTimedWork(nap)
		throttled(t, limitFlags{rate: "1000/s"}, &fakeMachine{}, w, 4, strings.Repeat("0 ", 1010))
		if took := time.Since(began).Round(time.Millisecond); took != time.Second {
			t.Errorf("1010 starts took %v, want 1s: ten may come at once", took)
		}
	})
}

// A run that ends while it waits for a token leaves nobody behind.
func TestRateStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l, err := (&limitFlags{rate: "1/h"}).read(ctx, sensors{})
		if err != nil {
			t.Fatal(err)
		}
		b := &batch{work: &fakeWork{f: nap}, window: 2, throttle: l.throttle, control: newControl()}
		time.AfterFunc(time.Minute, func() { b.control.raise(stageDrain, 130, nil) })
		runBatch(t, b, sliceOf("0", "0", "0"), 2)
		if want := (tally{read: 2, ok: 1, skipped: 1}); b.tally != want || !b.leftOut() {
			t.Errorf("tally %+v, left out %v; want %+v, true", b.tally, b.leftOut(), want)
		}
		cancel()
	})
}

// The load is that of the machine: others' threads, and ours.
func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name   string
		limit  string
		others int
		most   int // at once, of 8 workers
	}{
		{"free", "4", 0, 4},
		{"half taken", "4", 2, 2},
		{"taken", "4", 4, 1}, // one runs in any case
		{"overloaded", "4", 50, 1},
		{"a fraction", "2.5", 0, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &fakeWork{f: func(ctx context.Context, _ string) (any, error) {
					// Not at a moment at which the load is read: then all depends on
					// who comes first.
					return nil, strand.Sleep(ctx, 3050*time.Millisecond)
				}}
				m := &fakeMachine{threads: func() int {
					w.mu.Lock()
					defer w.mu.Unlock()
					return c.others + w.running
				}}
				b := throttled(t, limitFlags{load: c.limit}, m, w, 8, strings.Repeat("3 ", 20))
				if w.most != c.most || b.tally.ok != 20 {
					t.Errorf("%d at once, %d done; want %d, 20", w.most, b.tally.ok, c.most)
				}
			})
		})
	}
}

// Inputs that wait are no load: as many run as there are workers.
func TestLoadOfWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWork{f: nap}
		throttled(t, limitFlags{load: "2"}, &fakeMachine{threads: func() int { return 0 }}, w, 8, strings.Repeat("60 ", 16))
		if w.most != 8 {
			t.Errorf("%d at once, want 8", w.most)
		}
	})
}

// Nothing starts while memory is short, but one runs in any case.
func TestMemfree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWork{f: nap}
		m := &fakeMachine{memory: 99}
		var at []int
		w.f = func(ctx context.Context, text string) (any, error) {
			w.mu.Lock()
			at = append(at, w.running)
			w.mu.Unlock()
			return nap(ctx, text)
		}
		time.AfterFunc(25*time.Second, func() { m.set(100) })
		throttled(t, limitFlags{memfree: "100"}, m, w, 4, strings.Repeat("10 ", 8))
		// At 0, 10 and 20 seconds one each, from 25 on as many as there are workers.
		if got, want := fmt.Sprint(at), "[1 1 1 2 3 4"; !strings.HasPrefix(got, want) || w.most != 4 {
			t.Errorf("running at each start: %s, want %s …]", got, want)
		}
	})
}

// At half of it the youngest is stopped, and done again from the beginning.
func TestMemfreePutsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMachine{memory: 1000}
		l, err := (&limitFlags{memfree: "100", delay: "1s"}).read(t.Context(), m.sensors())
		if err != nil {
			t.Fatal(err)
		}
		var said, log []string
		l.watch.tell = func(text string) { said = append(said, text) }
		ctx, cancel := context.WithCancel(t.Context())
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			l.watch.run(ctx)
		}()

		began := time.Now()
		var mu sync.Mutex
		note := func(text, what string) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf("%s %s %v", text, what, time.Since(began).Round(time.Second)))
		}
		w := &fakeWork{f: func(ctx context.Context, text string) (any, error) {
			ctx, leave := l.watch.enter(ctx, text)
			defer leave()
			note(text, "begins")
			// c takes all the memory while it runs.
			if text == "c" {
				m.set(10)
				defer m.set(1000)
			}
			if err := strand.Sleep(ctx, 10*time.Second); err != nil {
				// A stopped command takes its time to end.
				note(text, "is stopped")
				_ = strand.Sleep(context.WithoutCancel(ctx), 2*time.Second)
				return nil, errors.Join(context.Cause(ctx), err)
			}
			note(text, "ends")
			return nil, nil
		}}
		b := &batch{work: w, window: 3, throttle: l.throttle, options: []braid.Option{braid.Retry(5)}}
		got := runBatch(t, b, sliceOf("a", "b", "c"), 3)
		cancel()
		<-watched

		// c is the last to start. It begins again ever later, and is stopped again, until
		// another one has ended, or it is alone.
		if want := (tally{read: 3, ok: 3, again: b.tally.again}); b.tally != want || b.tally.again == 0 {
			t.Errorf("tally %+v, want %+v", b.tally, want)
		}
		if len(said) != b.tally.again || !strings.HasPrefix(said[0], "10 B of memory is left: c is stopped, and done again later") {
			t.Errorf("said %q, %d put back", said, b.tally.again)
		}
		if last := got[len(got)-1]; last.item.Text != "c" || last.err != nil {
			t.Errorf("the last result is %s, %v", last.item.Text, last.err)
		}
		for _, line := range log {
			if strings.HasPrefix(line, "a is stopped") || strings.HasPrefix(line, "b is stopped") {
				t.Errorf("an older one was stopped: %q", log)
			}
		}
	})
}
