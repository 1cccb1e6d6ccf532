package cli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressPlain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p, err := newProgress(progressPlain, "braid", &out, false)
		if err != nil {
			t.Fatal(err)
		}
		p.update(tally{read: 3, ok: 1}, 0)
		time.Sleep(11 * time.Second)
		p.update(tally{read: 9, ok: 4, failed: 1}, 2000)
		time.Sleep(10 * time.Second)
		p.line("a line")
		time.Sleep(10 * time.Second) // with no news but the time
		p.update(tally{read: 1500, ok: 1000, failed: 300, stopped: 1, skipped: 200}, 2000)
		p.close(true)
		want := `braid: 1 done, 10.00s (0.1/s)
braid: 5 of 2,000 done, 1 failed, 20.00s (0.25/s), about 2h13m0s left
a line
braid: 5 of 2,000 done, 1 failed, 30.00s (0.167/s), about 3h19m30s left
braid: 1,300 of 2,000 done, 300 failed, 1 stopped, 200 not tried, 31.00s (41.9/s)
`
		got := out.String()
		if got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

func TestProgressDescribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &progress{began: time.Now()}
		for _, c := range []struct {
			after time.Duration
			state tally
			of    int
			over  bool
			want  string
		}{
			{0, tally{}, 0, false, "0 done, 0µs"},
			{time.Second, tally{}, 0, false, "0 done, 1.00s"},
			{0, tally{ok: 2}, 2, false, "2 done, 1.00s (2/s)"},
			{0, tally{ok: 1}, 2, false, "1 of 2 done, 1.00s (1/s), about 1.00s left"},
			{0, tally{ok: 1}, 2, true, "1 of 2 done, 1.00s (1/s)"},
			{time.Minute, tally{failed: 5000}, 0, false, "5,000 done, 5,000 failed, 1m1s (82/s)"},
			{0, tally{ok: 1, skipped: 1}, 2, false, "1 of 2 done, 1 not tried, 1m1s (0.0164/s)"},
			{0, tally{stopped: 1}, 1, false, "0 of 1 done, 1 stopped, 1m1s"},
		} {
			time.Sleep(c.after)
			p.state, p.of = c.state, c.of
			if got := p.describe(c.over); got != c.want {
				t.Errorf("%+v of %d: %q, want %q", c.state, c.of, got, c.want)
			}
		}
	})
}

// Lines stand on lines of their own, and at the end the bar is gone.
func TestProgressBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p, err := newProgress(progressBar, "braid", &out, false)
		if err != nil {
			t.Fatal(err)
		}
		p.update(tally{ok: 1}, 4)
		time.Sleep(time.Second)
		p.line("first line")
		time.Sleep(time.Second)
		p.update(tally{ok: 2, failed: 1}, 4)
		p.block(strings.NewReader("two\nlines\n"))
		time.Sleep(time.Second)
		p.update(tally{ok: 3, failed: 1}, 4)
		p.line("last line")
		p.close(true)
		raw := out.String()
		if !strings.Contains(raw, "25%") || !strings.Contains(raw, "1 failed  75%") {
			t.Errorf("the bar showed no progress: %q", raw)
		}
		want := "first line\ntwo\nlines\nlast line\nbraid: 4 done, 1 failed, 3.00s (1.33/s)\n"
		if got := screen(raw); got != want {
			t.Errorf("what is left on the screen:\n%s\nwant:\n%s\nwritten: %q", got, want, raw)
		}
	})
}

// screen returns what a terminal shows in the end of what was written to it.
func screen(raw string) string {
	var lines []string
	for _, line := range strings.SplitAfter(raw, "\n") {
		body, end := strings.CutSuffix(line, "\n")
		// The bar goes back to the start of the line and clears all of it, or
		// what it does not overwrite.
		shown := ""
		for _, part := range strings.Split(body, "\r") {
			switch part = strings.ReplaceAll(part, "\x1b[0K", ""); {
			case strings.Contains(part, "\x1b[2K"):
				shown = part[strings.LastIndex(part, "\x1b[2K")+len("\x1b[2K"):]
			case part != "":
				shown = part
			}
		}
		if lines = append(lines, shown); end {
			lines[len(lines)-1] += "\n"
		}
	}
	return strings.Join(lines, "")
}

