package dashboard

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid/record"
)

// The model against the lines themselves, counted without any cleverness.
func TestModelCounts(t *testing.T) {
	s := tell(5000, 1)
	m := s.model()
	var want counts
	spans := 0
	faults := make(map[int]int)
	attempts := make(map[uint64]int)
	for _, l := range s.lines {
		span, ok := l.(*record.Span)
		if !ok {
			continue
		}
		spans++
		attempts[span.Call]++
		if span.Err != 0 {
			faults[(span.Err-1)/2]++ // the first two have one fingerprint
		}
		switch {
		case !span.Last:
		case span.OK() && span.Attempt == 1:
			want.OK++
		case span.OK():
			want.Retried++
		default:
			want.Failed++
		}
	}
	if got := m.counts; got != want {
		t.Errorf("counts are %+v, not %+v", got, want)
	}
	if m.rows.len() != spans || m.running != 0 || len(m.open) != 0 {
		t.Errorf("%d rows of %d spans, %d running, %d calls open", m.rows.len(), spans, m.running, len(m.open))
	}
	if len(m.faults) != 2 || m.faults[0].count != faults[0] || m.faults[1].count != faults[1] {
		t.Errorf("faults are %+v, not %v", m.faults, faults)
	}
	for i := range m.rows.len() {
		r := m.rows.at(i)
		if followed := r.state&stateRetried != 0; followed != (int(r.attempt) < attempts[uint64(r.call)]) {
			t.Fatalf("attempt %d of %d of call %d has state %d", r.attempt, attempts[uint64(r.call)], r.call, r.state)
		}
	}
}

// TestAttemptsOutOfOrder: the log may tell that a second attempt begins, and even that it
// has ended, before it tells of the end of the first.
func TestAttemptsOutOfOrder(t *testing.T) {
	const ms = time.Millisecond
	first := &record.Span{Start: 0, End: 5 * ms, Call: 7, Engine: 1, Worker: 1, Attempt: 1, State: record.StateError}
	second := &record.Span{Start: 6 * ms, End: 9 * ms, Call: 7, Engine: 1, Worker: 2, Attempt: 2, State: record.StateOK, Last: true}
	begun := &record.Start{Start: 6 * ms, Call: 7, Engine: 1, Worker: 2, Attempt: 2}
	for name, lines := range map[string][]record.Line{
		"begun": {begun, first, second},
		"ended": {second, first},
		"both":  {&record.Start{Start: 0, Call: 7, Engine: 1, Worker: 1, Attempt: 1}, begun, first, second},
	} {
		m := NewModel()
		for _, l := range append([]record.Line{theRun(), &record.Engine{Number: 1, Name: "threads", Kind: "threads"}}, lines...) {
			m.Add(l)
		}
		if m.rows.len() != 2 || m.running != 0 || len(m.open) != 0 || m.counts != (counts{Retried: 1}) {
			t.Errorf("%s: %d rows, %d run, %d are open, %+v", name, m.rows.len(), m.running, len(m.open), m.counts)
		}
		for i := range m.rows.len() {
			if r := m.rows.at(i); (r.state&stateRetried != 0) != (r.attempt == 1) {
				t.Errorf("%s: attempt %d has state %d", name, r.attempt, r.state)
			}
		}
	}
}

// overlaps finds spans of one lane that overlap.
func overlaps(m *Model) error {
	type span struct{ start, end float64 }
	lanes := make([][]span, len(m.lanes))
	for i := range m.rows.len() {
		r := m.rows.at(i)
		if math.IsNaN(r.end) {
			r.end = math.Inf(1)
		}
		for _, o := range lanes[r.lane] {
			if r.start < o.end && o.start < r.end {
				return fmt.Errorf("lane %d has %v–%v and %v–%v", r.lane, r.start, r.end, o.start, o.end)
			}
		}
		lanes[r.lane] = append(lanes[r.lane], span{r.start, r.end})
	}
	return nil
}

