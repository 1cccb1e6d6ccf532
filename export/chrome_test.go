package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/go-braid/braid/record"
)

// An event is one of a trace.
type event struct {
	Ph   string
	Pid  json.Number
	Tid  json.Number
	TS   json.Number
	Dur  json.Number
	Tts  json.Number
	Tdur json.Number
	Name string
	Cat  string
	Args map[string]any
	S    string

	Flow string `json:"bind_id"`
	In   bool   `json:"flow_in"`
	Out  bool   `json:"flow_out"`
}

type chromeTrace struct {
	DisplayTimeUnit string
	OtherData       map[string]any
	TraceEvents     []event
}

// integer reports a number that is not a whole one that fits an importer's type.
func (v *validator) integer(what string, n json.Number, bits int) int64 {
	i, err := n.Int64()
	if err != nil || i < 0 || i >= 1<<bits {
		v.errorf("%s is %q, and must be a whole number of %d bits", what, n, bits)
	}
	return i
}

// A validator holds a trace to the rules of Perfetto's importer.
type validator struct {
	at       int // the number of the event
	mistakes []string

	processes map[int64]bool
	threads   map[int64]int64   // their processes
	open      map[int64][]int64 // the ends of slices, by thread
	clocks    map[int64]int64   // the last thread time stamp
	flows     map[string]event  // their last slices
}

func (v *validator) errorf(format string, args ...any) {
	v.mistakes = append(v.mistakes, fmt.Sprintf("event %d: ", v.at)+fmt.Sprintf(format, args...))
}

// validate returns the trace in text, and what is wrong with it.
func validate(text []byte) (chromeTrace, []string) {
	var tr chromeTrace
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tr); err != nil {
		return tr, []string{err.Error()}
	}
	if _, err := d.Token(); err != io.EOF {
		return tr, []string{"there is something behind the trace"}
	}
	v := &validator{
		processes: make(map[int64]bool), threads: make(map[int64]int64), open: make(map[int64][]int64),
		clocks: make(map[int64]int64), flows: make(map[string]event),
	}
	if tr.DisplayTimeUnit != "ms" {
		v.errorf("the time unit is %q", tr.DisplayTimeUnit)
	}
	var now int64
	for i, e := range tr.TraceEvents {
		v.at = i
		if e.Ph == "M" {
			v.metadata(e)
			continue
		}
		ts := v.integer("ts", e.TS, 62)
		if ts < now {
			v.errorf("it is at %d, after one at %d", ts, now)
		}
		now = ts
		v.event(e, ts)
	}
	for id, last := range v.flows {
		if last.Out {
			v.errorf("flow %s leads from %s to nowhere", id, last.Name)
		}
	}
	return tr, v.mistakes
}

func (v *validator) metadata(e event) {
	pid := v.integer("pid", e.Pid, 31)
	name, _ := e.Args["name"].(string)
	switch e.Name {
	case "process_name":
		if v.processes[pid] || name == "" || pid == 0 {
			v.errorf("a second name, or none, for process %d", pid)
		}
		v.processes[pid] = true
	case "thread_name":
		tid := v.integer("tid", e.Tid, 31)
		if _, twice := v.threads[tid]; twice || name == "" || !v.processes[pid] || v.processes[tid] {
			v.errorf("a second name, or none, for thread %d of process %d", tid, pid)
		}
		v.threads[tid] = pid
	case "process_sort_index", "thread_sort_index":
		if n, ok := e.Args["sort_index"].(json.Number); !ok {
			v.errorf("no sort_index")
		} else {
			v.integer("sort_index", n, 31)
		}
	default:
		v.errorf("metadata %q is not known to the importer", e.Name)
	}
}

func (v *validator) event(e event, ts int64) {
	pid := v.integer("pid", e.Pid, 31)
	if !v.processes[pid] {
		v.errorf("process %d has no name", pid)
	}
	var tid int64
	if e.Tid != "" {
		tid = v.integer("tid", e.Tid, 31)
		if of, ok := v.threads[tid]; !ok || of != pid {
			v.errorf("thread %d of process %d has no name", tid, pid)
		}
	}
	if e.Name == "" {
		v.errorf("it has no name")
	}
	switch e.Ph {
	case "X":
		if e.Tid == "" {
			v.errorf("a slice without a thread")
		}
		v.slice(e, tid, ts)
	case "i":
		if e.S != "t" && e.S != "p" && e.S != "g" || e.S == "t" && e.Tid == "" {
			v.errorf("an instant with the scope %q", e.S)
		}
	case "C":
		if len(e.Args) == 0 {
			v.errorf("a counter without a value")
		}
		for k, x := range e.Args {
			n, ok := x.(json.Number)
			if f, err := n.Float64(); !ok || err != nil || math.IsInf(f, 0) {
				v.errorf("counter %s is %v", k, x)
			}
		}
	default:
		v.errorf("phase %q", e.Ph)
	}
}

