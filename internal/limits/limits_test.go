package limits

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseReadsWhatStringWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Limits{
			Memory:    rapid.Int64Min(0).Draw(t, "memory"),
			CPUTime:   time.Duration(rapid.Int64Min(0).Draw(t, "time")),
			OpenFiles: rapid.Uint64Max(math.MaxInt64).Draw(t, "files"),
			FileSize:  rapid.Int64Min(0).Draw(t, "size"),
			Nice:      rapid.IntMin(0).Draw(t, "nice"),
		}
		if got, err := Parse(want.String()); err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", want.String(), got, err, want)
		}
	})
	// More files than a number can tell are as many as it can.
	l := Limits{OpenFiles: math.MaxUint64}
	if got, err := Parse(l.String()); err != nil || got.OpenFiles != math.MaxInt64 {
		t.Errorf("Parse(%q) = %+v, %v", l, got, err)
	}
}

func TestParseMalformed(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "1 parts, not 5",
		"1,2,3,4":                    "4 parts, not 5",
		"1,2,3,4,5,6":                "6 parts, not 5",
		"x,2,3,4,5":                  `the memory is "x"`,
		"1,,3,4,5":                   `the processor time is ""`,
		"1,2,-3,4,5":                 `the open files is "-3"`,
		"1,2,3,9223372036854775808,": `the file size is "9223372036854775808"`,
		"1,2,3,4, 5":                 `the niceness is " 5"`,
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want an error with %q", text, err, want)
		}
	}
}

func TestUnsupported(t *testing.T) {
	all := Limits{Memory: 1, CPUTime: 1, OpenFiles: 1, FileSize: 1, Nice: 1}
	var want []string
	for _, name := range []string{"memory", "processor time", "open files", "file size", "niceness"} {
		if !supported(name) {
			want = append(want, name)
		}
	}
	if got := all.Unsupported(); !slices.Equal(got, want) {
		t.Errorf("Unsupported = %q, want %q", got, want)
	}
	if got := (Limits{}).Unsupported(); got != nil {
		t.Errorf("Unsupported of no limits = %q", got)
	}
}

func TestEnviron(t *testing.T) {
	if got := (Limits{}).Environ(); got != nil {
		t.Errorf("Environ without a limit = %q", got)
	}
	if got := (Limits{Memory: 1000}).Environ(); !slices.Equal(got, []string{"GOMEMLIMIT=900"}) {
		t.Errorf("Environ = %q", got)
	}
}

func TestSecondsAreRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]uint64{
		0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, 90 * time.Minute: 5400,
		math.MaxInt64: math.MaxInt64/uint64(time.Second) + 1,
	} {
		if got := seconds(d); got != want {
			t.Errorf("seconds(%v) = %d, want %d", d, got, want)
		}
	}
}