func TestLanes(t *testing.T) {
	s := tell(2000, 2)
	m := s.model()
	if err := overlaps(m); err != nil {
		t.Error(err)
	}
	if len(m.lanes) != 8 {
		t.Errorf("8 workers that do one thing at a time have %d lanes", len(m.lanes))
	}
	m.sort()
	if len(m.lanes) != 8 {
		t.Errorf("sorted, they have %d lanes", len(m.lanes))
	}
	downs := 0
	for i := range m.lanes {
		downs += len(m.lanes[i].downs)
	}
	if downs == 0 || downs != m.stats.crashes {
		t.Errorf("workers were away %d times, and crashed %d times", downs, m.stats.crashes)
	}
}

// Coroutines of one loop overlap. They get as many lanes as run at once, and no more,
// whatever the order in which the log tells of them.
func TestLanesOfLoop(t *testing.T) {
	for _, late := range []bool{false, true} {
		m := NewModel()
		m.Add(&record.Engine{Number: 1, Name: "loop", Kind: "async"})
		add := func(i int) {
			start := time.Duration(i) * ms
			m.Add(&record.Span{Start: start, End: start + 10*ms, Call: uint64(i), Engine: 1, Worker: 1, Attempt: 1, State: record.StateOK, Last: true})
		}
		const n = 1000
		for i := 0; i < n; i += 100 {
			for k := range 100 {
				if late {
					k = 99 - k
				}
				add(i + k)
			}
		}
		if err := overlaps(m); err != nil {
			t.Errorf("late %v: %v", late, err)
		}
		if !late && len(m.lanes) != 10 {
			t.Errorf("10 at once have %d lanes", len(m.lanes))
		}
		m.sort()
		if err := overlaps(m); err != nil {
			t.Errorf("late %v, sorted: %v", late, err)
		}
		if late && len(m.lanes) != 10 {
			t.Errorf("sorted, 10 at once have %d lanes", len(m.lanes))
		}
	}
}

// A log may say that an attempt runs before it tells of those before it.
func TestLaneStartBeforeEarlierSpans(t *testing.T) {
	m := NewModel()
	m.Add(&record.Engine{Number: 1, Name: "threads", Kind: "threads"})
	m.Add(&record.Start{Start: 100 * ms, Call: 9, Engine: 1, Worker: 1, Attempt: 1})
	for i := range 9 {
		start := time.Duration(i) * 10 * ms
		m.Add(&record.Span{Start: start, End: start + 10*ms, Call: uint64(i), Engine: 1, Worker: 1, Attempt: 1, State: record.StateOK, Last: true})
	}
	m.Add(&record.Span{Start: 100 * ms, End: 120 * ms, Call: 9, Engine: 1, Worker: 1, Attempt: 1, State: record.StateOK, Last: true})
	if len(m.lanes) != 1 {
		t.Errorf("one thread has %d lanes", len(m.lanes))
	}
	if err := overlaps(m); err != nil {
		t.Error(err)
	}
}

func TestSort(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100, 3000} {
		s := tell(n, 3)
		// One that takes the whole time is told of last.
		s.add(&record.Span{Start: 0, End: s.now(), Call: 1 << 20, Engine: 1, Worker: 9, Attempt: 1, State: record.StateOK, Last: true})
		m := s.model()
		m.sort()
		for i := 1; i < m.rows.len(); i++ {
			if m.rows.start.at(i) < m.rows.start.at(i-1) {
				t.Fatalf("of %d, row %d is before the one before it", n, i)
			}
		}
		if err := overlaps(m); err != nil {
			t.Error(err)
		}
		for i, f := range m.faults {
			if f.count > 0 && int(m.rows.fault.at(f.sample)) != i {
				t.Errorf("the sample of group %d is of group %d", i, m.rows.fault.at(f.sample))
			}
		}
	}
	// The other way round, which is as far as can be.
	m := NewModel()
	for i := 5000; i > 0; i-- {
		at := time.Duration(i) * ms
		m.Add(&record.Span{Start: at, End: at + ms, Call: uint64(i), Engine: 1, Worker: 1, Attempt: 1, State: record.StateOK, Last: true})
	}
	m.sort()
	for i := range m.rows.len() {
		if got := m.rows.start.at(i); got != float64(i+1)*1000 {
			t.Fatalf("row %d begins at %v", i, got)
		}
	}
}

