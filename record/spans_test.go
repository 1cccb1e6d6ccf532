package record

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/threading"
)

const testHead = `{"type":"run","schema":"` + Schema + `"}` + "\n"

// TestSpansLine checks that the line is written as testdata/schema2.ndjson has it.
func TestSpansLine(t *testing.T) {
	const us = 1000
	f := &form{&source{number: 1}, 2, `sums "all"`}
	got := string(new(columns).appendSpans(nil, f, 5, []engine.Attempt{
		{Call: math.MaxUint64, Start: 40*us + 1004, Queued: 20*us + 5, End: 52*us + 6, Index: 7},
		{Call: 2, Start: 52*us + 6, Queued: 21*us + 5, End: 63*us + 5, Index: 9},
		{Call: 1, Start: 64*us + 5, Queued: 64*us + 5, End: 64*us + 5, Index: 8},
	}))
	want := `{"type":"spans","e":1,"w":2,"task":"sums \"all\"","t":40,"d":[12,11,0],"gap":[2,1],"q":[20,1,43],"c":18446744073709551615,"step":[1,3,2,-1],"i":[7,2,-1]}` + "\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	got = string(new(columns).appendSpans(nil, f, 0, []engine.Attempt{{Call: 7, Index: -3}, {Call: 1008, Index: -3}}))
	want = `{"type":"spans","e":1,"w":2,"task":"sums \"all\"","t":0,"d":[0,0],"c":7,"step":[1,1001],"i":[-3]}` + "\n"
	if got != want {
		t.Errorf("with one input, and one after the other, got  %swant %s", got, want)
	}
	got = string(new(columns).appendSpans(nil, f, 0, []engine.Attempt{{Call: 7, Index: -3}, {Call: 8, Index: -2}, {Call: 12, Index: 2}}))
	want = `{"type":"spans","e":1,"w":2,"task":"sums \"all\"","t":0,"d":[0,0,0],"c":7,"step":[2,4],"ic":-10}` + "\n"
	if got != want {
		t.Errorf("with inputs as calls, got  %swant %s", got, want)
	}
}

// TestSpansRoundTrip reads what was written of attempts that come in any order.
func TestSpansRoundTrip(t *testing.T) {
	var c columns // what is left of a line must not show in the next
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		f := &form{&source{number: rng.IntN(3)}, int32(rng.IntN(3)), []string{"", "a", `"d":[1,2],"t":[3]`}[rng.IntN(3)]}
		most := int64(1) << rng.IntN(62)
		all := make([]engine.Attempt, 1+rng.IntN(2*inOneLine))
		ahead := rng.Int64N(most) - most/2
		text := []byte(testHead)
		var want []Span
		for i := range all {
			start := rng.Int64N(most) - most/2 // a log may have begun later
			all[i] = engine.Attempt{
				Call: rng.Uint64N(1 << (1 + rng.IntN(63))), Start: time.Duration(start), Queued: time.Duration(start - rng.Int64N(most)),
				End: time.Duration(start + rng.Int64N(most)), Index: rng.IntN(1<<62) - 1<<61,
			}
			if f.task == "a" { // calls without a number of an input, one after the other
				all[i].Index = 0
				if i > 0 {
					all[i].Start = all[i-1].End
					all[i].End = max(all[i].Start, all[i].End)
				}
			}
			if f.task == "" && i > 0 { // inputs that go with the calls
				all[i].Call = all[i-1].Call + 1 + rng.Uint64N(3)
				all[i].Index = all[i-1].Index + int(all[i].Call-all[i-1].Call)
			}
			want = append(want, Span{
				Start: all[i].Start.Truncate(time.Microsecond), End: all[i].End.Truncate(time.Microsecond), Queued: all[i].Queued.Truncate(time.Microsecond),
				Call: all[i].Call, Engine: f.from.number, Worker: int(f.worker), Input: all[i].Index, Attempt: 1, Task: f.task, State: StateOK, Last: true,
			})
			all[i].Start += time.Duration(ahead)
			all[i].End += time.Duration(ahead)
			all[i].Queued += time.Duration(ahead)
		}
		text = c.appendSpans(text, f, ahead, all)
		if n := events(text); n != int64(1+len(all)) {
			t.Fatalf("%d events in %s", n, text)
		}
		r := NewReader(bytes.NewReader(text))
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			got, err := r.Next()
			if s, ok := got.(*Span); err != nil || !ok || *s != want[i] || r.Line() != 2 {
				t.Fatalf("span %d of\n%s\nis %+v, %v\nwant %+v", i, text, got, err, want[i])
			}
		}
		if l, err := r.Next(); err != io.EOF {
			t.Fatalf("behind them is %v, %v", l, err)
		}
	}
}

