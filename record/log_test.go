package record_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/record"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// TestTo has the log of somebody who does not close it: it is complete when the pool is.
func TestTo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.ndjson")
	l := record.To(path)
	for round := 1; round <= 2; round++ { // the second one goes on after an end
		pool := threading.NewPool(threading.Config{Name: fmt.Sprint("pool ", round), Workers: 2, Listener: l})
		mix{"ok", "error"}.run(t, pool, 100, 1)
		if err := pool.Close(bg); err != nil {
			t.Fatal(err)
		}
		all := read(t, path)
		if n := len(of[*record.Span](all)); n != 100*round {
			t.Errorf("after pool %d the log has %d spans; want %d", round, n, 100*round)
		}
		end, ok := all[len(all)-1].(*record.End)
		if !ok || end.OK+end.Failed != 100*round || end.Verdict != "failed" {
			t.Errorf("the last line is %+v; want an end with %d calls", all[len(all)-1], 100*round)
		}
		if es := of[*record.Engine](all); len(es) != round || es[round-1].Name != fmt.Sprint("pool ", round) {
			t.Errorf("there are %d engines; want %d", len(es), round)
		}
	}
	if info, err := record.Stat(path); err != nil || info.State != record.Running || info.End == nil {
		t.Errorf("Stat = %+v, %v; want one that runs, since this process still may", info, err)
	}
	if l := record.To(path); l != nil {
		t.Error("a second log is written into the file of the first")
	}
	if l := record.To(filepath.Join(path, "none")); l != nil {
		t.Error("To returns a listener for a file that cannot be made")
	}
}

// A file is a writer that a test looks into.
type file struct {
	mu   sync.Mutex
	data bytes.Buffer
	fail error // of all writes
	gate chan struct{}
}

func (f *file) Write(p []byte) (int, error) {
	if f.gate != nil {
		<-f.gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return 0, f.fail
	}
	return f.data.Write(p)
}

func (f *file) lines(t *testing.T) []record.Line {
	f.mu.Lock()
	defer f.mu.Unlock()
	return lines(t, record.NewReader(bytes.NewReader(f.data.Bytes())))
}

// TestInterval looks at what is in the file at which time.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f file
		l := record.NewLog(&f, record.Run{}, record.Config{Sample: time.Second})
		l.Expect(2)
		g := engine.NewGoroutines(l.Listener(record.Engine{Name: "goroutines"}))
		short := braid.Go(bg, g, func(ctx context.Context) (int, error) { return 0, strand.Sleep(ctx, 30*time.Millisecond) }, braid.Name("short"))
		long := braid.Go(bg, g, func(ctx context.Context) (int, error) {
			engine.Progress(ctx, 3, 10)
			return 0, strand.Sleep(ctx, 5050*time.Millisecond)
		}, braid.Name("long"))
		if _, err := short.Await(bg); err != nil {
			t.Fatal(err)
		}
		time.Sleep(180 * time.Millisecond) // virtual time
		synctest.Wait()
		all := f.lines(t)
		spans, starts := of[*record.Span](all), of[*record.Start](all)
		if len(spans) != 1 || spans[0].Task != "short" || spans[0].End-spans[0].Start != 30*time.Millisecond {
			t.Errorf("after an interval the spans are %+v; want the one of 30 ms", spans)
		}
		if len(starts) != 1 || starts[0].Task != "long" {
			t.Errorf("after an interval the starts are %+v; want one of the long call", starts)
		}
		if p := of[*record.Progress](all); len(p) != 1 || p[0].Done != 3 || p[0].Total != 10 || p[0].Call != starts[0].Call {
			t.Errorf("after an interval the progress is %+v; want 3 of 10", p)
		}
		if _, err := long.Await(bg); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		all = f.lines(t)
		if spans = of[*record.Span](all); len(spans) != 2 || spans[1].Start != starts[0].Start {
			t.Errorf("when nothing runs the spans are %+v; want both", spans)
		}
		samples := of[*record.Sample](all)
		if len(samples) < 4 || len(samples) > 6 || samples[1].Running != 1 || samples[1].Done != 1 || samples[1].Total != 2 {
			t.Errorf("in 5 s there are %d samples, such as %+v; want one a second, of 2 inputs", len(samples), samples[1])
		}
		// Nothing is left that could wake up.
		before := time.Now()
		if err := l.Close(record.End{Verdict: "ok"}); err != nil {
			t.Error(err)
		}
		if d := time.Since(before); d != 0 {
			t.Errorf("Close took %v", d)
		}
	})
}