// With more attempts than there is room, what tells most is kept, and it is said.
func TestCompact(t *testing.T) {
	s := tell(20_000, 4)
	m := NewModel()
	m.capacity = 4000
	broken, running := 0, 0
	s.add(&record.Start{Start: s.now(), Call: 1 << 21, Engine: 1, Worker: 1, Attempt: 1})
	for _, l := range s.lines {
		m.Add(l)
		if span, ok := l.(*record.Span); ok && !span.OK() {
			broken++
		}
	}
	if m.rows.len() > m.capacity || m.shed == 0 {
		t.Fatalf("%d rows, %d let go", m.rows.len(), m.shed)
	}
	kept, longest := 0, 0.0
	for i := range m.rows.len() {
		r := m.rows.at(i)
		if r.state&^stateRetried != stateOK && r.state != stateRunning {
			kept++
		}
		if r.state == stateRunning {
			running++
		} else {
			longest = max(longest, r.end-r.start)
		}
	}
	if kept != broken || running != 1 {
		t.Errorf("%d failures of %d are kept, and %d that run", kept, broken, running)
	}
	if top := m.stats.longest.rows[0]; longest != top.end-top.start {
		t.Errorf("the longest is gone: %v, not %v", longest, top.end-top.start)
	}
	if n := m.counts.ended(); n != 20_000 {
		t.Errorf("counts are of %d calls", n)
	}
	d := picture(t, m)
	if tr := d.head.Truncated; tr == nil || tr.Shown != m.rows.len() || tr.Of != m.rows.len()+m.shed {
		t.Errorf("it is not said that spans are left out: %+v", tr)
	}
	var b bytes.Buffer
	if err := m.Draw(&b, Drawing{}); err != nil || !strings.Contains(b.String(), "Shown are ") {
		t.Errorf("the drawing does not say it: %v\n%s", err, b.String())
	}
	// If all tell something, the newest are kept.
	m = NewModel()
	m.capacity = 100
	for i := range 1000 {
		at := time.Duration(i) * ms
		m.Add(&record.Span{Start: at, End: at + ms, Call: uint64(i), Engine: 1, Worker: 1, Attempt: 1, State: record.StateError, Last: true})
	}
	if n := m.rows.len(); n > 100 || m.rows.start.at(n-1) != 999_000 {
		t.Errorf("%d rows", n)
	}
	if m.faults[0].count != 1000 {
		t.Errorf("%d failures are counted", m.faults[0].count)
	}
}

// The end of a run is void if something follows: the run went on.
func TestEndThatIsNone(t *testing.T) {
	s := tell(10, 5).end()
	s.one(10)
	m := s.model()
	if m.end != nil || m.state() != "running" {
		t.Errorf("it is %s with the end %+v", m.state(), m.end)
	}
	s.end()
	if m = s.model(); m.state() != "ended" {
		t.Errorf("it is %s", m.state())
	}
	m.watched = true
	if m.state() != "running" {
		t.Errorf("with its writer there, it is %s", m.state())
	}
}

// Numbers that a log should not have do no harm.
func TestStrangeNumbers(t *testing.T) {
	m := NewModel()
	for _, n := range []int{1 << 40, -5, 0, 1, 3, 70, 1 << 30} {
		m.Add(&record.Input{Number: n, Text: fmt.Sprint("input ", n)})
		m.Add(&record.Error{Number: n, Kind: "odd", Print: "x", Text: fmt.Sprint("error ", n)})
		m.Add(&record.Span{Call: uint64(n), Engine: n, Worker: n, Input: n, Attempt: n, State: "odd", Err: n, Last: true})
		m.Add(&record.Worker{Engine: n, Number: n})
	}
	for _, n := range []int{1 << 40, -5, 0, 1, 3, 70, 1 << 30} {
		if s, _, _ := m.inputText.get(m.input.get(n)); s != fmt.Sprint("input ", n) {
			t.Errorf("input %d is %q", n, s)
		}
	}
	if s, _, ok := m.inputText.get(m.input.get(2)); ok {
		t.Errorf("input 2 is %q", s)
	}
	picture(t, m)
	m.sort()
	if err := m.Draw(&bytes.Buffer{}, Drawing{}); err != nil {
		t.Error(err)
	}
	if m.counts.Failed != 7 {
		t.Errorf("a state that is not known counts as a failure: %+v", m.counts)
	}
}

