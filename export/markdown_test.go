package export

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/go-braid/braid/record"
)

func reportOf(t interface {
	Helper()
	Fatalf(string, ...any)
}, rec []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := Markdown(&b, reader(rec)); err != nil {
		t.Fatalf("Markdown = %v", err)
	}
	return b.String()
}

func TestMarkdown(t *testing.T) { golden(t, "report.md", []byte(reportOf(t, sample()))) }

func TestMarkdownVerdict(t *testing.T) {
	for _, c := range []struct {
		end  *record.End
		want string
	}{
		{&record.End{Verdict: "ok", OK: 1, Total: 1}, "# sha256: ok, 1 input\n"},
		{&record.End{Verdict: "failed", OK: 1200, Failed: 34, Total: 1234}, "# sha256: failed, 34 of 1,234 inputs\n"},
		{&record.End{Verdict: "stopped", OK: 1, Stopped: 2, Skipped: 3, Total: 6}, "# sha256: stopped, 5 of 6 inputs were not done\n"},
		{&record.End{Verdict: "odd*"}, "# sha256: `odd*`\n"},
		{nil, "# sha256: unfinished: "},
	} {
		lines := []record.Line{began}
		if c.end != nil {
			lines = append(lines, c.end)
		}
		if got := reportOf(t, log(lines...)); !strings.HasPrefix(got, c.want) {
			t.Errorf("the report of %+v begins %q, want %q", c.end, got[:min(len(got), 80)], c.want)
		}
	}
}

// A thousand failures of two kinds are two lines, and the more frequent one comes first.
func TestMarkdownFailures(t *testing.T) {
	lines := []record.Line{began,
		&record.Error{Number: 1, Kind: record.StateError, Print: "aaaa", Text: "rare"},
		&record.Error{Number: 2, Kind: record.StateError, Print: "bbbb", Text: "open x1"},
		&record.Error{Number: 3, Kind: record.StateError, Print: "bbbb", Text: "open x2"},
		&record.Span{Start: at(1), End: at(2), Call: 1, Attempt: 1, State: record.StateError, Err: 1, Last: true},
	}
	for i := range 999 {
		lines = append(lines,
			&record.Span{Start: at(3), End: at(4), Call: uint64(2 + i), Input: i, Attempt: 1, State: record.StateError, Err: 2 + i%2},
			&record.Span{Start: at(5), End: at(6), Call: uint64(2 + i), Input: i, Attempt: 2, State: record.StateError, Err: 2 + i%2, Last: true})
	}
	got := reportOf(t, log(lines...))
	_, failures, _ := strings.Cut(got, "## Failures\n\n")
	failures, _, _ = strings.Cut(failures, "\n\n")
	want := "- **999×** (and 999× before a retry) error `open x1`, from 4.0ms to 6.0ms; such as input 0; fingerprint `bbbb`\n" +
		"- **1×** error `rare`, at 2.0ms; such as input 0; fingerprint `aaaa`"
	if failures != want {
		t.Errorf("the failures are\n%s\nwant\n%s", failures, want)
	}
}

// Many kinds of failures, much advice and many slow attempts still fit on a screen.
func TestMarkdownIsShort(t *testing.T) {
	lines := []record.Line{began}
	for i := range 500 {
		lines = append(lines,
			&record.Error{Number: i + 1, Kind: record.StateError, Print: string(rune('a' + i)), Text: strings.Repeat("x\n", 900)},
			&record.Input{Number: i, Text: strings.Repeat("long ", 800)},
			&record.Advice{Code: "much", Text: "advice"},
			&record.Span{Start: at(1), End: at(float64(2 + i)), Call: uint64(i + 1), Input: i, Attempt: 1, State: record.StateError, Err: i + 1, Last: true})
	}
	got := reportOf(t, log(lines...))
	if n := strings.Count(got, "\n"); n > 50 || len(got) > 10_000 {
		t.Errorf("the report has %d lines and %d bytes:\n%s", n, len(got), got)
	}
	for _, want := range []string{"- and 490 kinds more\n", "- and 495 lines more\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, got)
		}
	}
}

// evil are texts that would be something else than text.
var evil = []string{
	"`", "``", "a`b", "` x `", " x ", "\n# heading", "\r\n\r\n<script>alert(1)</script>", "| a | b |", "a\\|b", "\\`", "@everyone", "#1",
	"[x](http://example.org)", "![](x)", "<!--", "-->", "www.example.org", "http://example.org", "~~~", "```\n", "*b*", "_b_", "&lt;", "$x$",
	"\u202egnp.exe", "\u2028", "\x00\x1b[31m", "a\u00a0b", ":smile:", "1. x", "- x", " ", "\ufffd", strings.Repeat("`", 500), strings.Repeat("é", 500),
}

