package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-braid/braid/record"
)

const us = time.Microsecond

// schema1 is what testdata/schema1.ndjson says. Neither changes, whatever the schema becomes: what
// was written once is read for ever.
var schema1 = []record.Line{
	&record.Run{
		Schema: "braid.record/1", ID: "01KGZ3Q8M4T27HYVS060QWH78E", Wall: time.Date(2026, 11, 27, 18, 20, 1, 123456789, time.UTC),
		Braid: "v0.1.0", Go: "go1.26.0", OS: "linux", Arch: "amd64", Host: "h", PID: 123, CPUs: 2, Name: "sums", Task: "sha256",
		Args: []string{"braid", "run", "--task", "sha256", `a "b".txt`}, Hash: "5f16", Dir: "/home/u", Parent: "01KGZ3Q8M4T27HYVS060QWH78D",
	},
	&record.Engine{Time: 12 * us, Number: 1, Name: "threads", Kind: "threads", Limit: 16, Why: "--engine"},
	&record.Worker{Time: 14 * us, Engine: 1, Number: 2, PID: 777, Up: true},
	&record.Input{Time: 15 * us, Number: 0, Key: "8f434346648f6b96df89dda901c5176b", Text: "a.txt"},
	&record.Input{Time: 16 * us, Number: 7, Key: "252f10c83610ebca1a059c0bae8255eb", Text: "é\u2028\"\\\n\u0001", Cut: true},
	&record.Start{Start: 40 * us, Call: 9, Engine: 1, Worker: 2, Input: 7, Attempt: 2, Queued: 20 * us, Task: "sha256", PID: 777},
	&record.Progress{Time: 45 * us, Call: 9, Input: 7, Done: 3, Total: 10},
	&record.Error{Number: 4, Kind: record.StateCrash, Print: "00ff00ff00ff00ff", Text: "process 777 was ended by SIGKILL", Stack: "goroutine 1 [running]:\n\tmain.main()"},
	&record.Span{
		Start: 40 * us, End: 52 * us, Call: 9, Engine: 1, Worker: 2, Input: 7, Attempt: 2, Queued: 20 * us, Task: "sha256",
		State: record.StateCrash, PID: 777, Parked: 3 * us, CPU: 11 * us, RSS: 123456, Exit: -1, Signal: "SIGKILL", Err: 4, Out: 1024, ErrOut: 10,
	},
	&record.Output{Time: 52 * us, Call: 9, Input: 7, Attempt: 2, Stdout: "last words", Stderr: "oh\n", Cut: true},
	&record.Retry{Time: 52 * us, Call: 9, Input: 7, Attempt: 2, Delay: 100 * time.Millisecond},
	&record.Span{Start: 60 * us, End: 70 * us, Call: 10, Engine: 1, Worker: 2, Attempt: 1, Queued: 21 * us, Task: "sha256", State: record.StateOK, Last: true},
	&record.Span{Start: 71 * us, End: 71 * us, Call: 11, Engine: 1, Input: 8, Attempt: 1, Queued: 30 * us, Task: "sha256", State: record.StateRefused, Err: 4, Last: true},
	&record.Worker{Time: 99 * us, Engine: 1, Number: 2, PID: 777, Err: 4},
	&record.Sample{Time: time.Second, Running: 16, Queued: 84, Done: 1234, Failed: 2, CPU: 1.93, RSS: 1234567},
	&record.Mark{Time: 77 * us, Kind: "halt", Text: "3 failed", Engine: 1, About: true},
	&record.Mark{Time: 78 * us, Kind: "resize", Text: "-j 4"},
	&record.Advice{Time: 99 * us, Code: "straggler", Text: "one input took half of the time", Try: "-j 4"},
	&record.Dropped{Time: 99 * us, Events: 17, Why: "no space left on device"},
	&record.End{Time: 12345 * us, Verdict: "failed", Exit: 1, OK: 1, Failed: 1, Stopped: 2, Skipped: 3, Total: 7},
}

func same(t *testing.T, got, want []record.Line) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("line %d is missing: %+v", i, want[i])
		case i >= len(want):
			t.Errorf("line %d is more than is there: %+v", i, got[i])
		case !reflect.DeepEqual(got[i], want[i]):
			t.Errorf("line %d\ngot  %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func TestSchema1(t *testing.T) {
	same(t, read(t, "testdata/schema1.ndjson"), schema1)
}

