package record

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/engine"
)

const testHead = `{"type":"run","schema":"` + Schema + `"}` + "\n"

// TestSpansLine checks that the line is written as testdata/schema2.ndjson has it.
func TestSpansLine(t *testing.T) {
	const us = 1000
	f := &form{&source{number: 1}, 2, `sums "all"`}
	got := string(appendSpans(nil, f, []success{
		{call: math.MaxUint64, start: 40*us + 999, queued: 20 * us, end: 52*us + 1, index: 7},
		{call: 2, start: 52*us + 1, queued: 21 * us, end: 63 * us, index: 9},
		{call: 1, start: 64 * us, queued: 64 * us, end: 64 * us, index: 8},
	}))
	want := `{"type":"spans","e":1,"w":2,"task":"sums \"all\"","t":[40,0,1],"d":[12,11,0],"wait":[20,11,-31],"c":[18446744073709551615,3,-1],"i":[7,2,-1]}` + "\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	got = string(appendSpans(nil, f, []success{{call: 7, index: -3}, {call: 1008, index: -3}}))
	want = `{"type":"spans","e":1,"w":2,"task":"sums \"all\"","t":[0,0],"d":[0,0],"wait":[0,0],"c":[7,1001],"i":[-3]}` + "\n"
	if got != want {
		t.Errorf("with one input, got  %swant %s", got, want)
	}
}

// TestSpansRoundTrip reads what was written of attempts that come in any order.
func TestSpansRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	micros := func(n int64) time.Duration { return time.Duration(n).Truncate(time.Microsecond) }
	for range 1000 {
		f := &form{&source{number: rng.IntN(3)}, int32(rng.IntN(3)), []string{"", "a", `"d":[1,2],"t":[3]`}[rng.IntN(3)]}
		most := int64(1) << rng.IntN(62)
		all := make([]success, 1+rng.IntN(2*inOneLine))
		text := []byte(testHead)
		var want []Span
		for i := range all {
			start := rng.Int64N(most) - most/2 // a log may have begun later
			all[i] = success{
				call: rng.Uint64N(1 << (1 + rng.IntN(63))), start: start, queued: start - rng.Int64N(most), end: start + rng.Int64N(most),
				index: rng.IntN(1<<62) - 1<<61,
			}
			if f.task == "a" { // calls without a number of an input
				all[i].index = 0
			}
			s := all[i].span(f)
			s.Start, s.End, s.Queued = micros(all[i].start), micros(all[i].end), micros(all[i].queued)
			want = append(want, *s)
		}
		text = appendSpans(text, f, all)
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
		{`{"type":"spans","t":[1,2],"d":[1],"wait":[1,2],"c":[1,2],"i":[1,2]}`, "columns"},
		{`{"type":"spans","t":[1,2]}`, "columns"},
		{`{"type":"spans","t":[1],"d":[1],"wait":[1,2],"c":[1],"i":[1]}`, "columns"},
		{`{"type":"spans","t":[1,"2"],"d":[1,1],"wait":[1,2],"c":[1,2],"i":[1,2]}`, "number"},
		{`{"type":"spans","t":[1,2,"d":[1],"wait":[1,2],"c":[1,2],"i":[1,2]}`, ""},
		{`{"type":"spans","t":3}`, "list"},
		{`{"type":"spans","t":[9223372036854775],"d":[1],"wait":[0],"c":[1],"i":[1]}`, "span 1"},
		{`{"type":"spans","t":[9223372036854775807,9223372036854775807],"d":[9223372036854775807,1],"wait":[0,0],"c":[1,1],"i":[1,1]}`, "span 1"},
		{`{"type":"spans","t":[0,-5],"d":[1,1],"wait":[0,9223372036854775807],"c":[1,1],"i":[1,1]}`, "span 2"},
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
