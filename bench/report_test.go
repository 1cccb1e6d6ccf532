package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// someResults are of two suites, with all that a report may have to cope with.
func someResults(t *testing.T) results {
	t.Helper()
	ten := func(v float64) func() ([]float64, error) {
		n := 0.0
		return func() ([]float64, error) {
			n++
			return []float64{v * (1 + n/1000), math.Trunc(v)}, nil
		}
	}
	c := benchCase{
		name: "work <of> all", warm: true,
		measures: []measure{{"time", inSeconds}, {"things", inMean}},
		braid:    candidate{name: "braid", run: ten(2)},
		peers: []candidate{
			{name: "slow & old", run: ten(4)},
			{name: "quick", run: ten(0.5)},
			{name: "equal", run: ten(2)},
			{name: "gone", absent: "install|it"},
		},
	}
	rows, left, err := c.measure(defaultRounds)
	if err != nil {
		t.Fatal(err)
	}
	c.braid.absent = "not yet"
	c.name = "another"
	without, more, err := c.measure(defaultRounds)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		rows[i].suite = "threading"
		without[i].suite = "command"
	}
	return results{
		machine: machine{CPU: "abacus", Cores: 2, Go: "go1", Modules: map[string]string{"example.com/peer": "v1.2.3"}, Absent: append(left, more...)},
		rows:    append(rows, without...),
	}
}

func TestJSON(t *testing.T) {
	found := someResults(t)
	var b bytes.Buffer
	if err := writeJSON(&b, found); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Machine map[string]any
		Rows    []map[string]any
	}
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields() // beside machine and rows
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Machine["cpu"] != "abacus" || got.Machine["modules"].(map[string]any)["example.com/peer"] != "v1.2.3" {
		t.Errorf("machine: %v", got.Machine)
	}
	if len(got.Rows) != 12 {
		t.Fatalf("%d rows, want 12", len(got.Rows))
	}
	want := []string{"suite", "case", "braid", "peer", "peer_value", "unit", "ratio", "lo", "hi"}
	for i, r := range got.Rows {
		for _, key := range want {
			if _, ok := r[key]; !ok {
				t.Errorf("row %d has no %q, only %q", i, key, slices.Sorted(maps.Keys(r)))
			}
		}
	}
	r := got.Rows[0]
	if r["suite"] != "threading" || r["case"] != "work <of> all, time" || r["peer"] != "slow & old" || r["unit"] != "s" || r["ratio"] != 0.5 || r["verdict"] != "faster" {
		t.Errorf("the first row is %v", r)
	}
	if n := len(r["braid_samples"].([]any)); n != defaultRounds {
		t.Errorf("%d rounds of braid, want %d", n, defaultRounds)
	}
	// 2 beside 0 things, and braid absent: neither is a number of JSON.
	if r := got.Rows[4]; r["peer"] != "quick" || r["ratio"] != nil || r["peer_value"] != 0.0 {
		t.Errorf("beside a peer that needs nothing: %v", r)
	}
	if r := got.Rows[6]; r["braid"] != nil || r["ratio"] != nil || r["lo"] != nil || r["peer_value"] == nil {
		t.Errorf("without braid: %v", r)
	}
}

func TestText(t *testing.T) {
	var b strings.Builder
	if err := writeText(&b, someResults(t).rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0.500  [0.500, 0.500]  faster", "no difference", "∞", "slower"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %q in\n%s", want, &b)
		}
	}
	for _, bad := range []string{"NaN", "Inf"} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("there is %q in\n%s", bad, &b)
		}
	}
}

func TestHTML(t *testing.T) {
	var b strings.Builder
	if err := writeHTML(&b, someResults(t)); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for want, times := range map[string]int{
		"<table>":                      4,
		"work &lt;of&gt; all, time":    2, // the caption, and the name of what scrolls
		"slow &amp; old":               4,
		`class="word">faster</td>`:     1,
		`class="word">slower</td>`:     1,
		"example.com/peer v1.2.3":      1,
		"prefers-color-scheme: dark":   1,
		`<h2>threading</h2>`:           1,
		`class="dot"`:                  3 + defaultRounds*(4+4+3+3), // three in the legend
		`<script`:                      0,
		"NaN":                          0,
		"ZgotmplZ":                     0, // what the template makes of what it takes for an attack
		"http":                         0, // it needs nothing else
		"<strong>2</strong> lines are": 1,
	} {
		if n := strings.Count(page, want); n != times {
			t.Errorf("%q is there %d times, want %d", want, n, times)
		}
	}
}

