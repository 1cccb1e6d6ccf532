package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid/internal/command"
	"github.com/go-braid/braid/internal/input"
	"github.com/go-braid/braid/internal/tracecontext"
)

// decoded is a line of --json as who reads it sees it.
type decoded struct {
	Seq      int
	Input    json.RawMessage
	OK       bool
	Result   json.RawMessage
	Error    string
	Attempts int
	WallS    float64 `json:"wall_s"`

	Command        []string
	Exit           *int
	Signal         string
	Stdout, Stderr string
	StdoutBytes    int64 `json:"stdout_bytes"`
	StderrBytes    int64 `json:"stderr_bytes"`
	Started        time.Time
	PID, Slot      int
	CPUS           float64 `json:"cpu_s"`
	UserS          float64 `json:"user_s"`
	SystemS        float64 `json:"system_s"`
	Traceparent    string
	MaxRSS         int64 `json:"max_rss_bytes"`
}

// records decodes the lines of --json, strictly.
func records(t *testing.T, out string) []decoded {
	t.Helper()
	var list []decoded
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	for {
		var r decoded
		if err := dec.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in %q", err, out)
		}
		list = append(list, r)
	}
	if lines := strings.Count(out, "\n"); lines != len(list) {
		t.Errorf("%d objects on %d lines", len(list), lines)
	}
	slices.SortFunc(list, func(a, b decoded) int { return a.Seq - b.Seq })
	return list
}

func TestJSONOfTasks(t *testing.T) {
	o := invoke(t, "", "run", "--json", "-q", "double", "4", "x", "<&>")
	o.want(t, exitFailed)
	rs := records(t, o.out)
	if len(rs) != 3 {
		t.Fatalf("%d records", len(rs))
	}
	r := rs[0]
	if r.Seq != 1 || string(r.Input) != `"4"` || !r.OK || string(r.Result) != "8" || r.Error != "" || r.Attempts != 1 || r.Exit != nil {
		t.Errorf("record %+v", r)
	}
	if r := rs[1]; r.OK || r.Result != nil || !strings.Contains(r.Error, "whole number") || r.Attempts != 0 || r.WallS != 0 {
		t.Errorf("record of an input that makes no sense: %+v", r)
	}
	if !strings.Contains(o.out, `"input":"<&>"`) {
		t.Errorf("input <&> is not written as it is: %s", o.out)
	}

	o = invoke(t, "", "run", "--json", "-q", "--retries", "3", "--backoff", "none", "flaky", t.TempDir()+"/file")
	o.want(t, exitOK)
	if r := records(t, o.out)[0]; r.Attempts != 3 || string(r.Result) != `"done"` {
		t.Errorf("record after two retries: %+v", r)
	}

	o = invoke(t, `{"name":"Ada"}`+"\n{oops\n", "run", "-k", "--json", "-q", "--ndjson", "greet")
	o.want(t, exitFailed)
	rs = records(t, o.out)
	if string(rs[0].Input) != `{"name":"Ada"}` || string(rs[0].Result) != `"Hello Ada"` {
		t.Errorf("record of an NDJSON input: %+v", rs[0])
	}
	if string(rs[1].Input) != "null" || rs[1].OK || !strings.Contains(rs[1].Error, "stdin:2: not valid JSON") {
		t.Errorf("record of an input that could not be read: %s, %+v", rs[1].Input, rs[1])
	}

	o = invoke(t, "name,city\nAda,Paris\n", "run", "--json", "-q", "--csv", "greet")
	o.want(t, exitOK)
	if r := records(t, o.out)[0]; string(r.Input) != `{"name":"Ada","city":"Paris"}` {
		t.Errorf("record of a CSV input: %s", r.Input)
	}
}