// TestRest has a log without a goroutine once nothing runs: the bubble could not end with one,
// and goleak would find it.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f file
		l := record.NewLog(&f, record.Run{}, record.Config{})
		pool := threading.NewPool(threading.Config{Workers: 1, Listener: l.Listener(record.Engine{Name: "threads"})})
		if _, err := braid.Submit(bg, pool, work, job{}).Await(bg); err != nil {
			t.Fatal(err)
		}
		if err := pool.Close(bg); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := len(of[*record.Span](f.lines(t))); n != 1 {
			t.Errorf("with the workers gone there are %d spans; want 1", n)
		}
	})
}

// TestDropped has a file that takes nothing for a while. Nobody waits for it, and what found no
// room is counted.
func TestDropped(t *testing.T) {
	f := file{gate: make(chan struct{})}
	l := record.NewLog(&f, record.Run{}, record.Config{Notes: 1000, Pending: 5000})
	ears := l.Listener(record.Engine{Name: "engine"})
	now := time.Since(engine.Epoch())
	const calls = 5000
	for i := range calls {
		e := engine.Event{At: now, Engine: "engine", Worker: 1 + i%3, Call: uint64(i + 1), Index: i, Attempt: 1}
		ears.Submitted(e)
		ears.Started(e)
		if i%2 == 0 {
			e.Err = errMishap
		}
		ears.Finished(e)
		l.Input(i, "key", "text")
	}
	close(f.gate)
	if err := l.Close(record.End{Verdict: "ok"}); err != nil {
		t.Fatal(err)
	}
	all := f.lines(t)
	spans, inputs := len(of[*record.Span](all)), len(of[*record.Input](all))
	lost := 0
	for _, d := range of[*record.Dropped](all) {
		lost += int(d.Events)
	}
	if spans+inputs+lost != 2*calls {
		t.Errorf("the log has %d spans and %d inputs, and says that %d were dropped; want %d together", spans, inputs, lost, 2*calls)
	}
	if spans < 512 || spans > 2000 || inputs == 0 || inputs > 500 {
		t.Errorf("the log has %d spans and %d inputs; want as many as there is room for", spans, inputs)
	}
}

var errDisk = errors.New("the disk is on fire")

// TestFailure has a writer fail. The run goes on, nothing more is kept, and one is told.
func TestFailure(t *testing.T) {
	f := file{}
	var told []error
	done := make(chan struct{})
	l := record.NewLog(&f, record.Run{}, record.Config{OnError: func(err error) {
		told = append(told, err)
		close(done)
	}})
	pool := threading.NewPool(threading.Config{Workers: 2, Listener: l.Listener(record.Engine{Name: "threads"})})
	everything.run(t, pool, 400, 1)
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	before := len(of[*record.Span](f.lines(t)))
	f.mu.Lock()
	f.fail = errDisk
	f.mu.Unlock()
	everything.run(t, pool, 400, 2)
	if err := l.Flush(); !errors.Is(err, errDisk) || !errors.Is(l.Err(), errDisk) {
		t.Errorf("Flush = %v, Err = %v; want %v", err, l.Err(), errDisk)
	}
	<-done
	everything.run(t, pool, 400, 3)
	l.Mark(record.Mark{Kind: "halt"})
	if err := pool.Close(bg); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(record.End{}); !errors.Is(err, errDisk) {
		t.Errorf("Close = %v; want %v", err, errDisk)
	}
	if err := l.Close(record.End{}); !errors.Is(err, record.ErrLogClosed) {
		t.Errorf("a second Close = %v; want %v", err, record.ErrLogClosed)
	}
	if len(told) != 1 {
		t.Errorf("OnError was called %d times; want once", len(told))
	}
	if after := len(of[*record.Span](f.lines(t))); after != before {
		t.Errorf("the log has %d spans; want the %d from before", after, before)
	}
	if _, ok := errors.AsType[*record.StoppedError](l.Err()); !ok || !strings.Contains(l.Err().Error(), "stopped") {
		t.Errorf("Err = %v; want a StoppedError", l.Err())
	}
}

// TestAfterClose has events that come too late.
func TestAfterClose(t *testing.T) {
	var f file
	l := record.NewLog(&f, record.Run{}, record.Config{})
	pool := threading.NewPool(threading.Config{Workers: 2, Listener: l.Listener(record.Engine{Name: "threads"})})
	if err := l.Close(record.End{Verdict: "ok"}); err != nil {
		t.Fatal(err)
	}
	everything.run(t, pool, 100, 1)
	if err := pool.Close(bg); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	all := f.lines(t)
	if _, ok := all[len(all)-1].(*record.End); !ok || len(of[*record.Span](all)) != 0 {
		t.Errorf("the log is %v; want nothing after its end", all)
	}
}

