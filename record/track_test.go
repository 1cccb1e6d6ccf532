package record_test

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/record"
	"github.com/go-braid/braid/threading"
)

// TestTracks has threads do calls that end in every way, with nobody else to listen, so that
// most attempts are noted on tracks: the log has what the submitters know of each.
func TestTracks(t *testing.T) {
	for _, c := range []struct {
		name string
		mix  mix
		cfg  threading.Config
	}{
		{"all well", mix{"ok"}, threading.Config{Workers: 2}},
		{"few fail", append(slices.Repeat(mix{"ok"}, 50), "error"), threading.Config{Workers: 2}},
		{"everything", everything, threading.Config{Workers: 3, Queue: 5}},
		{"refusing", everything, threading.Config{Workers: 2, Queue: 1, Full: threading.Refuse}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const n = 4000
			path := filepath.Join(t.TempDir(), "run.ndjson")
			c.cfg.Listener = record.To(path)
			pool := threading.NewPool(c.cfg)
			errs := c.mix.run(t, pool, n, 42)
			if err := pool.Close(bg); err != nil {
				t.Fatal(err)
			}
			all := read(t, path)
			if d := of[*record.Dropped](all); len(d) > 0 {
				t.Errorf("the log lacks %d events", d[0].Events)
			}
			spans := of[*record.Span](all)
			free := make(map[int]time.Duration) // when the worker was free again
			for _, s := range spans {
				if s.Queued > s.Start || s.Start > s.End {
					t.Errorf("input %d was submitted at %v, began at %v and ended at %v", s.Input, s.Queued, s.Start, s.End)
				}
				if s.State != record.StateRefused && s.Parked == 0 { // while one is parked, the worker runs others
					if s.Start < free[s.Worker] {
						t.Errorf("worker %d began with input %d at %v, and was at another until %v", s.Worker, s.Input, s.Start, free[s.Worker])
					}
					free[s.Worker] = s.End
				}
			}
			// Attempts at one call may be those of several workers.
			slices.SortFunc(spans, func(a, b *record.Span) int { return bySpan(*a, *b) })
			attempts := make([]int, n)
			ended := make([]bool, n)
			failed := 0
			for _, s := range spans {
				i := s.Input
				if attempts[i]++; s.Attempt != attempts[i] || ended[i] {
					t.Fatalf("input %d has %+v as its attempt number %d", i, s, attempts[i])
				}
				if ended[i] = s.Last; !s.Last {
					continue
				}
				if want := stateOf(errs[i]); s.State != want && (s.State != record.StateRefused || s.Attempt == 1) {
					t.Errorf("input %d ended as %s, with the error %v", i, s.State, errs[i])
				}
				if errs[i] != nil {
					failed++
				}
			}
			if i := slices.Index(ended, false); i >= 0 {
				t.Errorf("the log has no end of input %d", i)
			}
			ends := of[*record.End](all)
			if len(ends) == 0 {
				t.Fatal("there is no end line")
			}
			if e := ends[len(ends)-1]; e.OK != n-failed || e.Failed != failed {
				t.Errorf("%d calls succeeded and %d failed; the log says %d and %d", n-failed, failed, e.OK, e.Failed)
			}
			workers(t, all, false)
		})
	}
}

// TestTracksAtRest has pauses between tasks in which the log has no goroutine: what begins after
// that wakes it, and what runs for long gets a line of its own.
func TestTracksAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := record.NewLog(&out, record.Run{}, record.Config{Sample: -1})
		pool := threading.NewPool(threading.Config{Workers: 1, Listener: l.Listener(record.Engine{Name: "threads"})})
		for i := range 3 {
			for range 10 {
				mustRun(t, pool, i, 0)
			}
			mustRun(t, pool, i, time.Second)
			time.Sleep(time.Minute) // virtual time
		}
		if err := pool.Close(bg); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(record.End{}); err != nil {
			t.Fatal(err)
		}
		all := lines(t, record.NewReader(&out))
		spans, starts := of[*record.Span](all), of[*record.Start](all)
		if len(spans) != 33 || len(starts) != 3 {
			t.Fatalf("there are %d spans and %d starts; want 33 and 3", len(spans), len(starts))
		}
		for i, s := range starts {
			if long := spans[11*i+10]; s.Call != long.Call || s.Start != long.Start || s.Input != i || long.End-long.Start != time.Second {
				t.Errorf("%+v\nis said to begin by %+v", long, s)
			}
		}
	})
}

