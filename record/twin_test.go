package record_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/record"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// A job is what work does: something that ends in each of the ways that there are.
type job struct {
	Kind string
	N    int
}

var errMishap = errors.New("mishap")

var work = braid.Define("record.work", func(ctx context.Context, j job) (int, error) {
	switch j.Kind {
	case "error":
		return 0, fmt.Errorf("item %d: %w", j.N, errMishap)
	case "panic":
		panic(fmt.Sprintf("item %d", j.N))
	case "exit":
		os.Exit(3)
	case "wait": // until it is cancelled, or its time is over
		<-ctx.Done()
		return 0, ctx.Err()
	case "park":
		var e strand.Event
		return 0, e.Wait(ctx)
	case "sleep":
		return j.N, strand.Sleep(ctx, time.Microsecond)
	case "progress":
		engine.Progress(ctx, int64(j.N), 1000)
	}
	return j.N, nil
})

// A twin records in the simplest way: it keeps all events under one lock.
type twin struct {
	mu     sync.Mutex
	events map[uint64][]twinEvent
}

type twinEvent struct {
	kind byte
	engine.Event
}

func (w *twin) listener() *engine.Listener {
	w.events = make(map[uint64][]twinEvent)
	hear := func(kind byte) func(engine.Event) {
		return func(e engine.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events[e.Call] = append(w.events[e.Call], twinEvent{kind, e})
		}
	}
	return &engine.Listener{
		Submitted: hear('S'), Started: hear('B'), Parked: hear('P'), Resumed: hear('R'), Retrying: hear('Y'), Finished: hear('F'),
	}
}

// spans returns what the log has to say, in the order of calls and attempts. Of the failures
// it names the kind alone.
func (w *twin) spans(base time.Time) (all []record.Span) {
	micros := func(at time.Time) time.Duration { return at.Sub(base).Truncate(time.Microsecond) }
	for _, events := range w.events {
		var s record.Span
		var since time.Time
		var parked time.Duration
		for _, e := range events {
			switch e.kind {
			case 'S':
				s = record.Span{Call: e.Call, Engine: 1, Input: e.Index, Attempt: e.Attempt, Task: e.Task, Queued: micros(e.Time())}
				parked, since = 0, time.Time{}
			case 'B':
				s.Start, s.Worker = micros(e.Time()), e.Worker
			case 'P':
				since = e.Time()
			case 'R':
				if !since.IsZero() {
					parked += e.Time().Sub(since)
				}
				since = time.Time{}
			case 'Y', 'F':
				if !since.IsZero() {
					parked += e.Time().Sub(since)
				}
				s.End, s.Last, s.Parked = micros(e.Time()), e.kind == 'F', parked.Truncate(time.Microsecond)
				s.State = stateOf(e.Err)
				if s.Start == 0 {
					s.Start, s.State = s.End, record.StateRefused
				}
				all = append(all, s)
			}
		}
	}
	slices.SortFunc(all, bySpan)
	return all
}

func bySpan(a, b record.Span) int {
	return cmp.Or(cmp.Compare(a.Call, b.Call), cmp.Compare(a.Attempt, b.Attempt))
}

func stateOf(err error) record.State {
	_, panicked := errors.AsType[*engine.PanicError](err)
	_, crashed := errors.AsType[*engine.CrashError](err)
	_, interrupted := errors.AsType[*engine.InterruptedError](err)
	switch {
	case err == nil:
		return record.StateOK
	case errors.Is(err, braid.ErrNotStarted):
		return record.StateRefused
	case panicked:
		return record.StatePanic
	case interrupted && errors.Is(err, context.DeadlineExceeded):
		return record.StateTimeout
	case interrupted:
		return record.StateCancelled
	case crashed:
		return record.StateCrash
	}
	return record.StateError
}

// A mix is the calls that an engine gets, by how they end.
type mix []string

// run has ex do many calls of the mix from several goroutines, and returns when all are
// complete: the error of each, by its index.
func (m mix) run(t *testing.T, ex braid.Executor, n int, seed uint64) []error {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(g)))
			var futures []*braid.Future[int]
			for i := range n / 4 {
				kind := m[rng.IntN(len(m))]
				opts := []braid.Option{braid.Index(i*4 + g)}
				ctx := bg
				switch kind {
				case "wait":
					opts = append(opts, braid.Timeout(time.Microsecond))
				case "cancel":
					var cancel context.CancelFunc
					ctx, cancel = context.WithCancel(bg)
					kind = "wait"
					if rng.IntN(2) == 0 {
						cancel() // before it begins
					} else {
						go cancel()
					}
				case "retry":
					kind = "error"
					opts = append(opts, braid.Retry(2), braid.Backoff(-1, 0))
				}
				futures = append(futures, braid.Submit(ctx, ex, work, job{kind, i}, opts...))
			}
			for i, f := range futures {
				_, errs[i*4+g] = f.Await(bg)
			}
		})
	}
	wg.Wait()
	return errs
}

var everything = mix{"ok", "ok", "ok", "error", "panic", "wait", "cancel", "retry", "sleep", "progress"}