// TestUsage joins what is known of a command with the span of its attempt.
func TestUsage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.ndjson")
	l, err := record.Create(path, record.Run{Name: "name", Args: []string{"a", strings.Repeat("x", 10_000)}}, record.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ex := engine.NewSerial(l.Listener(record.Engine{Name: "serial", Kind: "serial", Limit: 1, Why: "a test"}))
	attempt := 0
	long := strings.Repeat("é", 5000)
	_, err = braid.Go(bg, ex, func(context.Context) (int, error) {
		attempt++
		l.Usage(7, attempt, record.Usage{
			PID: 99, CPU: 3 * time.Second, RSS: 1 << 20, Exit: 2 - attempt, Out: 5, ErrOut: 6, Stdout: long, Stderr: "oh",
		})
		if attempt == 1 {
			return 0, errMishap
		}
		return 0, nil
	}, braid.Index(7), braid.Retry(1), braid.Backoff(-1, 0)).Await(bg)
	if err != nil {
		t.Fatal(err)
	}
	l.Input(7, record.Key("hash", []byte("seven")), strings.Repeat("i", 5000))
	l.Mark(record.Mark{Kind: "slow", Text: "text", Engine: 1, Input: 0, About: true})
	l.Advise(record.Advice{Code: "straggler", Text: "text", Try: "-j 4"})
	l.Sample(record.Sample{Running: 3, CPU: 1.5})
	if err := l.Close(record.End{Verdict: "ok", OK: 1, Total: 1}); err != nil {
		t.Fatal(err)
	}
	all := read(t, path)
	spans := of[*record.Span](all)
	if len(spans) != 2 {
		t.Fatalf("there are %d spans; want 2", len(spans))
	}
	for i, s := range spans {
		if s.PID != 99 || s.CPU != 3*time.Second || s.RSS != 1<<20 || s.Exit != 1-i || s.Out != 5 || s.ErrOut != 6 || s.Last != (i == 1) {
			t.Errorf("span %d is %+v", i, s)
		}
	}
	outs := of[*record.Output](all)
	if len(outs) != 1 || outs[0].Attempt != 1 || outs[0].Stderr != "oh" || !outs[0].Cut || outs[0].Stdout != long[:4096] {
		t.Errorf("the outputs are %+v; want the end of that of the attempt that failed", outs)
	}
	if in := of[*record.Input](all); len(in) != 1 || in[0].Number != 7 || len(in[0].Text) != 4096 || !in[0].Cut || len(in[0].Key) != 32 {
		t.Errorf("the inputs are %+v", in)
	}
	if m := of[*record.Mark](all); len(m) != 1 || !m[0].About || m[0].Input != 0 || m[0].Time == 0 {
		t.Errorf("the marks are %+v", m)
	}
	run := all[0].(*record.Run)
	if len(run.Args) != 2 || len(run.Args[1]) > 5000 || run.Name != "name" || run.PID != os.Getpid() || run.ID == "" || run.Wall.IsZero() || run.Schema != record.Schema {
		t.Errorf("the run is %+v", run)
	}
}

// A marked error knows what it has in common with others.
type marked struct {
	error
	mark string
}

func (m marked) Fingerprint() string { return m.mark }

// TestFingerprint has failures that are the same and others that are not.
func TestFingerprint(t *testing.T) {
	var f file
	l := record.NewLog(&f, record.Run{}, record.Config{})
	ex := engine.NewSerial(l.Listener(record.Engine{Name: "serial"}))
	same := [][]string{
		{"line 3 of a.txt: bad number", "line 14 of a.txt: bad number"},
		{`cannot open "x": no such file`, `cannot open "a longer one": no such file`},
		{"cannot open /tmp/x: denied", "cannot open /home/u/y.txt: denied"},
		{"took 1.5s", "took 3m2s", "took 20ms"},
		{"object 0xc000123: gone", "object 0xc0ffee: gone"},
		{"id 550e8400-e29b-41d4-a716-446655440000", "id 123e4567-e89b-12d3-a456-426614174000"},
		{"don't do that", "don't do  that"},
		{"bad number"},
		{"input seven-of-nine is odd", "input eight-of-nine is odd"},
		{"outcome 7: a says something", "outcome 7: b says something else"},
		{"outcome 8: a says something"},
		{"input 3 has code 3", "input 12 has code 3", "input 45 has code 12"},
	}
	n := 0
	for _, group := range same {
		for _, text := range group {
			if strings.HasPrefix(text, "input ") {
				l.Input(n, "", strings.Fields(text)[1])
			}
			err := errors.New(text)
			if outcome, _, ok := strings.Cut(text, ":"); ok && strings.HasPrefix(text, "outcome ") {
				err = marked{err, outcome}
			}
			_, _ = braid.Go(bg, ex, func(context.Context) (int, error) { return 0, err }, braid.Index(n)).Await(bg)
			n++
		}
	}
	if err := l.Close(record.End{}); err != nil {
		t.Fatal(err)
	}
	prints := make(map[string]string)
	for _, e := range of[*record.Error](f.lines(t)) {
		prints[e.Text] = e.Print
	}
	seen := make(map[string]string)
	for _, group := range same {
		for _, text := range group {
			if prints[text] != prints[group[0]] || prints[text] == "" {
				t.Errorf("%q and %q have different fingerprints", text, group[0])
			}
		}
		if other, ok := seen[prints[group[0]]]; ok {
			t.Errorf("%q and %q have the same fingerprint", group[0], other)
		}
		seen[prints[group[0]]] = group[0]
	}
}