func (v *validator) slice(e event, tid, ts int64) {
	end := ts + v.integer("dur", e.Dur, 62)
	stack := v.open[tid]
	for len(stack) > 0 && stack[len(stack)-1] <= ts {
		stack = stack[:len(stack)-1]
	}
	if n := len(stack); n > 0 && stack[n-1] < end {
		v.errorf("[%d, %d] does not nest on thread %d, where one is open until %d", ts, end, tid, stack[n-1])
	}
	v.open[tid] = append(stack, end)
	v.flow(e)
	if (e.Tts == "") != (e.Tdur == "") {
		v.errorf("tts without tdur")
	}
	if e.Tts != "" {
		if tts := v.integer("tts", e.Tts, 62); tts < v.clocks[tid] {
			v.errorf("the CPU time of thread %d goes back", tid)
		} else {
			v.clocks[tid] = tts
		}
		v.integer("tdur", e.Tdur, 62)
	}
}

// flow deals with the ends of arrows that a slice has. Of slices that begin at the same
// time the importer takes the longest first, so that an arrow between them may end before
// it begins.
func (v *validator) flow(e event) {
	if e.Flow == "" {
		if e.In || e.Out {
			v.errorf("an arrow of no flow")
		}
		return
	}
	if n, err := strconv.ParseUint(e.Flow, 0, 64); err != nil || n == 0 || !strings.HasPrefix(e.Flow, "0x") || !e.In && !e.Out {
		v.errorf("flow %q, which is no hexadecimal number, or no arrow of one", e.Flow)
	}
	switch before, goes := v.flows[e.Flow]; {
	case e.In && !before.Out:
		v.errorf("flow %s comes from nowhere", e.Flow)
	case e.In && before.TS == e.TS:
		v.errorf("flow %s takes no time", e.Flow)
	case !e.In && goes:
		v.errorf("flow %s begins again", e.Flow)
	}
	v.flows[e.Flow] = e
}

// traceOf exports a record and validates the trace.
func traceOf(t interface {
	Helper()
	Fatalf(string, ...any)
}, rec []byte, memory int) ([]byte, chromeTrace) {
	t.Helper()
	var b bytes.Buffer
	if err := chrome(&b, reader(rec), memory); err != nil {
		if _, ok := errors.AsType[*record.SyntaxError](err); !ok {
			t.Fatalf("chrome = %v", err)
		}
	}
	tr, mistakes := validate(b.Bytes())
	if len(mistakes) > 0 {
		t.Fatalf("the trace is wrong:\n%s\n\n%s", strings.Join(mistakes, "\n"), b.Bytes())
	}
	return b.Bytes(), tr
}

func TestChrome(t *testing.T) {
	text, _ := traceOf(t, sample(), sortMemory)
	golden(t, "trace.json", text)
}

