package webtest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid/dashboard"
	"github.com/go-braid/braid/record"
)

var ends = &record.Run{Schema: record.Schema, ID: "01JDQ6X9ZK8V3M5N7P9R1T3W5Y", Name: "ends", CPUs: 2}

// openRun opens the page of a run with these lines.
func openRun(t *testing.T, s screen, lines ...record.Line) *tab {
	t.Helper()
	m := dashboard.NewModel()
	m.Add(ends)
	for _, l := range lines {
		m.Add(l)
	}
	return openModel(t, s, m)
}

// openModel opens the page of a model, as one file.
func openModel(t *testing.T, s screen, m *dashboard.Model) *tab {
	t.Helper()
	name := filepath.Join(t.TempDir(), "run.html")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.WriteHTML(file), file.Close()); err != nil {
		t.Fatal(err)
	}
	p := open(t, s, "file://"+filepath.ToSlash(name))
	p.ready()
	p.settled()
	return p
}

func (p *tab) text(selector string) string {
	p.t.Helper()
	return eval[string](p, "document.querySelector("+`"`+selector+`"`+").innerText.replace(/\\s+/g, ' ')")
}

// Of a run that was stopped, what was never begun is no failure, is not said to be made
// good, and is on no lane.
func TestStoppedRun(t *testing.T) {
	const ms = time.Millisecond
	p := openRun(t, laptop,
		&record.Engine{Number: 1, Name: "threads", Kind: "threads", Limit: 1},
		&record.Error{Number: 1, Kind: record.StateRefused, Print: "aa", Text: "never begun"},
		&record.Span{Start: 1 * ms, End: 9 * ms, Call: 1, Engine: 1, Worker: 1, Attempt: 1, State: record.StateOK, Last: true},
		&record.Span{Start: 5 * ms, End: 5 * ms, Call: 2, Input: 1, Engine: 1, Attempt: 1, State: record.StateRefused, Err: 1, Last: true},
		&record.End{Time: 10 * ms, Verdict: "stopped", Exit: 130, OK: 1, Skipped: 1, Total: 2},
	)
	if tab := eval[string](p, "braid.tab.value"); tab != "slowest" {
		t.Errorf("it opens at %q", tab)
	}
	if text := p.text(".legend"); !strings.Contains(text, "1 not tried") {
		t.Errorf("it counts %q", text)
	}
	if n := eval[int](p, "braid.parts.timeline.rows().filter((r) => r.kind === 'slot').length"); n != 1 {
		t.Errorf("there are %d lanes, want that of the worker", n)
	}
	p.press("1")
	if text := p.text(".failures"); !strings.Contains(text, "– refused") || strings.Contains(text, "made good") {
		t.Errorf("the failures are %q", text)
	}
	p.press("3")
	if text := p.text(".tbody"); !strings.Contains(text, "refused") || strings.Count(text, "slot 1") != 1 {
		t.Errorf("the table is %q", text)
	}
}

// Of a run that died nothing is running.
func TestDiedRun(t *testing.T) {
	const ms = time.Millisecond
	path := filepath.Join(t.TempDir(), "events.ndjson")
	log := record.Append(nil, ends)
	log = record.Append(log, &record.Engine{Number: 1, Name: "threads", Kind: "threads", Limit: 1})
	log = record.Append(log, &record.Start{Start: 1 * ms, Call: 1, Engine: 1, Worker: 1, Attempt: 1})
	log = record.Append(log, &record.Sample{Time: 9 * ms, Running: 1, Queued: 3})
	if err := os.WriteFile(path, log, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := dashboard.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	p := openModel(t, laptop, m)
	p.press("3")
	for selector, want := range map[string]string{".legend": "1 unfinished", ".tbody": "unfinished"} {
		if text := p.text(selector); !strings.Contains(text, want) || strings.Contains(text, "running") {
			t.Errorf("%s is %q, want %q in it", selector, text, want)
		}
	}
}

// A comparison opens with its verdict, and its head fits a narrow screen.
func TestComparedRun(t *testing.T) {
	const ms = time.Millisecond
	var lines []record.Line
	for i, kind := range []string{"serial", "threads", "async", "processes"} {
		lines = append(lines, &record.Engine{Number: i + 1, Name: kind, Kind: kind, Limit: 2},
			&record.Span{Start: time.Duration(i) * ms, End: time.Duration(i+1) * ms, Call: uint64(i + 1), Engine: i + 1, Worker: 1, Attempt: 1, State: record.StateOK, Last: true})
	}
	lines = append(lines, &record.Mark{Time: 9 * ms, Kind: "engine", Text: "use threads: they are faster"}, &record.End{Time: 9 * ms, Verdict: "ok", OK: 1, Total: 1})
	p := openRun(t, phone, lines...)
	if text := p.text(".panel-advice"); !strings.Contains(text, "use threads: they are faster") {
		t.Errorf("the page opens with %q", text)
	}
	if text := eval[string](p, "braid.parts.timeline.strips()[0].text(0)"); !strings.HasSuffix(text, " / 2") {
		t.Errorf("so many run: %q; the engines work in turns, two at once each", text)
	}
	over := eval[string](p, `(() => {
		const tools = document.querySelector(".tools").getBoundingClientRect();
		return [...document.querySelectorAll(".engine")].filter((e) => e.getBoundingClientRect().right > tools.left && e.getBoundingClientRect().top < tools.bottom).map((e) => e.innerText).join();
	})()`)
	if over != "" {
		t.Errorf("%s lie over the tools", over)
	}
}