// schema2 is what testdata/schema2.ndjson has that schema 1 has not: a line for many spans, and
// how many inputs there are while the run goes on.
var schema2 = []record.Line{
	&record.Run{Schema: "braid.record/2", ID: "01KGZ3Q8M4T27HYVS060QWH78E", Wall: time.Date(2026, 11, 27, 18, 20, 1, 123456789, time.UTC)},
	&record.Engine{Time: 12 * us, Number: 1, Name: "threads"},
	&record.Span{Start: 40 * us, End: 52 * us, Call: 1<<64 - 1, Engine: 1, Worker: 2, Input: 7, Attempt: 1, Queued: 20 * us, Task: `sums "all"`, State: record.StateOK, Last: true},
	&record.Span{Start: 52 * us, End: 63 * us, Call: 2, Engine: 1, Worker: 2, Input: 9, Attempt: 1, Queued: 21 * us, Task: `sums "all"`, State: record.StateOK, Last: true},
	&record.Span{Start: 64 * us, End: 64 * us, Call: 1, Engine: 1, Worker: 2, Input: 8, Attempt: 1, Queued: 64 * us, Task: `sums "all"`, State: record.StateOK, Last: true},
	&record.Span{Start: 70 * us, End: 71 * us, Call: 4, Engine: 1, Attempt: 1, Queued: 69 * us, State: record.StateOK, Last: true},
	&record.Span{Start: 71 * us, End: 73 * us, Call: 5, Engine: 1, Attempt: 1, Queued: 70 * us, State: record.StateOK, Last: true},
	&record.Span{Start: 80 * us, End: 81 * us, Call: 6, Engine: 1, Input: 4, Attempt: 1, Queued: 79 * us, State: record.StateOK, Last: true},
	&record.Span{Start: 81 * us, End: 83 * us, Call: 9, Engine: 1, Input: 7, Attempt: 1, Queued: 79 * us, State: record.StateOK, Last: true},
	&record.Sample{Time: 90 * us, Done: 7, Total: 8},
	&record.End{Time: 12345 * us, Verdict: "ok", OK: 4, Total: 4},
}

func TestSchema2(t *testing.T) {
	same(t, read(t, "testdata/schema2.ndjson"), schema2)
}

// TestWrite checks that lines are still written as they were: programs of others read them.
func TestWrite(t *testing.T) {
	want, err := os.ReadFile("testdata/schema1.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for _, l := range schema1 {
		got = record.Append(got, l)
	}
	gots, wants := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gots), len(wants)) {
		if i >= len(gots) || i >= len(wants) || gots[i] != wants[i] {
			t.Fatalf("line %d\ngot  %s\nwant %s", i+1, gots[i], wants[i])
		}
	}
}

// TestSchema1Changed reads what a later version may add, and what people do to files.
func TestSchema1Changed(t *testing.T) {
	same(t, read(t, "testdata/schema1-changed.ndjson"), []record.Line{
		&record.Run{Schema: "braid.record/1", ID: "01KGZ3Q8M4T27HYVS060QWH78E", Wall: time.Date(2026, 11, 27, 18, 20, 1, 0, time.UTC)},
		&record.Span{Start: 40 * us, End: 52 * us, Call: 1<<64 - 1, Attempt: 1, State: "evaporated", Last: true},
		&record.Mark{Time: 77 * us, Kind: "halt"},
		&record.End{Time: 12345 * us, Verdict: "ok"},
	})
}

func TestBroken(t *testing.T) {
	f, err := record.Open("testdata/broken.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	broken := 0
	for n := 1; ; n++ {
		l, err := f.Next()
		if err == io.EOF {
			break
		}
		s, bad := errors.AsType[*record.SyntaxError](err)
		switch {
		case n == 1 || n == 10:
			if err != nil || f.Line() != n {
				t.Errorf("line %d is %v, %v", n, l, err)
			}
		case !bad || s.Line != n || !strings.Contains(err.Error(), "line "):
			t.Errorf("line %d is %v, %v; want a SyntaxError", n, l, err)
		default:
			broken++
		}
	}
	if broken != 8 {
		t.Errorf("%d lines are broken; want 8", broken)
	}
}

func TestNoLog(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"another type", `{"type":"span"}` + "\n"},
		{"another schema", `{"type":"run","schema":"other/1"}` + "\n"},
		{"no JSON", "hello\n"},
		{"one long line", strings.Repeat("x", 3*record.MaxLine)},
	} {
		r := record.NewReader(strings.NewReader(c.text))
		for range 2 {
			if _, err := r.Next(); !errors.Is(err, record.ErrNoLog) {
				t.Errorf("%s: %v; want %v", c.name, err, record.ErrNoLog)
			}
		}
	}
	for _, schema := range []string{"braid.record/3", "braid.record/0", "braid.record/x"} {
		r := record.NewReader(strings.NewReader(`{"type":"run","schema":"` + schema + `"}` + "\n"))
		_, err := r.Next()
		if v, ok := errors.AsType[*record.VersionError](err); !ok || v.Schema != schema || !strings.Contains(err.Error(), "newer") {
			t.Errorf("%s: %v; want a VersionError", schema, err)
		}
	}
}