func TestJSONOfCommands(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("it needs the programs of Unix")
	}
	o := invoke(t, "", "run", "-k", "--json", "-q", "--", "sh", "-c", `printf 'out\377'; echo err >&2; exit "$1"`, "sh", ":::", "0", "7")
	o.want(t, exitFailed, "exit code 7: err")
	rs := records(t, o.out)
	if len(rs) != 2 {
		t.Fatalf("%d records", len(rs))
	}
	r := rs[0]
	if r.Exit == nil || rs[1].Exit == nil {
		t.Fatalf("record without a command: %s", o.out)
	}
	if !r.OK || *r.Exit != 0 || r.Stdout != "out�" || r.Stderr != "err\n" || r.Signal != "" || r.Result != nil {
		t.Errorf("record %+v", r)
	}
	if want := []string{"sh", "-c", `printf 'out\377'; echo err >&2; exit "$1"`, "sh", "0"}; !slices.Equal(r.Command, want) {
		t.Errorf("command %q, want %q", r.Command, want)
	}
	if r.StdoutBytes != 4 || r.StderrBytes != 4 || r.PID <= 0 || r.Slot < 1 || time.Since(r.Started) < 0 {
		t.Errorf("%d and %d bytes, process %d, slot %d, started at %v", r.StdoutBytes, r.StderrBytes, r.PID, r.Slot, r.Started)
	}
	if diff := r.CPUS - r.UserS - r.SystemS; math.Abs(diff) > 1e-9 {
		t.Errorf("CPU time %v, of which user %v and system %v", r.CPUS, r.UserS, r.SystemS)
	}
	if _, err := tracecontext.Parse(r.Traceparent); err != nil || r.Traceparent == rs[1].Traceparent {
		t.Errorf("spans %q and %q", r.Traceparent, rs[1].Traceparent)
	}
	if r.WallS <= 0 || r.CPUS <= 0 || r.MaxRSS < 100_000 {
		t.Errorf("wall %v s, CPU %v s, memory %d bytes", r.WallS, r.CPUS, r.MaxRSS)
	}
	if r := rs[1]; r.OK || *r.Exit != 7 || !strings.Contains(r.Error, "exit code 7") {
		t.Errorf("record %+v", r)
	}

	o = invoke(t, "", "run", "--json", "-q", "--", "sh", "-c", "kill -KILL $$", ":::", "x")
	if r := records(t, o.out)[0]; r.OK || r.Exit == nil || *r.Exit != -1 || r.Signal != "SIGKILL" {
		t.Errorf("record of a command that was killed: %s", o.out)
	}
	o = invoke(t, "", "run", "--json", "-q", "--", "{}", ":::", "/nonexistent")
	if r := records(t, o.out)[0]; r.OK || r.Exit == nil || *r.Exit != -1 || r.Stdout != "" || r.Command[0] != "/nonexistent" {
		t.Errorf("record of a command that was not started: %s", o.out)
	}
}

// The fields that "help json" documents are those that there are.
func TestJSONIsDocumented(t *testing.T) {
	o := invoke(t, "", "compare", "--json", "-q", "--rounds", "4", "double", "1", "2")
	o.want(t, exitOK)
	var rep map[string]any
	if err := json.Unmarshal([]byte(o.out), &rep); err != nil {
		t.Fatal(err)
	}
	keys := func(m map[string]any) string { return strings.Join(slices.Sorted(maps.Keys(m)), " ") }
	engines := rep["engines"].([]any)
	for _, c := range []struct{ got, want string }{
		{keys(rep), "engines failed identical inputs jobs rounds verdict"},
		{keys(engines[1].(map[string]any)), "cpu_s engine failed peak_rss_bytes speedup speedup_hi speedup_lo tasks tasks_per_s wall_s"},
		{keys(rep["verdict"].(map[string]any)), "engine why"},
	} {
		if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
			c.got = strings.ReplaceAll(c.got, "peak_rss_bytes ", "")
			c.want = strings.ReplaceAll(c.want, "peak_rss_bytes ", "")
		}
		if c.got != c.want {
			t.Errorf("fields %s, want %s", c.got, c.want)
		}
		for key := range strings.FieldsSeq(c.want) {
			if !strings.Contains(jsonText, `"`+key+`":`) {
				t.Errorf("%q is not in help json", key)
			}
		}
	}
	if rep["inputs"] != 2.0 || rep["rounds"] != 4.0 || rep["identical"] != true || engines[0].(map[string]any)["engine"] != "serial" {
		t.Errorf("report %s", o.out)
	}
	if lo, hi := engines[1].(map[string]any)["speedup_lo"].(float64), engines[1].(map[string]any)["speedup_hi"].(float64); !(0 < lo && lo <= hi) {
		t.Errorf("interval [%v, %v]", lo, hi)
	}
	for _, key := range []string{"seq", "input", "ok", "attempts", "wall_s", "result", "error", "command", "exit", "signal", "stdout", "stderr", "cpu_s", "max_rss_bytes"} {
		if !strings.Contains(jsonText, key) {
			t.Errorf("%s is not in help json", key)
		}
	}
}

