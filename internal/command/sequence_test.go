package command

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseSequence(t *testing.T) {
	for _, test := range []struct {
		text string
		want Sequence
		form string
	}{
		{"KILL", Sequence{}, "KILL"},
		{"TERM,2s,KILL", DefaultSequence(), "TERM,2s,KILL"},
		{" sigint , 1m30s, SIGTERM,0s,sigkill ", Sequence{{syscall.SIGINT, 90 * time.Second}, {syscall.SIGTERM, 0}}, "INT,1m30s,TERM,0s,KILL"},
		// The default of GNU parallel.
		{"TERM,200,TERM,100,TERM,50,KILL", Sequence{
			{syscall.SIGTERM, 200 * time.Millisecond}, {syscall.SIGTERM, 100 * time.Millisecond}, {syscall.SIGTERM, 50 * time.Millisecond},
		}, "TERM,200ms,TERM,100ms,TERM,50ms,KILL"},
	} {
		got, err := ParseSequence(test.text)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("ParseSequence(%q) = %v, %v; want %v", test.text, got, err, test.want)
			continue
		}
		if got.String() != test.form {
			t.Errorf("String() = %q, want %q", got.String(), test.form)
		}
	}
	if got := Sequence(nil).String(); got != "TERM,2s,KILL" {
		t.Errorf("the nil Sequence is %q", got)
	}
}

func TestParseSequenceErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "a signal is missing",
		"TERM":                           "it ends with TERM",
		"TERM,2s":                        "it ends with a wait",
		"TERM,,KILL":                     `not a time to wait: ""`,
		"TERM,-1s,KILL":                  `not a time to wait: "-1s"`,
		"TERM,soon":                      `not a time to wait: "soon"`,
		"TREM,2s,KILL":                   `no such signal: "TREM"`,
		"KILL,2s,TERM":                   "nothing can follow KILL",
		"TERM,99999999999999999999,KILL": "not a time to wait",
	} {
		_, err := ParseSequence(text)
		if err == nil {
			t.Errorf("ParseSequence(%q) is no error", text)
			continue
		}
		wantText(t, err, want, "such as TERM,2s,KILL")
	}
}

func FuzzParseSequence(f *testing.F) {
	f.Add("TERM,2s,KILL")
	f.Add("int,100,quit,1h,kill")
	f.Add(",,")
	f.Fuzz(func(t *testing.T, s string) {
		seq, err := ParseSequence(s)
		if err != nil {
			return
		}
		form := seq.String()
		again, err := ParseSequence(form)
		if err != nil || !slices.Equal(seq, again) {
			t.Errorf("%q became %q, and that %v, %v; want %v", s, form, again, err, seq)
		}
		if strings.Contains(form, "SIG") || !strings.HasSuffix(form, "KILL") {
			t.Errorf("form %q", form)
		}
	})
}
