package engine

import (
	"bytes"
	"log/slog"
	"runtime"
	"strings"
	"testing"
)

// logged returns what f writes to slog.Default.
func logged(f func()) string {
	var b bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	defer slog.SetDefault(before)
	f()
	return b.String()
}

func TestReportUnobserved(t *testing.T) {
	failure := Event{Task: "probe", Call: 7, Index: 3, Attempt: 2, Err: errTest}
	var heard []Event
	for name, c := range map[string]struct {
		listener *Listener
		heard    int
		logged   []string // nil: nothing
	}{
		"nobody listens": {nil, 0, []string{"task=probe", errTest.Error()}},
		"to other things": {
			&Listener{Finished: func(Event) { t.Error("a report is not the end of a call") }},
			0, []string{"task=probe", errTest.Error()},
		},
		"heard": {&Listener{Unobserved: func(e Event) { heard = append(heard, e) }}, 1, nil},
		"panics": {
			&Listener{Unobserved: func(e Event) { heard = append(heard, e); panic("the hook is broken") }},
			1, []string{"the hook is broken", "TestReportUnobserved", "task=probe", errTest.Error()},
		},
		"ends its goroutine": {
			&Listener{Unobserved: func(e Event) { heard = append(heard, e); runtime.Goexit() }},
			1, []string{ErrGoexit.Error(), "task=probe", errTest.Error()},
		},
	} {
		heard = nil
		h := Host{Name: "here", Listener: c.listener}
		text := logged(func() { h.ReportUnobserved(failure) })
		if len(heard) != c.heard {
			t.Errorf("%s: the listener heard it %d times, want %d", name, len(heard), c.heard)
		}
		for _, e := range heard {
			if e.Engine != "here" || e.At == 0 || e.Task != "probe" || e.Call != 7 || e.Index != 3 || e.Attempt != 2 || e.Err != errTest {
				t.Errorf("%s: the listener heard %+v", name, e)
			}
		}
		if c.logged == nil && text != "" {
			t.Errorf("%s: the log is %q, want none", name, text)
		}
		for _, want := range c.logged {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the log %q lacks %q", name, text, want)
			}
		}
	}
}