func TestFailure(t *testing.T) {
	a := &app{name: "braid"}
	started := &command.StartError{Name: "convert", Err: command.ErrTooLong}
	for _, c := range []struct {
		input    string
		err      error
		attempts int
		want     string
	}{
		{"a.txt", errors.New("a.txt: is a directory"), 1, "braid: a.txt: is a directory"},
		{"x\ny", errors.New(`"x\ny": is bad`), 1, `braid: "x\ny": is bad`},
		{"a", errors.New("failed"), 1, "braid: a: failed"},
		{"1", errors.New("there are 12"), 3, "braid: 1: there are 12 (attempt 3)"},
		{"", errors.New("file:3: not valid JSON"), 0, "braid: file:3: not valid JSON"},
		{"x", &fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, 1, "braid: open x: no such file or directory"},
		{"y", &fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, 1, "braid: y: open x: no such file or directory"},
		{"1", &command.ExitError{Args: []string{"sh", "1"}, Code: 7}, 1, "braid: sh 1: exit code 7"},
		{"a.jpg", started, 1, "braid: a.jpg: cannot run convert: argument list too long"},
		{"convert", started, 1, "braid: cannot run convert: argument list too long"},
		{strings.Repeat("long", 100), errors.New("failed"), 1, "braid: " + strings.Repeat("long", 50) + "…: failed"},
		{"5", context.Canceled, 1, "braid: 5: context canceled"},
	} {
		got := a.failure(&result{item: input.Item{Text: c.input}, err: c.err, attempts: c.attempts})
		if got != c.want {
			t.Errorf("%q, %v: %q, want %q", c.input, c.err, got, c.want)
		}
	}
}

// After the first failure to write, nothing is written; failures are still told.
func TestPrinterFails(t *testing.T) {
	var talk bytes.Buffer
	prog, err := newProgress(progressNone, "braid", &talk, false)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	p := newPrinter(&app{name: "braid"}, failingWriter{full}, prog)
	p.print(&result{text: []byte("a")})
	p.flush()
	p.print(&result{text: []byte("b")})
	p.print(&result{err: errors.New("c failed")})
	p.print(&result{err: errTerminated, stopped: true})
	p.print(&result{err: errHalted, skipped: true})
	if p.err != full || talk.String() != "braid: c failed\n" {
		t.Errorf("error %v, said %q", p.err, talk.String())
	}
}

// A printer tells when a result has reached the reader without a flush, be it because there
// are too many or because a failure was told behind it.
func TestPrinterOverflows(t *testing.T) {
	prog, err := newProgress(progressNone, "braid", io.Discard, false)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := newPrinter(&app{name: "braid"}, &out, prog)
	for _, r := range []*result{
		{text: bytes.Repeat([]byte("a"), 100<<10)},
		{err: errors.New("failed")},
	} {
		p.print(&result{text: []byte("short")})
		if p.overflows() {
			t.Error("a short text overflows")
		}
		if p.print(r); !p.overflows() {
			t.Errorf("after %d bytes of text and the error %v, the result before was not seen to have gone", len(r.text), r.err)
		}
		if p.flush(); p.overflows() {
			t.Error("after a flush, there is something beyond it")
		}
	}
}

func TestOutputError(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		says string
	}{
		{syscall.EPIPE, 141, ""},
		{io.ErrClosedPipe, 141, ""},
		{syscall.ENOSPC, exitUsage, "make room"},
		{errors.New("odd"), exitUsage, "cannot write the results: odd"},
	} {
		e := outputError(c.err)
		if text := e.Error() + e.try; e.code != c.code || !strings.Contains(text, c.says) || (c.says == "") != (text == "") {
			t.Errorf("%v: code %d, %q, try %q", c.err, e.code, e.Error(), e.try)
		}
	}
}
