package dashboard

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid/record"
)

func drawn(t *testing.T, m *Model, d Drawing) string {
	t.Helper()
	var b bytes.Buffer
	if err := m.Draw(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDraw(t *testing.T) {
	m := tell(400, 41).end().model()
	golden(t, "draw80.txt", []byte(drawn(t, m, Drawing{Width: 80})))
	golden(t, "draw120.txt", []byte(drawn(t, m, Drawing{Width: 120, Height: 40})))
	golden(t, "draw80-color.txt", []byte(drawn(t, m, Drawing{Width: 80, Color: true})))
}

// Whatever the width, no line is longer; with a height, there are not more lines.
func TestDrawFits(t *testing.T) {
	many := NewModel()
	many.Add(&record.Run{Name: strings.Repeat("名前", 50)})
	many.Add(&record.Engine{Number: 1, Name: strings.Repeat("n", 90), Kind: "threads"})
	for i := range 500 {
		many.Add(&record.Input{Number: i, Text: strings.Repeat("資料 ", 60)})
		many.Add(&record.Error{Number: i + 1, Kind: record.StateError, Print: strings.Repeat("p", i), Text: strings.Repeat("語", 200)})
		many.Add(&record.Span{Start: 0, End: time.Duration(i+1) * ms, Call: uint64(i), Engine: 1, Worker: i, Input: i, Attempt: 1, State: record.StateError, Err: i + 1, Last: true})
	}
	escape := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for _, m := range []*Model{NewModel(), tell(300, 42).model(), tell(300, 43).end().model(), many} {
		for _, w := range []int{40, 61, 80, 120, 200} {
			for _, h := range []int{0, 24, 50} {
				text := drawn(t, m, Drawing{Width: w, Height: h, Color: true})
				lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
				for _, line := range lines {
					if n := width(escape.ReplaceAllString(line, "")); n > w {
						t.Errorf("a line has %d columns of %d: %s", n, w, line)
					}
				}
				if plain := drawn(t, m, Drawing{Width: w, Height: h}); plain != trimmed(escape.ReplaceAllString(text, "")) {
					t.Errorf("without colours it is another drawing")
				}
			}
		}
	}
}

func trimmed(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// One failure among very many is seen.
func TestDrawFailure(t *testing.T) {
	m := NewModel()
	m.Add(&record.Engine{Number: 1, Name: "threads", Kind: "threads", Limit: 1})
	for i := range 100_000 {
		at := time.Duration(i) * ms
		s := &record.Span{Start: at, End: at + ms, Call: uint64(i), Engine: 1, Worker: 1, Attempt: 1, State: record.StateOK, Last: true}
		if i == 61_234 {
			s.State = record.StateError
		}
		m.Add(s)
	}
	text := drawn(t, m, Drawing{Width: 80, Color: true})
	if !strings.Contains(text, "\x1b["+fail+"m✕") {
		t.Errorf("the failure is not seen:\n%s", text)
	}
}

// Texts do not command the terminal.
func TestDrawTexts(t *testing.T) {
	const evil = "\x1b]0;title\x07\x1b[2J\u202e\u009b31m"
	m := NewModel()
	m.Add(&record.Run{Name: evil})
	m.Add(&record.Engine{Number: 1, Name: evil, Kind: evil, Why: evil})
	m.Add(&record.Input{Number: 0, Text: evil})
	m.Add(&record.Error{Number: 1, Kind: evil, Print: "x", Text: evil})
	m.Add(&record.Span{Start: ms, End: 2 * ms, Call: 1, Engine: 1, Attempt: 1, Task: evil, State: record.StateError, Err: 1, Last: true})
	m.Add(&record.Advice{Code: "x", Text: evil, Try: evil})
	m.Add(&record.End{Verdict: evil})
	text := drawn(t, m, Drawing{Width: 100})
	for _, r := range text {
		if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e) {
			t.Errorf("it has %q", r)
		}
	}
}