// The validator is what the other tests rely on, so it must see what breaks an importer.
func TestValidator(t *testing.T) {
	const names = `{"ph":"M","pid":1,"name":"process_name","args":{"name":"p"}},{"ph":"M","pid":1,"tid":7,"name":"thread_name","args":{"name":"t"}},`
	for _, c := range []struct{ name, events, want string }{
		{"good", `{"ph":"X","pid":1,"tid":7,"ts":1,"dur":5,"name":"a"},{"ph":"X","pid":1,"tid":7,"ts":2,"dur":4,"name":"b"}`, ""},
		{"overlap", `{"ph":"X","pid":1,"tid":7,"ts":1,"dur":5,"name":"a"},{"ph":"X","pid":1,"tid":7,"ts":2,"dur":5,"name":"b"}`, "does not nest"},
		{"child first", `{"ph":"X","pid":1,"tid":7,"ts":1,"dur":4,"name":"a"},{"ph":"X","pid":1,"tid":7,"ts":1,"dur":5,"name":"b"}`, "does not nest"},
		{"order", `{"ph":"X","pid":1,"tid":7,"ts":2,"dur":5,"name":"a"},{"ph":"X","pid":1,"tid":7,"ts":1,"dur":9,"name":"b"}`, "after one at 2"},
		{"fraction", `{"ph":"X","pid":1.5,"tid":7,"ts":2,"dur":5,"name":"a"}`, "must be a whole number"},
		{"unknown thread", `{"ph":"X","pid":1,"tid":8,"ts":2,"dur":5,"name":"a"}`, "has no name"},
		{"flow", `{"ph":"X","pid":1,"tid":7,"ts":1,"dur":1,"name":"a","bind_id":"0x1","flow_out":true},{"ph":"X","pid":1,"tid":7,"ts":2,"dur":4,"name":"b","bind_id":"0x1","flow_in":true}`, ""},
		{"no end", `{"ph":"X","pid":1,"tid":7,"ts":2,"dur":5,"name":"a","bind_id":"0x1","flow_out":true}`, "to nowhere"},
		{"no beginning", `{"ph":"X","pid":1,"tid":7,"ts":2,"dur":5,"name":"a","bind_id":"0x1","flow_in":true}`, "from nowhere"},
		{"at once", `{"ph":"X","pid":1,"tid":7,"ts":2,"dur":0,"name":"a","bind_id":"0x1","flow_out":true},{"ph":"X","pid":1,"tid":7,"ts":2,"dur":4,"name":"b","bind_id":"0x1","flow_in":true}`, "takes no time"},
		{"no flow", `{"ph":"X","pid":1,"tid":7,"ts":2,"dur":5,"name":"a","flow_out":true}`, "of no flow"},
		{"no number", `{"ph":"X","pid":1,"tid":7,"ts":2,"dur":5,"name":"a","bind_id":"7","flow_out":true},{"ph":"X","pid":1,"tid":7,"ts":8,"dur":5,"name":"a","bind_id":"7","flow_in":true}`, "no hexadecimal number"},
		{"event", `{"ph":"s","pid":1,"tid":7,"ts":2,"id":1,"name":"f"}`, `phase "s"`},
		{"text counter", `{"ph":"C","pid":1,"ts":2,"name":"a","args":{"x":"1"}}`, "counter x"},
		{"scope", `{"ph":"i","pid":1,"ts":2,"name":"a","s":"t"}`, "scope"},
		{"metadata", `{"ph":"M","pid":1,"name":"process_labels","args":{"labels":"x"}}`, "not known to the importer"},
		{"clock", `{"ph":"X","pid":1,"tid":7,"ts":1,"dur":1,"tts":9,"tdur":1,"name":"a"},{"ph":"X","pid":1,"tid":7,"ts":2,"dur":4,"tts":8,"tdur":1,"name":"b"}`, "goes back"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, mistakes := validate([]byte(`{"displayTimeUnit":"ms","traceEvents":[` + names + c.events + `]}`))
			if all := strings.Join(mistakes, "\n"); c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("the mistakes are %q, want one with %q", all, c.want)
			}
		})
	}
}

// Attempts that nest share the track of their worker; those that overlap do not.
func TestChromeTracks(t *testing.T) {
	span := func(call uint64, engine, worker int, from, to float64) *record.Span {
		return &record.Span{Start: at(from), End: at(to), Call: call, Engine: engine, Worker: worker, Attempt: 1, Task: fmt.Sprint(call), State: record.StateOK, Last: true}
	}
	_, tr := traceOf(t, log(began,
		&record.Engine{Number: 1, Kind: "threads"}, &record.Engine{Number: 2, Kind: "async"},
		span(1, 1, 1, 0, 10), span(2, 1, 1, 2, 4), span(3, 1, 1, 3, 12), span(4, 1, 1, 10, 11),
		span(5, 2, 1, 0, 10), span(6, 2, 1, 2, 4), span(7, 2, 1, 3, 5), span(8, 2, 1, 4, 9), span(9, 2, 1, 10, 11),
	), sortMemory)
	names, got := make(map[json.Number]string), make(map[string]string)
	for _, e := range tr.TraceEvents {
		switch {
		case e.Name == "thread_name":
			names[e.Tid] = e.Args["name"].(string)
		case e.Ph == "X":
			got[e.Name] = names[e.Tid]
		}
	}
	for call, want := range map[string]string{
		"1": "worker 1", "2": "worker 1", "3": "worker 1 (2)", "4": "worker 1",
		"5": "slot 1", "6": "slot 2", "7": "slot 3", "8": "slot 2", "9": "slot 1",
	} {
		if got[call] != want {
			t.Errorf("call %s is on %q, want %q", call, got[call], want)
		}
	}
}