func TestTooMany(t *testing.T) {
	m := NewModel()
	for i := range maxFaults + 10 {
		m.Add(&record.Error{Number: i + 1, Kind: record.StateError, Print: fmt.Sprint(i), Text: fmt.Sprint("error ", i)})
		m.Add(&record.Span{Call: uint64(i), Engine: 1, Attempt: 1, State: record.StateError, Err: i + 1, Last: true})
	}
	if n := len(m.faults); n != maxFaults+1 || m.faults[n-1].count != 10 {
		t.Errorf("%d groups, the last with %d", n, m.faults[n-1].count)
	}
	for i := range maxTasks + 10 {
		m.Add(&record.Span{Call: uint64(i), Engine: 1, Attempt: 1, State: record.StateOK, Last: true, Task: fmt.Sprint(i)})
	}
	if got := m.tasks[m.rows.task.at(m.rows.len()-1)]; got != "others" {
		t.Errorf("the last task is %q", got)
	}
	for i := range maxMarks + 5 {
		m.Add(&record.Mark{Time: time.Duration(i), Kind: "slow"})
	}
	if len(m.marks) != maxMarks || m.lostMarks != 5 {
		t.Errorf("%d marks, %d lost", len(m.marks), m.lostMarks)
	}
	for i := range 3 * maxSamples {
		m.Add(&record.Sample{Time: time.Duration(i) * ms})
	}
	if n := len(m.samples); n >= maxSamples || m.samples[1].Time-m.samples[0].Time != m.samples[n-1].Time-m.samples[n-2].Time {
		t.Errorf("%d samples, first %v and last %v apart", n, m.samples[1].Time-m.samples[0].Time, m.samples[n-1].Time-m.samples[n-2].Time)
	}
	if a := adviceOf(m, "omitted"); a == "" {
		t.Error("it is not said that marks are left out")
	}
}

func adviceOf(m *Model, code string) string {
	for _, a := range m.advise() {
		if a.Code == code {
			return a.Text
		}
	}
	return ""
}

// What a million attempts take in memory, which the documentation states.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it folds a million lines")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 1_000_000
	m := NewModel()
	input, span := &record.Input{}, &record.Span{Engine: 1, Attempt: 1, State: record.StateOK, Last: true, Task: "task"}
	for i := range n {
		input.Number, input.Text = i, fmt.Sprintf("input-%09d.txt", i)
		m.Add(input)
		at := time.Duration(i) * ms
		span.Start, span.End, span.Call, span.Input, span.Worker = at, at+15*ms, uint64(i), i, 1+i%16
		m.Add(span)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	took := after.HeapAlloc - before.HeapAlloc
	t.Logf("%d attempts take %.1f MB", n, float64(took)/1e6)
	if took > 110_000_000 {
		t.Errorf("%d attempts take %d bytes", n, took)
	}
	runtime.KeepAlive(m)
}