// TestTracksAwake has one task run for long: the log goes on to take samples.
func TestTracksAwake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := record.NewLog(&out, record.Run{}, record.Config{Sample: time.Second})
		pool := threading.NewPool(threading.Config{Workers: 1, Listener: l.Listener(record.Engine{Name: "threads"})})
		task := braid.Func(func(context.Context, int) (int, error) {
			time.Sleep(10 * time.Second) // virtual time
			return 0, nil
		})
		if _, err := braid.Submit(bg, pool, task, 0).Await(bg); err != nil {
			t.Fatal(err)
		}
		if err := pool.Close(bg); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(record.End{}); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(out.Bytes(), []byte(`{"type":"sample"`)); n < 8 {
			t.Errorf("there are %d samples of ten seconds", n)
		}
	})
}

func mustRun(t *testing.T, ex braid.Executor, i int, d time.Duration) {
	t.Helper()
	task := braid.Func(func(ctx context.Context, d time.Duration) (int, error) {
		if d > 0 {
			time.Sleep(d / 2)          // virtual time; not a way of waiting that the pool would see
			engine.Progress(ctx, 1, 2) // has it claimed when it has its line
			time.Sleep(d / 2)          // virtual time
		}
		return 0, nil
	})
	if _, err := braid.Submit(bg, ex, task, d, braid.Index(i)).Await(bg); err != nil {
		t.Fatal(err)
	}
}

// TestTracksAndUsages has usages of some attempts, and closes the log before the workers end.
func TestTracksAndUsages(t *testing.T) {
	var out bytes.Buffer
	l := record.NewLog(&out, record.Run{}, record.Config{})
	pool := threading.NewPool(threading.Config{Workers: 2, Listener: l.Listener(record.Engine{Name: "threads"})})
	task := braid.Func(func(_ context.Context, i int) (int, error) {
		if i >= 100 {
			l.Usage(i, 1, record.Usage{CPU: time.Duration(i) * time.Millisecond})
		}
		return i, nil
	})
	const n = 300
	var futures []*braid.Future[int]
	for i := range n {
		futures = append(futures, braid.Submit(bg, pool, task, i, braid.Index(i)))
	}
	for _, f := range futures {
		if _, err := f.Await(bg); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(record.End{}); err != nil {
		t.Fatal(err)
	}
	if _, err := braid.Submit(bg, pool, task, n, braid.Index(n)).Await(bg); err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(bg); err != nil {
		t.Fatal(err)
	}
	seen := make(map[int]bool)
	for _, s := range of[*record.Span](lines(t, record.NewReader(&out))) {
		want := time.Duration(0)
		if s.Input >= 100 {
			want = time.Duration(s.Input) * time.Millisecond
		}
		if seen[s.Input] || s.Input >= n || s.CPU != want {
			t.Errorf("input %d took %v; want %v, once", s.Input, s.CPU, want)
		}
		seen[s.Input] = true
	}
	if len(seen) != n {
		t.Errorf("the log has %d inputs; want %d", len(seen), n)
	}
}

// TestTracksAtClose has a log closed while its file does not take data and the workers go on: it
// has what came before, and no more.
func TestTracksAtClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{free: make(chan struct{})}
		l := record.NewLog(w, record.Run{}, record.Config{Sample: -1})
		pool := threading.NewPool(threading.Config{Workers: 1, Listener: l.Listener(record.Engine{Name: "threads"})})
		const n = engine.TrackLen / 2
		for i := range n {
			if mustRun(t, pool, i, 0); i == 0 {
				time.Sleep(time.Second) // virtual time; the log waits for the file
			}
		}
		closed := make(chan error)
		go func() { closed <- l.Close(record.End{}) }()
		synctest.Wait()
		for i := range 2 * engine.TrackLen {
			mustRun(t, pool, n+i, 0)
		}
		close(w.free)
		if err := <-closed; err != nil {
			t.Fatal(err)
		}
		if err := pool.Close(bg); err != nil {
			t.Fatal(err)
		}
		have := make(map[int]bool)
		for _, s := range of[*record.Span](lines(t, record.NewReader(&w.Buffer))) {
			have[s.Input] = true
		}
		for i := range n {
			if !have[i] {
				t.Errorf("the log lacks input %d of %d", i, n)
			}
		}
	})
}

// A stuck is a file that takes no data until it is free.
type stuck struct {
	bytes.Buffer
	free chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.free
	return s.Buffer.Write(b)
}