// What the record does not tell the end of lasts to its end.
func TestChromeUnfinished(t *testing.T) {
	_, tr := traceOf(t, log(began,
		&record.Start{Start: at(1), Call: 1, Engine: 1, Worker: 1, Attempt: 1, Task: "over"},
		&record.Start{Start: at(2), Call: 2, Engine: 1, Worker: 2, Attempt: 1, Task: "stuck"},
		&record.Span{Start: at(1), End: at(5), Call: 1, Engine: 1, Worker: 1, Attempt: 1, Task: "over", State: record.StateOK, Last: true},
	), sortMemory)
	got := make(map[string]string)
	for _, e := range tr.TraceEvents {
		if e.Ph == "X" {
			got[e.Name] += fmt.Sprint(e.Cat, " ", e.TS, "+", e.Dur)
		}
	}
	if want := "map[over:ok 1000+4000 stuck:unfinished 2000+3000]"; fmt.Sprint(got) != want {
		t.Errorf("the slices are %v, want %s", got, want)
	}
	if tr.OtherData["verdict"] != "unfinished" {
		t.Errorf("the verdict is %v", tr.OtherData["verdict"])
	}
}

// The attempts of a call are in any order in a record, and their flow is in that of time.
func TestChromeFlow(t *testing.T) {
	span := func(attempt int, from, to float64, state record.State, last bool) record.Line {
		return &record.Span{
			Start: at(from), End: at(to), Queued: at(from - 1), Call: 1, Engine: 1, Worker: attempt, Input: 3, Attempt: attempt,
			Task: "t", State: state, Last: last,
		}
	}
	one, two, three := span(1, 2, 3, record.StateError, false), span(2, 6, 7, record.StateError, false), span(3, 9, 10, record.StateOK, true)
	var first string
	for _, order := range [][]record.Line{
		{one, two, three}, {one, three, two}, {two, one, three}, {two, three, one}, {three, one, two}, {three, two, one},
	} {
		text, tr := traceOf(t, log(append([]record.Line{began, &record.Engine{Number: 1}, &record.Input{Number: 3, Text: "x"}}, order...)...), sortMemory)
		var flow []string
		items := 0
		for _, e := range tr.TraceEvents {
			if e.In {
				flow = append(flow, fmt.Sprint("in", e.TS))
			}
			if e.Out {
				flow = append(flow, fmt.Sprint("out", e.TS))
			}
			if e.Args["item"] == "x" {
				items++
			}
		}
		if strings.Count(string(text), `"retry_after_us":2000`) != 1 {
			t.Errorf("the pause of 2 ms is not in\n%s", text)
		}
		if got, want := strings.Join(flow, " "), "out1000 in2000 out2000 in6000 out6000 in9000"; got != want || items != 3 {
			t.Errorf("the flow is %q, and %d attempts have their input, want %q, and 3", got, items, want)
		}
		if first == "" {
			first = string(text)
		}
		if string(text) != first {
			t.Errorf("in another order the trace is\n%s\ninstead of\n%s", text, first)
		}
	}
}

// lines generates what may stand in a record, in an order that need not make sense.
func lines(t *rapid.T) []record.Line {
	small := rapid.IntRange(0, 3)
	when := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(0, 40).Draw(t, "time")) * time.Microsecond
	})
	text := rapid.StringN(-1, 12, -1)
	state := rapid.SampledFrom([]record.State{
		record.StateOK, record.StateError, record.StatePanic, record.StateCrash, record.StateTimeout,
		record.StateCancelled, record.StateRefused, "new",
	})
	list := []record.Line{began}
	for range rapid.IntRange(0, 60).Draw(t, "lines") {
		start := when.Draw(t, "start")
		var l record.Line
		switch rapid.IntRange(0, 12).Draw(t, "type") {
		case 0:
			l = &record.Engine{
				Number: small.Draw(t, "engine"), Name: text.Draw(t, "name"),
				Kind: rapid.SampledFrom([]string{"threads", "async", "exec", ""}).Draw(t, "kind"), Limit: small.Draw(t, "limit"),
			}
		case 1:
			l = &record.Input{Number: small.Draw(t, "input"), Text: text.Draw(t, "text")}
		case 2:
			l = &record.Start{
				Start: start, Call: uint64(small.Draw(t, "call")), Engine: small.Draw(t, "engine"), Worker: small.Draw(t, "worker"),
				Attempt: small.Draw(t, "attempt"), Queued: when.Draw(t, "queued"),
			}
		case 3:
			l = &record.Retry{Time: start, Call: uint64(small.Draw(t, "call")), Delay: when.Draw(t, "delay")}
		case 4:
			l = &record.Worker{Time: start, Engine: small.Draw(t, "engine"), Number: small.Draw(t, "worker"), Up: rapid.Bool().Draw(t, "up"), Err: small.Draw(t, "error")}
		case 5:
			l = &record.Sample{Time: start, Running: small.Draw(t, "running"), Done: small.Draw(t, "done"), CPU: rapid.Float64Range(0, 64).Draw(t, "cpu")}
		case 6:
			l = &record.Mark{Time: start, Kind: text.Draw(t, "kind"), Text: text.Draw(t, "text"), Engine: small.Draw(t, "engine"), About: rapid.Bool().Draw(t, "about")}
		case 7:
			l = &record.Error{Number: small.Draw(t, "error"), Kind: state.Draw(t, "state"), Print: text.Draw(t, "print"), Text: text.Draw(t, "text")}
		default:
			l = &record.Span{
				Start: start, End: start + when.Draw(t, "wall"), Call: uint64(small.Draw(t, "call")), Engine: small.Draw(t, "engine"),
				Worker: small.Draw(t, "worker"), Input: small.Draw(t, "input"), Attempt: small.Draw(t, "attempt"), Queued: when.Draw(t, "queued"),
				Task: text.Draw(t, "task"), State: state.Draw(t, "state"), CPU: when.Draw(t, "cpu"), Err: small.Draw(t, "error"), Last: rapid.Bool().Draw(t, "last"),
			}
		}
		list = append(list, l)
	}
	return list
}

