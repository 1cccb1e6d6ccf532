package record

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

const testHead = `{"type":"run","schema":"` + Schema + `"}` + "\n"

// TestSpansLine checks that the line is written as testdata/schema2.ndjson has it.
func TestSpansLine(t *testing.T) {
	const us = 1000
	f := &form{&source{number: 1}, 2, `sums "all"`}
	got := string(appendSpans(nil, []success{
		{call: math.MaxUint64, start: 40*us + 999, queued: 20 * us, end: 52*us + 1, index: 7, form: f},
		{call: 2, start: 52*us + 1, queued: 21 * us, end: 63 * us, index: 9, form: f},
		{call: 1, start: 64 * us, queued: 64 * us, end: 64 * us, index: 8, form: f},
	}))
	want := `{"type":"spans","e":1,"w":2,"task":"sums \"all\"","t":[40,0,1],"d":[12,11,0],"wait":[20,31,0],"c":[18446744073709551615,3,-1],"i":[7,2,-1]}` + "\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
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
				index: rng.IntN(1<<62) - 1<<61, form: f,
			}
			s := all[i].span()
			s.Start, s.End, s.Queued = micros(all[i].start), micros(all[i].end), micros(all[i].queued)
			want = append(want, *s)
		}
		text = appendSpans(text, all)
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