// TestSpansBroken reads lines that make no sense, and one behind them.
func TestSpansBroken(t *testing.T) {
	for _, c := range []struct{ line, why string }{
		{`{"type":"spans","t":1,"d":[1],"q":[1,2],"c":1,"i":[1]}`, "columns"},
		{`{"type":"spans","t":1,"d":[1],"q":[1],"c":1,"i":[1,2]}`, "columns"},
		{`{"type":"spans","t":1,"i":[1]}`, "columns"},
		{`{"type":"spans","t":1,"d":[1,"2"],"q":[1,2],"c":1}`, "number"},
		{`{"type":"spans","t":1,"d":[1,2,"q":[1,2],"c":1}`, ""},
		{`{"type":"spans","d":3}`, "list"},
		{`{"type":"spans","t":[3],"d":[1]}`, "number"},
		{`{"type":"spans","t":9223372036854775,"d":[1],"q":[0],"c":1}`, "span 1"},
		{`{"type":"spans","t":9223372036854775807,"d":[9223372036854775807,1],"q":[0,0],"c":1}`, "span 1"},
		{`{"type":"spans","t":0,"gap":[1,-5],"d":[1,1],"q":[0,9223372036854775807],"c":1}`, "span 2"},
		{`{"type":"spans","t":0,"gap":[1],"d":[1,1],"c":1}`, "exceptions"},
		{`{"type":"spans","t":0,"gap":[2,1],"d":[1,1],"c":1}`, "exceptions"},
		{`{"type":"spans","t":0,"d":[1,1,1],"c":1,"step":[2,2,1,2]}`, "exceptions"},
		{`{"type":"spans","t":0,"d":[1,1,1],"c":1,"step":[-1,2]}`, "exceptions"},
	} {
		r := NewReader(strings.NewReader(testHead + c.line + "\n" + `{"type":"mark","t":1,"kind":"k"}` + "\n"))
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		l, err := r.Next()
		if s, ok := errors.AsType[*SyntaxError](err); !ok || s.Line != 2 || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s is %v, %v; want a SyntaxError with %q", c.line, l, err, c.why)
		}
		if l, err := r.Next(); err != nil {
			t.Errorf("behind %s is %v, %v", c.line, l, err)
		}
	}
}

// sizes is a writer that remembers how much it was given at once.
type sizes []int

func (s *sizes) Write(b []byte) (int, error) {
	*s = append(*s, len(b))
	return len(b), nil
}

// TestLargeWrites checks that a log which is busy writes few large blocks.
func TestLargeWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out sizes
		l := NewLog(&out, Run{}, Config{})
		h := l.listen(nil)
		const n = 50_000
		for i := range n {
			e := engine.Event{At: time.Since(engine.Epoch()), Engine: "test", Worker: 1 + i&1, Call: uint64(i + 1), Index: i, Attempt: 1, Task: "t"}
			h.Submitted(e)
			h.Started(e)
			h.Finished(e)
		}
		if err := l.Close(End{OK: n, Total: n}); err != nil {
			t.Fatal(err)
		}
		for i, k := range out[:len(out)-1] { // the last one is of what was left
			if k < blockSize {
				t.Errorf("write %d of %d has %d bytes; want at least %d", i+1, len(out), k, blockSize)
			}
		}
		if len(out) < 3 {
			t.Errorf("there are %d writes; the test shows nothing", len(out))
		}
	})
}