func TestAdvice(t *testing.T) {
	spans := func(n int, kind string, limit int, change func(i int, s *record.Span)) *Model {
		m := NewModel()
		m.Add(theRun())
		m.Add(&record.Engine{Number: 1, Name: kind, Kind: kind, Limit: limit})
		for i := range n {
			at := time.Duration(i/max(limit, 1)) * 10 * ms
			s := &record.Span{
				Start: at, End: at + 10*ms, Call: uint64(i + 1), Engine: 1, Worker: 1 + i%max(limit, 1), Input: i, Attempt: 1,
				Task: "work", State: record.StateOK, Last: true,
			}
			if change != nil {
				change(i, s)
			}
			m.Add(s)
		}
		return m
	}
	for _, c := range []struct {
		code string
		m    func() *Model
		want string
	}{
		{"crash-loop", func() *Model {
			return spans(40, "processes", 2, func(i int, s *record.Span) {
				if i%5 == 0 {
					s.State = record.StateCrash
				}
			})
		}, "8 times"},
		{"retry-storm", func() *Model {
			m := spans(20, "threads", 2, nil)
			for range 15 {
				m.Add(&record.Retry{})
			}
			return m
		}, "15 retries"},
		{"guard", func() *Model {
			m := spans(20, "threads", 2, nil)
			m.Add(&record.Mark{Kind: "guard", Text: "memory is low"})
			return m
		}, "once: memory is low"},
		{"dropped", func() *Model {
			m := spans(20, "threads", 2, nil)
			m.Add(&record.Dropped{Events: 17, Why: "no space left on device"})
			return m
		}, "17 events (no space left on device)"},
		{"loop-held", func() *Model {
			return spans(20, "async", 1, func(i int, s *record.Span) {
				if i == 7 {
					s.CPU = 80 * ms
				}
			})
		}, "work kept the loop to itself for 80ms"},
		{"engine", func() *Model {
			return spans(20, "async", 1, func(_ int, s *record.Span) { s.CPU = 9 * ms })
		}, "90 %"},
		{"engine", func() *Model {
			return spans(20, "serial", 1, func(_ int, s *record.Span) { s.CPU = 9 * ms })
		}, "there are 4 processors"},
		{"engine", func() *Model {
			return spans(200, "exec", 4, func(_ int, s *record.Span) { s.CPU = ms / 10 })
		}, "1 %"},
		{"oversubscribed", func() *Model {
			return spans(320, "threads", 32, func(_ int, s *record.Span) { s.CPU = 13 * ms / 10 })
		}, "32 at once share 4 processors"},
		{"idle", func() *Model {
			m := spans(40, "threads", 4, func(_ int, s *record.Span) { s.End = s.Start + 2*ms })
			m.Add(&record.Sample{})
			return m
		}, "too slowly"},
		{"idle", func() *Model {
			return spans(40, "threads", 4, func(i int, s *record.Span) {
				if i%4 != 0 {
					s.End = s.Start + 2*ms
				}
			})
		}, "very different length"},
		{"straggler", func() *Model {
			m := spans(40, "threads", 4, func(i int, s *record.Span) {
				if i == 39 {
					s.End += 500 * ms
				}
			})
			m.Add(&record.End{Time: time.Second, Verdict: "ok"})
			return m
		}, "input 40 took 510ms"},
		{"batch", func() *Model {
			return spans(2000, "processes", 2, func(_ int, s *record.Span) { s.End = s.Start + 20*time.Microsecond })
		}, "take 21µs at the median"},
	} {
		if got := adviceOf(c.m(), c.code); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q lacks %q", c.code, got, c.want)
		}
	}
	// All is well: nothing is said.
	m := spans(400, "threads", 4, func(_ int, s *record.Span) { s.CPU = 9 * ms })
	m.Add(&record.End{Time: time.Second, Verdict: "ok", OK: 400, Total: 400})
	if a := m.advise(); len(a) != 0 {
		t.Errorf("a good run gets the advice %+v", a)
	}
	// What the log says comes first.
	m.Add(&record.Advice{Code: "straggler", Text: "as the run says", Try: "-j 2"})
	if got := adviceOf(m, "straggler"); got != "as the run says" {
		t.Errorf("the advice of the log is %q", got)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := range 100_000 {
		h.add(float64(i))
	}
	for _, q := range []float64{0, 0.01, 0.5, 0.95, 1} {
		if got, want := h.quantile(q), q*99_999; math.Abs(got-want) > 0.13*want+1 {
			t.Errorf("quantile %v is %v, not %v", q, got, want)
		}
	}
	h.add(math.MaxUint64)
	h.add(-1)
}