// Without its code spans, a report has nothing that a text could have put there.
func TestMarkdownInjection(t *testing.T) {
	for _, text := range evil {
		everywhere(t, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		everywhere(t, strings.Join(rapid.SliceOfN(rapid.SampledFrom(evil), 1, 5).Draw(t, "texts"), ""))
	})
}

// everywhere checks the report of a record in which text stands wherever one can.
func everywhere(t interface {
	Helper()
	Fatalf(string, ...any)
	Errorf(string, ...any)
}, text string) {
	t.Helper()
	if plain(text) {
		return // see TestProse
	}
	doc := func(text string) string {
		run := *began
		run.ID, run.Name, run.Host, run.Braid, run.OS, run.Args, run.Parent = text, text, text, text, text, []string{text}, text
		return reportOf(t, log(&run,
			&record.Engine{Number: 1, Name: text, Kind: text, Limit: 2, Why: text},
			&record.Input{Number: 0, Text: text},
			&record.Error{Number: 1, Kind: record.State(text), Print: text, Text: text},
			&record.Span{Start: at(1), End: at(2), Call: 1, Engine: 1, Worker: 1, Attempt: 1, Task: text, State: record.StateError, Err: 1, Last: true},
			&record.Span{Start: at(1), End: at(2), Call: 1, Engine: 1, Worker: 2, Attempt: 1, Task: text, State: record.State(text + "!"), Err: 1, Last: true},
			&record.Advice{Code: text, Text: text, Try: text},
			&record.End{Verdict: text + "!"},
		))
	}
	if got, want := skeleton(doc(text)), skeleton(doc("ha!")); got != want {
		t.Fatalf("%q changes the report:\n%s\ninstead of\n%s", text, doc(text), want)
	}
}

// skeleton returns a document with TEXT for its code spans, which are, as CommonMark has
// it, what stands between a run of backticks and the next one of the same length.
func skeleton(doc string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(doc, "\n") {
		for {
			i := strings.IndexByte(line, '`')
			if i < 0 {
				break
			}
			n := len(line[i:]) - len(strings.TrimLeft(line[i:], "`"))
			end := i + n
			for {
				j := strings.IndexByte(line[end:], '`')
				if j < 0 {
					end = -1
					break
				}
				end += j
				run := len(line[end:]) - len(strings.TrimLeft(line[end:], "`"))
				end += run
				if run == n {
					break
				}
			}
			if end < 0 {
				break // no span: the backticks are text
			}
			b.WriteString(line[:i] + "TEXT")
			line = line[end:]
		}
		b.WriteString(line + "\n")
	}
	return strings.ReplaceAll(b.String(), "(empty)", "TEXT")
}

func TestProse(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"one attempt holds the end: 10 × the median (4.2 s), 3 %", 99, "one attempt holds the end: 10 × the median (4.2 s), 3 %"},
		{"a:b:", 9, "`a:b:`"},
		{"www.x", 9, "`www.x`"},
		{"1. x", 9, "`1. x`"},
		{"- x", 9, "`- x`"},
		{"=x", 9, "`=x`"},
		{"a@b", 9, "`a@b`"},
		{"", 9, "(empty)"},
		{" a", 9, "` a`"},
		{"too long", 3, "`too…`"},
		{"`", 9, "`` ` ``"},
		{"a``b", 9, "```a``b```"},
		{"a\nb", 9, "`a\\nb`"},
		{"\u202eb", 9, "`\\u202eb`"},
	} {
		if got := prose(c.in, c.n); got != c.want {
			t.Errorf("prose(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestMarkdownErrors(t *testing.T) {
	if err := Markdown(&full{}, reader(sample())); !errors.Is(err, errFull) {
		t.Errorf("Markdown = %v", err)
	}
	if err := Markdown(io.Discard, reader([]byte("x\n"))); !errors.Is(err, record.ErrNoLog) {
		t.Errorf("Markdown = %v", err)
	}
	var b bytes.Buffer
	err := Markdown(&b, reader(append(log(began), "{\n{\n"...)))
	if _, ok := errors.AsType[*record.SyntaxError](err); !ok || !strings.Contains(b.String(), "**The record is damaged, 2 lines cannot be read**") {
		t.Errorf("Markdown = %v, with\n%s", err, b.String())
	}
}

// Quantiles are right to a part in 64.
func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SliceOfN(rapid.Int64Range(0, 1<<rapid.IntRange(1, 50).Draw(t, "bits")), 1, 200).Draw(t, "µs")
		var q quantiles
		for _, d := range n {
			q.add(time.Duration(d) * time.Microsecond)
		}
		sorted := slices.Sorted(slices.Values(n))
		for _, p := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
			want := sorted[max(int(math.Ceil(p*float64(len(n)))), 1)-1]
			got := µs(q.at(p))
			if diff := got - want; diff > want/64 || -diff > want/64 {
				t.Errorf("the quantile %g of %d is %d, want %d", p, sorted, got, want)
			}
		}
	})
}
