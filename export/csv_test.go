package export

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/go-braid/braid/record"
)

func tableOf(t interface {
	Helper()
	Fatalf(string, ...any)
}, rec []byte, cfg CSVConfig) ([]byte, [][]string) {
	t.Helper()
	var b bytes.Buffer
	if err := CSV(&b, reader(rec), cfg); err != nil {
		t.Fatalf("CSV = %v", err)
	}
	rows, err := csv.NewReader(bytes.NewReader(b.Bytes())).ReadAll()
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.Bytes())
	}
	return b.Bytes(), rows
}

func TestCSV(t *testing.T) {
	text, _ := tableOf(t, sample(), CSVConfig{})
	golden(t, "spans.csv", text)
}

// The documentation names the columns in their order.
func TestCSVColumns(t *testing.T) {
	_, rows := tableOf(t, log(began), CSVConfig{})
	if len(rows) != 1 || !slices.Equal(rows[0], columns) {
		t.Errorf("a record without attempts has the rows %q", rows)
	}
}

func TestCSVSpreadsheet(t *testing.T) {
	item := func(text string, cfg CSVConfig) string {
		_, rows := tableOf(t, log(began, &record.Input{Number: 1, Text: text},
			&record.Span{Start: at(1), End: at(2), Input: 1, Attempt: 1, State: record.StateOK, Last: true}), cfg)
		return rows[1][slices.Index(columns, "item")]
	}
	for _, text := range []string{`=HYPERLINK("x")`, "+1", "-1", "@SUM(A1)", "\t=1", "\n=1"} {
		if got := item(text, CSVConfig{Spreadsheet: true}); got != "'"+text {
			t.Errorf("%q becomes %q", text, got)
		}
		if got := item(text, CSVConfig{}); got != text {
			t.Errorf("%q becomes %q without protection", text, got)
		}
	}
	for _, text := range []string{"a.txt", "1=1", "", "'=1"} {
		if got := item(text, CSVConfig{Spreadsheet: true}); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

// What goes in comes out again, whatever the texts are.
func TestCSVRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab \",;\r\n\t'=é\x00"))).Draw(t, "text")
		s := &record.Span{
			Start: at(rapid.Float64Range(1, 9).Draw(t, "start")), Queued: at(0.5), Call: rapid.Uint64Range(1, 99).Draw(t, "call"), Engine: 1,
			Worker: rapid.IntRange(0, 9).Draw(t, "worker"), Input: rapid.IntRange(0, 9).Draw(t, "input"), Attempt: 2, Task: text,
			State: record.StateError, Err: 1, CPU: at(rapid.Float64Range(0, 9).Draw(t, "cpu")), Last: rapid.Bool().Draw(t, "last"),
		}
		s.End = s.Start + at(rapid.Float64Range(0, 9).Draw(t, "wall"))
		rec := log(began, &record.Engine{Number: 1, Name: text, Kind: "threads"}, &record.Input{Number: s.Input, Text: text},
			&record.Error{Number: 1, Kind: record.StateError, Text: text, Print: "00"}, s)
		_, rows := tableOf(t, rec, CSVConfig{})
		if len(rows) != 2 {
			t.Fatalf("%d rows", len(rows))
		}
		field := func(name string) string { return rows[1][slices.Index(columns, name)] }
		number := func(name string) int64 {
			if field(name) == "" {
				return 0
			}
			n, err := strconv.ParseInt(field(name), 10, 64)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return n
		}
		plain := strings.ReplaceAll(text, "\r\n", "\n") // as package csv reads it
		for _, name := range []string{"item", "task", "engine", "error"} {
			if field(name) != plain {
				t.Errorf("%s is %q, want %q", name, field(name), plain)
			}
		}
		for name, want := range map[string]int64{
			"call": int64(s.Call), "attempt": 2, "input": int64(s.Input), "worker": int64(s.Worker),
			"start_us": µs(s.Start), "end_us": µs(s.End), "wall_us": µs(s.End) - µs(s.Start),
			"wait_us": µs(s.Start) - µs(s.Queued), "cpu_us": µs(s.CPU),
		} {
			if got := number(name); got != want {
				t.Errorf("%s is %d, want %d", name, got, want)
			}
		}
		if field("last") != strconv.FormatBool(s.Last) || field("state") != "error" {
			t.Errorf("the row is %q", rows[1])
		}
	})
}

// Line ends inside of fields stay as they are.
func TestCSVLineEnds(t *testing.T) {
	text, _ := tableOf(t, log(began, &record.Input{Text: "a\rb\nc\r\nd"},
		&record.Span{Start: at(1), End: at(2), Attempt: 1, State: record.StateOK, Last: true}), CSVConfig{})
	if !strings.Contains(string(text), "\"a\rb\nc\r\nd\"") {
		t.Errorf("the table is %q", text)
	}
}

func TestCSVErrors(t *testing.T) {
	if err := CSV(&full{}, reader(sample()), CSVConfig{}); !errors.Is(err, errFull) {
		t.Errorf("CSV = %v", err)
	}
	if err := CSV(io.Discard, reader([]byte("{}")), CSVConfig{}); !errors.Is(err, record.ErrNoLog) {
		t.Errorf("CSV = %v", err)
	}
	broken := append(log(began), "{\n"...)
	err := CSV(io.Discard, reader(broken), CSVConfig{})
	if _, ok := errors.AsType[*record.SyntaxError](err); !ok {
		t.Errorf("CSV = %v, want a SyntaxError", err)
	}
}