func TestProgressQuiet(t *testing.T) {
	for _, mode := range []string{progressBar, progressPlain, progressAuto, progressNone} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			p, err := newProgress(mode, "braid", &out, true)
			if err != nil {
				t.Fatal(err)
			}
			p.update(tally{ok: 1}, 2)
			time.Sleep(time.Minute)
			p.line("an error")
			p.close(true)
			if got := out.String(); got != "an error\n" {
				t.Errorf("%s: %q", mode, got)
			}
		})
	}
}

func TestProgressModes(t *testing.T) {
	var out bytes.Buffer
	p, err := newProgress(progressAuto, "braid", &out, false)
	if err != nil || p.bar != nil || !p.plain {
		t.Errorf("beside a terminal auto is %+v, %v; want plain", p, err)
	}
	p.close(false)
	if out.Len() > 0 {
		t.Errorf("nothing was to be said: %q", out.String())
	}
	for _, quiet := range []bool{false, true} {
		if _, err := newProgress("loud", "braid", &out, quiet); err == nil || !strings.Contains(err.Error(), `--progress "loud": it is auto, bar, plain or none`) {
			t.Errorf("mode loud: %v", err)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{brief(0), "0µs"},
		{brief(999 * time.Microsecond), "999µs"},
		{brief(1500 * time.Microsecond), "1.5ms"},
		{brief(2 * time.Second), "2.00s"},
		{brief(61 * time.Second), "1m1s"},
		{rate(0.01234), "0.0123"},
		{rate(12.345), "12.3"},
		{rate(999.4), "999"},
		{rate(1234567), "1,234,567"},
		{size(0), "0 B"},
		{size(-1), "0 B"},
		{size(3 << 20), "3.0 MiB"},
		{plural(1, "round"), "1 round"},
		{plural(0, "round"), "0 rounds"},
		{plural(1234, "round"), "1,234 rounds"},
		{shorten("äöü", 3), "ä…"},
		{shorten("abc", 3), "abc"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	names := []string{"run", "compare", "sha256", "gzip"}
	for _, c := range []struct{ name, want string }{
		{"rnu", ` (did you mean "run"?)`},
		{"comp", ` (did you mean "compare"?)`},
		{"SHA256", ` (did you mean "sha256"?)`},
		{"frobnicate", ""},
		{"", ""},
	} {
		if got := didYouMean(c.name, names); got != c.want {
			t.Errorf("%q: %q, want %q", c.name, got, c.want)
		}
	}
	if got := didYouMean("run", nil); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

func TestStyle(t *testing.T) {
	for _, name := range []string{"NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "TERM"} {
		t.Setenv(name, "")
	}
	red := func(color string) string {
		s, err := styleFor(color, &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		return s.red("x")
	}
	coloured := regexp.MustCompile(`^\x1b\[31mx\x1b\[0m$`)
	for _, c := range []struct {
		env, value, color string
		want              bool
	}{
		{"", "", "auto", false},
		{"", "", "always", true},
		{"FORCE_COLOR", "1", "auto", true},
		{"FORCE_COLOR", "0", "auto", false},
		{"CLICOLOR_FORCE", "1", "auto", true},
		{"CLICOLOR_FORCE", "1", "never", false},
		{"NO_COLOR", "1", "always", true},
	} {
		if c.env != "" {
			t.Setenv(c.env, c.value)
		}
		if got := coloured.MatchString(red(c.color)); got != c.want {
			t.Errorf("%s=%s --color %s: coloured %v, want %v", c.env, c.value, c.color, got, c.want)
		}
		if c.env != "" {
			t.Setenv(c.env, "")
		}
	}
	if _, err := styleFor("green", nil); err == nil {
		t.Error("--color green is accepted")
	}
}