// What never ran is on no lane of its own and no failure, and a worker whose place another
// one has taken is away to the end, but not those that leave when all is done.
func TestLanesOfTheEnd(t *testing.T) {
	const ms = time.Millisecond
	m := NewModel()
	for _, l := range []record.Line{
		theRun(), &record.Engine{Number: 1, Name: "processes", Kind: "processes", Limit: 1},
		&record.Error{Number: 1, Kind: record.StateCrash, Print: "aa", Text: "it died"},
		&record.Error{Number: 2, Kind: record.StateRefused, Print: "bb", Text: "never begun"},
		&record.Span{Start: 1 * ms, End: 5 * ms, Call: 1, Engine: 1, Worker: 1, Attempt: 1, State: record.StateCrash, Err: 1, Last: true},
		&record.Worker{Time: 5 * ms, Engine: 1, Number: 1, Err: 1},
		&record.Span{Start: 6 * ms, End: 9 * ms, Call: 2, Engine: 1, Worker: 2, Attempt: 1, State: record.StateOK, Last: true},
		&record.Span{Start: 9 * ms, End: 9 * ms, Call: 3, Engine: 1, Attempt: 1, State: record.StateRefused, Err: 2, Last: true},
		&record.Worker{Time: 9 * ms, Engine: 1, Number: 2},
		&record.End{Time: 10 * ms, Verdict: "stopped", Exit: 130, OK: 1, Failed: 1, Skipped: 1, Total: 3},
	} {
		m.Add(l)
	}
	check := func(when string) {
		if len(m.lanes) != 2 {
			t.Fatalf("%s: there are %d lanes, want those of two workers", when, len(m.lanes))
		}
		if got := m.downs(&m.lanes[0]); len(got) != 1 || got[0] != [2]float64{5000, 10_000} {
			t.Errorf("%s: the worker that died was away at %v", when, got)
		}
		if got := m.downs(&m.lanes[1]); len(got) != 0 {
			t.Errorf("%s: the worker that was left was away at %v", when, got)
		}
	}
	check("as it was told")
	m.repack()
	check("packed anew")
	var b strings.Builder
	if err := m.Draw(&b, Drawing{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "it died") || strings.Contains(b.String(), "never begun") {
		t.Errorf("of the failures it draws\n%s", b.String())
	}
}

// Of engines that work in turns none is idle for want of anything, and what the comparison
// has found is said.
func TestAdviceOfAComparison(t *testing.T) {
	const us = time.Microsecond
	m := NewModel()
	m.Add(theRun())
	for e, kind := range []string{"threads", "processes"} {
		m.Add(&record.Engine{Number: e + 1, Name: kind, Kind: kind, Limit: 2})
	}
	for i := range 4000 {
		start := time.Duration(i) * 100 * us
		m.Add(&record.Span{Start: start, End: start + 20*us, Call: uint64(i + 1), Input: i, Engine: 1 + i/100%2, Worker: 1 + i%2, Attempt: 1, State: record.StateOK, Last: true})
	}
	m.Add(&record.Mark{Time: time.Second, Kind: "engine", Text: "use threads: it is faster"})
	m.Add(&record.End{Time: time.Second, Verdict: "ok", OK: 2000, Total: 2000})
	if got := m.advise(); len(got) != 1 || got[0].Code != "engine" || got[0].Text != "use threads: it is faster" {
		t.Errorf("the advice is %+v", got)
	}
}

// TestTotal: how many inputs there are is known from the samples while the run goes on, and from
// its end then.
func TestTotal(t *testing.T) {
	m := NewModel()
	for _, c := range []struct {
		line record.Line
		want int
	}{
		{&record.Sample{Time: 1}, 0},
		{&record.Sample{Time: 2, Total: 40}, 40},
		{&record.Sample{Time: 3, Total: 50}, 50},
		{&record.End{Time: 4, Total: 45}, 45},
	} {
		m.Add(c.line)
		if got := m.inputsHead().Total; got != c.want {
			t.Errorf("after %+v there are %d inputs; want %d", c.line, got, c.want)
		}
	}
}