func TestLongLine(t *testing.T) {
	head := string(record.Append(nil, schema1[0]))
	end := string(record.Append(nil, schema1[len(schema1)-1]))
	for _, n := range []int{record.MaxLine + 1, 5 * record.MaxLine} {
		r := record.NewReader(strings.NewReader(head + strings.Repeat("x", n) + "\n" + end))
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		_, err := r.Next()
		if s, ok := errors.AsType[*record.SyntaxError](err); !ok || s.Line != 2 {
			t.Errorf("a line of %d bytes: %v; want a SyntaxError", n, err)
		}
		if l, err := r.Next(); err != nil || !reflect.DeepEqual(l, schema1[len(schema1)-1]) {
			t.Errorf("after it comes %v, %v; want the end", l, err)
		}
	}
}

// TestFollow reads a file that grows by any number of bytes.
func TestFollow(t *testing.T) {
	var all []byte
	for _, l := range schema1 {
		all = record.Append(all, l)
	}
	for _, step := range []int{1, 7, 100, 1000} {
		var f bytes.Buffer
		r := record.NewReader(&f)
		var got []record.Line
		for rest := all; len(rest) > 0; {
			n := min(step, len(rest))
			f.Write(rest[:n])
			rest = rest[n:]
			got = append(got, lines(t, r)...)
		}
		same(t, got, schema1)
	}
	same(t, lines(t, record.NewReader(iotest.OneByteReader(bytes.NewReader(all)))), schema1)
	failing := record.NewReader(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(all))))
	if _, err := failing.Next(); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("Next = %v; want the error of the reader", err)
	}
}

// FuzzReader reads anything. It must not panic; what it accepts is JSON, and what it writes of that
// it reads again as the same.
func FuzzReader(f *testing.F) {
	for _, name := range []string{"schema1.ndjson", "schema1-changed.ndjson", "schema2.ndjson", "broken.ndjson"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		for line := range bytes.Lines(data) {
			f.Add(line)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		head := record.Append(nil, schema1[0])
		r := record.NewReader(bytes.NewReader(append(head, data...)))
		for {
			l, err := r.Next()
			if err == io.EOF {
				return
			}
			if _, ok := errors.AsType[*record.SyntaxError](err); ok {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			text := record.Append(nil, l)
			if !json.Valid(text) {
				t.Fatalf("%+v is written as %q", l, text)
			}
			if run, ok := l.(*record.Run); ok && run.Schema != record.Schema {
				continue // it is no first line, so nobody has looked
			}
			again := lines(t, record.NewReader(bytes.NewReader(append(record.Append(nil, schema1[0]), text...))))
			if len(again) != 2 || !bytes.Equal(record.Append(nil, again[1]), text) {
				t.Fatalf("%q was read again as %+v", text, again)
			}
		}
	})
}

// FuzzLine compares with encoding/json: what one accepts as an object, the other does.
func FuzzLine(f *testing.F) {
	data, err := os.ReadFile("testdata/schema1.ndjson")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		f.Add(strings.TrimSuffix(line, "\n"))
	}
	f.Add(`{"x":[{}],"y":1e5}`)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\n") || len(text) > 1000 || strings.Count(text, "[")+strings.Count(text, "{") > 90 {
			return
		}
		// An unknown type, so that no value has a kind that it ought to be.
		line := `{"type":"?","value":` + text + "}"
		r := record.NewReader(bytes.NewReader(append(record.Append(nil, schema1[0]), line+"\n"...)))
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		_, err := r.Next()
		if valid := json.Valid([]byte(line)); valid != (err == io.EOF) {
			t.Errorf("%q: %v; encoding/json says %v", line, err, valid)
		}
	})
}

// Keys that came after the first golden file.
func TestNewKeys(t *testing.T) {
	want := &record.Run{
		Schema: record.Schema, ID: "1", Wall: time.Unix(1, 0).UTC(), Delivers: true,
		Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-0102030405060708-01",
	}
	got, err := record.NewReader(bytes.NewReader(record.Append(nil, want))).Next()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}