// Panics of one place are one failure, though their stacks differ in addresses; those of two
// places are not, though their texts are the same.
func TestPanics(t *testing.T) {
	var f file
	l := record.NewLog(&f, record.Run{}, record.Config{})
	ex := engine.NewSerial(l.Listener(record.Engine{Name: "serial"}))
	for range 3 {
		_, _ = braid.Go(bg, ex, func(context.Context) (int, error) { return here() }).Await(bg)
		_, _ = braid.Go(bg, ex, func(context.Context) (int, error) { return there() }).Await(bg)
	}
	if err := l.Close(record.End{}); err != nil {
		t.Fatal(err)
	}
	es := of[*record.Error](f.lines(t))
	if len(es) != 2 || es[0].Print == es[1].Print || es[0].Text != "panic: oh" || es[1].Text != es[0].Text {
		t.Errorf("the failures are %+v; want two, with one text and two fingerprints", es)
	}
}

//go:noinline
func here() (int, error) { panic("oh") }

//go:noinline
func there() (int, error) { panic("oh") }

// badError is an error whose text cannot be had.
type badError struct{}

func (badError) Error() string { panic("no text") }

func TestBadError(t *testing.T) {
	var f file
	l := record.NewLog(&f, record.Run{}, record.Config{})
	ex := engine.NewSerial(l.Listener(record.Engine{Name: "serial"}))
	_, _ = braid.Go(bg, ex, func(context.Context) (int, error) { return 0, badError{} }).Await(bg)
	if err := l.Close(record.End{}); err != nil {
		t.Fatal(err)
	}
	if es := of[*record.Error](f.lines(t)); len(es) != 1 || !strings.Contains(es[0].Text, "badError") {
		t.Errorf("the failures are %+v; want one that names the type", es)
	}
}

// What was stopped has not failed by itself; a failure that wraps what was stopped has.
func TestStopped(t *testing.T) {
	var f file
	l := record.NewLog(&f, record.Run{}, record.Config{})
	ex := engine.NewSerial(l.Listener(record.Engine{Name: "serial"}))
	stopped := func(cause error) error {
		return &engine.InterruptedError{Err: fmt.Errorf("exit status 1, stopped: %w", cause), Cause: cause}
	}
	limit := stopped(&engine.TimeoutError{Limit: time.Second, Phase: engine.PhaseRun})
	want := []record.State{record.StateTimeout, record.StateCancelled, record.StateError}
	for _, err := range []error{limit, stopped(errDisk), fmt.Errorf("other: %w", limit)} {
		_, _ = braid.Go(bg, ex, func(context.Context) (int, error) { return 0, err }).Await(bg)
	}
	if err := l.Close(record.End{}); err != nil {
		t.Fatal(err)
	}
	var got []record.State
	spans := of[*record.Span](f.lines(t))
	slices.SortFunc(spans, func(a, b *record.Span) int { return cmp.Compare(a.Call, b.Call) })
	for _, s := range spans {
		got = append(got, s.State)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the attempts are %v, want %v", got, want)
	}
}

// What has ended on a worker is told before what it does now: who reads the log while it
// grows sees the worker do one thing at a time.
func TestEndedBeforeBegun(t *testing.T) {
	var f file
	l := record.NewLog(&f, record.Run{}, record.Config{})
	pool := threading.NewPool(threading.Config{Workers: 1, Listener: l.Listener(record.Engine{Name: "threads"})})
	begun, goOn := make(chan struct{}), make(chan struct{})
	first := braid.Go(bg, pool, func(context.Context) (int, error) { return 1, nil })
	second := braid.Go(bg, pool, func(context.Context) (int, error) {
		close(begun)
		<-goOn
		return 2, nil
	})
	<-begun
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, line := range f.lines(t) {
		switch line.(type) {
		case *record.Span:
			order = append(order, "ended")
		case *record.Start:
			order = append(order, "begun")
		}
	}
	if !slices.Equal(order, []string{"ended", "begun"}) {
		t.Errorf("the log tells %v", order)
	}
	close(goOn)
	for _, future := range []*braid.Future[int]{first, second} {
		if _, err := future.Await(bg); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(pool.Close(bg), l.Close(record.End{})); err != nil {
		t.Error(err)
	}
}