// TestTwin has engines do calls that end in every way, and compares the log with what the
// twin has heard.
func TestTwin(t *testing.T) {
	type closer interface {
		braid.Executor
		Close(context.Context) error
	}
	for _, c := range []struct {
		name string
		n    int
		mix  mix
		open func(*testing.T, *engine.Listener) closer
	}{
		{"threading", 4000, everything, func(_ *testing.T, l *engine.Listener) closer {
			return threading.NewPool(threading.Config{Name: "twins", Workers: 3, Queue: 5, Listener: l})
		}},
		{"threading, all well", 4000, mix{"ok"}, func(_ *testing.T, l *engine.Listener) closer {
			return threading.NewPool(threading.Config{Name: "twins", Workers: 2, Listener: l})
		}},
		{"threading, refusing", 2000, everything, func(_ *testing.T, l *engine.Listener) closer {
			return threading.NewPool(threading.Config{Name: "twins", Workers: 2, Queue: 1, Full: threading.Refuse, Listener: l})
		}},
		{"asyncio", 4000, everything, func(_ *testing.T, l *engine.Listener) closer {
			return asyncio.NewLoop(asyncio.Config{Name: "twins", Listener: l})
		}},
		{"multiprocessing", 200, append(mix{"exit"}, everything...), func(t *testing.T, l *engine.Listener) closer {
			p, err := multiprocessing.NewPool(multiprocessing.Config{Name: "twins", Workers: 2, Listener: l})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}},
		{"goroutines", 2000, everything, func(_ *testing.T, l *engine.Listener) closer {
			return open{engine.NewGoroutines(l)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const seed = 42
			path := filepath.Join(t.TempDir(), "run.ndjson")
			base := time.Now()
			l, err := record.Create(path, record.Run{Wall: base}, record.Config{})
			if err != nil {
				t.Fatal(err)
			}
			var w twin
			ex := c.open(t, engine.Tee(w.listener(), l.Listener(record.Engine{Name: "twins", Kind: "any"})))
			c.mix.run(t, ex, c.n, seed)
			if err := ex.Close(bg); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(record.End{Verdict: "failed"}); err != nil {
				t.Fatal(err)
			}
			all := read(t, path)
			compare(t, all, w.spans(base))
			if d := of[*record.Dropped](all); len(d) > 0 {
				t.Errorf("the log lacks %d events", d[0].Events)
			}
			if end := of[*record.End](all); len(end) != 1 || all[len(all)-1] != record.Line(end[0]) {
				t.Errorf("%d end lines; want one, as the last", len(end))
			}
			workers(t, all, c.name == "multiprocessing")
			if text, err := os.ReadFile(path); err != nil || len(c.mix) == 1 && bytes.Count(text, []byte(`{"type":"spans"`)) == 0 {
				t.Errorf("successes in a row have no lines in common: %v", err)
			}
		})
	}
}

type open struct{ braid.Executor }

func (open) Close(context.Context) error { return nil }

// compare checks the spans of a log, and what has to hold for each of them.
func compare(t *testing.T, all []record.Line, want []record.Span) {
	t.Helper()
	failures := make(map[int]*record.Error)
	started := make(map[record.Span]bool)
	retries := 0
	var got []record.Span
	for _, l := range all {
		switch l := l.(type) {
		case *record.Error:
			failures[l.Number] = l
		case *record.Start:
			key := record.Span{Call: l.Call, Attempt: l.Attempt}
			if started[key] {
				t.Errorf("call %d has two start lines for attempt %d", l.Call, l.Attempt)
			}
			started[key] = true
		case *record.Retry:
			retries++
		case *record.Span:
			if e := failures[l.Err]; (e == nil) != l.OK() {
				t.Errorf("call %d ended with %s, and its error is %v", l.Call, l.State, e)
			} else if e != nil && (e.Kind != l.State || len(e.Print) != 16 || e.Text == "") {
				t.Errorf("call %d ended with %s, and its error is %+v", l.Call, l.State, e)
			}
			s := *l
			// The twin does not know these.
			s.Err, s.PID, s.CPU, s.RSS, s.Exit, s.Signal = 0, 0, 0, 0, 0, ""
			got = append(got, s)
		}
	}
	slices.SortFunc(got, bySpan)
	if len(got) != len(want) {
		t.Errorf("the log has %d spans; want %d", len(got), len(want))
	}
	again := 0
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("got  %+v\nwant %+v", got[i], want[i])
		}
		if !want[i].Last {
			again++
		}
	}
	if retries != again {
		t.Errorf("%d retry lines for %d attempts that were not the last", retries, again)
	}
	states := make(map[record.State]int)
	for _, s := range want {
		states[s.State]++
	}
	t.Log(states)
}

// workers checks that every worker that came is gone, and that spans tell which process ran
// them.
func workers(t *testing.T, all []record.Line, processes bool) {
	t.Helper()
	up := make(map[int]int)
	for _, w := range of[*record.Worker](all) {
		if (w.PID != 0) != processes {
			t.Errorf("worker %d is process %d", w.Number, w.PID)
		}
		if w.Up {
			up[w.Number]++
		} else {
			up[w.Number]--
		}
	}
	for n, count := range up {
		if count != 0 {
			t.Errorf("worker %d came %d times more often than it went", n, count)
		}
	}
	for _, s := range of[*record.Span](all) {
		if (s.PID != 0) != (processes && s.Worker != 0) {
			t.Errorf("call %d on worker %d (%s) ran in process %d", s.Call, s.Worker, s.State, s.PID)
		}
		if s.State == record.StateCrash && (s.Exit != 3 || s.RSS == 0) {
			t.Errorf("call %d crashed with exit code %d and %d bytes; want 3", s.Call, s.Exit, s.RSS)
		}
	}
	for _, e := range of[*record.Error](all) {
		if (e.Kind == record.StatePanic) != strings.Contains(e.Stack, "record_test.init") {
			t.Errorf("the stack of a failure of kind %s is %q", e.Kind, e.Stack)
		}
	}
}
