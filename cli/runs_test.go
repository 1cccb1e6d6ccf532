package cli

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-braid/braid/record"
)

// The table of runs fits into a terminal, as long as that is not tiny, and has the same
// columns in all rows.
func TestTableOfRuns(t *testing.T) {
	runs := []record.Info{
		{ID: "01M8FK24BF5DA4TWTZGK7K7VAK", Run: record.Run{Wall: time.Date(2020, 11, 27, 22, 47, 0, 0, time.UTC), Name: "compare something long"}, End: &record.End{Time: time.Second, Verdict: "stopped", OK: 390, Failed: 12}},
		{ID: "01M8FK225M5DA4TWTZGK7K7VAK", Run: record.Run{Wall: time.Now()}, End: &record.End{Time: time.Minute, Verdict: "ok", OK: 3}},
	}
	for most, want := range map[int]string{
		200: "ID STARTED NAME STATE INPUTS TOOK",
		87:  "ID STARTED NAME STATE INPUTS TOOK",
		80:  "ID STARTED NAME STATE INPUTS",
		60:  "ID NAME STATE INPUTS",
		46:  "ID NAME STATE INPUTS",
		40:  "ID STATE INPUTS",
	} {
		lines := strings.Split(strings.TrimSuffix(tableOfRuns(runs, most), "\n"), "\n")
		if got := strings.Join(strings.Fields(lines[0]), " "); got != want {
			t.Errorf("in %d columns there are %q, want %q", most, got, want)
		}
		at := strings.Index(lines[0], "STATE")
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > most {
				t.Errorf("%q has %d columns, and the terminal %d", line, n, most)
			}
			if text := string([]rune(line)[at:]); !strings.HasPrefix(text, "STATE") && !strings.HasPrefix(text, "stopped") && !strings.HasPrefix(text, "ok ") {
				t.Errorf("the state is not below STATE:\n%s", strings.Join(lines, "\n"))
			}
		}
	}
}

func TestWrap(t *testing.T) {
	const text = "one two three four"
	for wide, want := range map[int]string{
		0:  text,
		40: text,
		14: "one two\n    three four",
		5:  "one\n    two\n    three\n    four",
	} {
		if got := wrap(text, wide, "    "); got != want {
			t.Errorf("in %d columns it is %q, want %q", wide, got, want)
		}
	}
}