// TestStreaks has the task of a worker change now and then, and an attempt fail: each attempt is
// told of in its turn, and as what it was. The texts of inputs are let go of at the end.
func TestStreaks(t *testing.T) {
	var out bytes.Buffer
	l := NewLog(&out, Run{}, Config{})
	h := l.listen(nil)
	task := func(i int) string { return []string{"a", "b"}[i/40%2] }
	fails := func(i int) bool { return i%100 == 70 }
	const n = 1000
	for i := range n {
		l.Input(i, "key", "text")
		e := engine.Event{At: time.Since(engine.Epoch()), Engine: "test", Worker: 1, Call: uint64(i + 1), Index: i, Attempt: 1, Task: task(i)}
		h.Submitted(e)
		h.Started(e)
		if fails(i) {
			e.Err = io.ErrUnexpectedEOF
		}
		h.Finished(e)
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	kept := len(l.texts)
	l.mu.Unlock()
	if kept != 0 {
		t.Errorf("%d texts are kept of inputs whose calls have ended", kept)
	}
	if err := l.Close(End{}); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Count(out.Bytes(), []byte(`{"type":"spans"`))
	i := 0
	for r := NewReader(&out); ; {
		line, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := line.(*Span); ok {
			if s.Input != i || s.Task != task(i) || (s.State == StateError) != fails(i) || s.State != StateOK && !fails(i) {
				t.Fatalf("attempt %d is told of as %+v", i, s)
			}
			i++
		}
	}
	if i != n || lines < n/40 {
		t.Errorf("there are %d attempts, and %d lines of many; want %d and at least %d", i, lines, n, n/40)
	}
}

// TestTracksAfterClose checks that a log which is closed keeps nothing of what runs after that.
func TestTracksAfterClose(t *testing.T) {
	ctx := context.Background()
	l := NewLog(io.Discard, Run{}, Config{})
	pool := threading.NewPool(threading.Config{Workers: 2, Listener: l.Listener(Engine{Name: "threads"})})
	task := braid.Func(func(ctx context.Context, i int) (int, error) { engine.Progress(ctx, int64(i), 9); return i, nil })
	for i := range 9 {
		if _, err := braid.Submit(ctx, pool, task, i).Await(ctx); err != nil {
			t.Fatal(err)
		}
		if i == 5 {
			if err := l.Close(End{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := pool.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range l.shards {
		if n := len(l.shards[i].runs); n != 0 {
			t.Errorf("shard %d has %d attempts that run", i, n)
		}
	}
}

// TestTracksOfAFailedLog has workers go on when the file has failed: what succeeds is counted as
// lost, and makes room again and again.
func TestTracksOfAFailedLog(t *testing.T) {
	ctx := context.Background()
	failed := make(chan error, 1)
	l := NewLog(broken{}, Run{}, Config{OnError: func(err error) { failed <- err }})
	pool := threading.NewPool(threading.Config{Workers: 1, Listener: l.Listener(Engine{Name: "threads"})})
	task := braid.Func(func(_ context.Context, i int) (int, error) { return i, nil })
	run := func(n int) {
		for i := range n {
			if _, err := braid.Submit(ctx, pool, task, i).Await(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(3)
	if err := l.Flush(); err == nil {
		t.Fatal("Flush succeeded")
	}
	<-failed
	before := l.lost.Load()
	const n = 2*engine.TrackLen + 1
	run(n)
	if err := pool.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if lost := l.lost.Load() - before; lost != n {
		t.Errorf("%d of %d attempts are counted as lost", lost, n)
	}
	if err := l.Close(End{}); err == nil {
		t.Error("Close succeeded")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// TestTracksAreLetGo checks that a log which lives on forgets the workers of a pool that is closed.
func TestTracksAreLetGo(t *testing.T) {
	ctx := context.Background()
	l := NewLog(io.Discard, Run{}, Config{})
	for range 3 {
		pool := threading.NewPool(threading.Config{Workers: 2, Listener: l.Listener(Engine{Name: "threads"})})
		if _, err := braid.Submit(ctx, pool, braid.Func(func(context.Context, int) (int, error) { return 0, nil }), 0).Await(ctx); err != nil {
			t.Fatal(err)
		}
		if err := pool.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for i := range l.shards {
		if n := len(l.shards[i].tracks); n != 0 {
			t.Errorf("shard %d keeps %d tracks", i, n)
		}
	}
	if err := l.Close(End{}); err != nil {
		t.Fatal(err)
	}
}