// Whatever a record holds, the trace is sound, lacks no attempt, and is the same when it
// had to be sorted in pieces.
func TestChromeAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := lines(t)
		rec := log(list...)
		text, tr := traceOf(t, rec, sortMemory)
		pieces, _ := traceOf(t, rec, 512)
		if !bytes.Equal(text, pieces) {
			t.Fatalf("sorted in pieces it is\n%s\nand else\n%s", pieces, text)
		}
		want, running := 0, make(map[run]bool)
		for _, l := range list {
			switch l := l.(type) {
			case *record.Start:
				running[run{l.Call, l.Attempt}] = true
			case *record.Span:
				delete(running, run{l.Call, l.Attempt})
				if l.State != record.StateRefused {
					want++
				}
			}
		}
		want += len(running)
		got := 0
		for _, e := range tr.TraceEvents {
			if e.Ph == "X" && e.Cat != "submit" {
				got++
			}
		}
		if got != want {
			t.Fatalf("the trace has %d attempts, the record %d\n%s", got, want, text)
		}
	})
}

func FuzzChrome(f *testing.F) {
	head := record.Append(nil, began)
	f.Add(bytes.TrimPrefix(sample(), head))
	f.Add([]byte(`{"type":"span","t":-5,"end":-9,"c":1,"e":-1,"w":-2,"i":-3,"a":1,"q":-1,"cpu":-4}` + "\n"))
	f.Add([]byte(`{"type":"span","t":9223372036854775,"end":9223372036854775,"c":1,"e":9999999999,"w":9999999999,"a":1,"cpu":9223372036854775}` + "\n"))
	f.Add([]byte("{\"type\":\"sample\",\"cpu\":1e400}\n{\"type\":\"mark\",\"kind\":\"\xff\",\"e\":4294967296}\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		traceOf(t, append(bytes.Clone(head), body...), sortMemory)
	})
}

func TestChromeErrors(t *testing.T) {
	if err := Chrome(io.Discard, reader(nil)); err == nil {
		t.Error("there is a trace of nothing")
	}
	if err := Chrome(&full{room: 100}, reader(sample())); !errors.Is(err, errFull) {
		t.Errorf("Chrome = %v, want %v", err, errFull)
	}
	broken := append(log(began), "{\"type\":\"span\",\"t\":[}\n"...)
	broken = append(broken, log(&record.Span{Start: at(1), End: at(2), Call: 1, Engine: 1, Attempt: 1, State: record.StateOK, Last: true})...)
	var b bytes.Buffer
	err := Chrome(&b, reader(broken))
	if s, ok := errors.AsType[*record.SyntaxError](err); !ok || s.Line != 2 {
		t.Errorf("Chrome = %v, want a SyntaxError of line 2", err)
	}
	tr, mistakes := validate(b.Bytes())
	if len(mistakes) > 0 || fmt.Sprint(tr.OtherData["lines_broken"]) != "1" || !strings.Contains(b.String(), `"ph":"X"`) {
		t.Errorf("the trace has %v, and is\n%s", mistakes, b.Bytes())
	}
}

var errFull = errors.New("full")

// full is a writer that has room for so many bytes.
type full struct{ room int }

func (w *full) Write(b []byte) (int, error) {
	if w.room -= len(b); w.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}