func TestMarkdownReplacesItsPlaceAlone(t *testing.T) {
	text := []byte("before\n" + markdownBegin + "old figures\n" + markdownEnd + "after\n")
	place, err := findPlace(text)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := place.writeMarkdown(&b, someResults(t)); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if !strings.HasPrefix(got, "before\n"+markdownBegin) || !strings.HasSuffix(got, markdownEnd+"after\n") || strings.Contains(got, "old figures") {
		t.Errorf("got\n%s", got)
	}
	for _, want := range []string{"- Processor: abacus\n", `install\|it`, "### threading\n", "| work &lt;of> all, time | 2.01s | 0 % | slow & old | 4.02s | 0 % | 0.500 | [0.500, 0.500] | faster |\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
	if _, err := findPlace([]byte("no place\n")); err == nil || !strings.Contains(err.Error(), "<!-- measured:") {
		t.Errorf("a text without a place: %v, want to be told what it lacks", err)
	}
}

func TestOutputsAreTriedBeforeAnythingIsMeasured(t *testing.T) {
	dir := t.TempDir()
	if _, err := (options{json: filepath.Join(dir, "none", "x.json")}).outputs(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	old := filepath.Join(dir, "old.html")
	if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	outs, err := options{html: old}.outputs()
	if err != nil || len(outs) != 1 {
		t.Fatalf("outputs: %v, %v", outs, err)
	}
	boom := errors.New("boom")
	failing := output{old, func(io.Writer, results) error { return boom }}
	if err := failing.write(results{}); !errors.Is(err, boom) {
		t.Errorf("a report that fails: %v", err)
	}
	if text, err := os.ReadFile(old); string(text) != "old" || err != nil {
		t.Errorf("the file is %q, %v; want what it was", text, err)
	}
	if err := outs[0].write(someResults(t)); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(old); !bytes.HasPrefix(text, []byte("<!doctype html>")) || err != nil {
		t.Errorf("the file is %.20q, %v; want a page", text, err)
	}
}

func TestDirectRequirements(t *testing.T) {
	got := directRequirements([]byte(`module m

go 1.26.0

replace a => ../

require single.example v1.0.0

require (
	one.example v1.0.0
	two.example/v2 v2.0.0 // with a comment
)

require (
	three.example v1.0.0 // indirect
)
`))
	want := []string{"one.example", "single.example", "two.example/v2"}
	if !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
		t.Errorf("direct: %v, want %v", got, want)
	}
	if m := peerModules(); m["golang.org/x/sync"] == "" || m["github.com/go-braid/braid"] != "" {
		t.Errorf("the modules of the peers are %v", m)
	}
}

func TestAxes(t *testing.T) {
	for name, a := range map[string]axis{
		"wide":    newLogAxis(300, []float64{1e-4, 1, 1e6}),
		"narrow":  newLogAxis(300, []float64{0.97, 1, 1.03}),
		"nothing": newLogAxis(300, []float64{math.NaN(), math.Inf(1), 0}),
		"linear":  newLinearAxis(300, 10, []float64{3, 47}),
		"bytes":   newLinearAxis(300, 1024, []float64{3000, 300_000}),
		"zero":    newLinearAxis(300, 10, []float64{0}),
	} {
		if n := len(a.ticks); n < 1 || n > mostTicks+1 {
			t.Errorf("%s: %d ticks: %v", name, n, a.ticks)
		}
		if !slices.IsSorted(a.ticks) {
			t.Errorf("%s: ticks %v are not sorted", name, a.ticks)
		}
		if a.at(a.lo) != inset || a.at(a.hi) != 300-inset || a.at(a.hi*1e9) != 300-inset {
			t.Errorf("%s: its ends are at %v and %v", name, a.at(a.lo), a.at(a.hi))
		}
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for _, c := range []struct {
		o    options
		want string
	}{
		{options{rounds: 2}, "at least 3 rounds"},
		{options{rounds: 0, short: true}, "at least 3 rounds"},
		{options{rounds: 10, suites: []string{"knitting"}}, `no suite "knitting"`},
	} {
		if err := c.o.run(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
}

func TestMachineKnowsEachPythonOnce(t *testing.T) {
	var m machine
	for _, v := range []string{"", "CPython 3.11.2", "CPython 3.11.20", "", "CPython 3.11.2"} {
		m.addPython(v)
	}
	if m.Python != "CPython 3.11.2, CPython 3.11.20" {
		t.Errorf("Python is %q", m.Python)
	}
	if m := thisMachine([]string{"-short", "threading"}); m.CPU == "" || m.Cores < 1 || m.Command != "go run -C bench . -short threading" {
		t.Errorf("this machine is %+v", m)
	}
}
