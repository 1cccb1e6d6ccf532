package cli

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-braid/braid/internal/command"
)

func TestParseJobs(t *testing.T) {
	cpus := runtime.GOMAXPROCS(0)
	for _, c := range []struct {
		s    string
		want int
	}{
		{"1", 1},
		{"17", 17},
		{"100000", 100_000},
		{"auto", cpus},
		{"100%", cpus},
		{"200%", 2 * cpus},
		{"0.001%", 1},
	} {
		if got, err := parseJobs(c.s); got != c.want || err != nil {
			t.Errorf("-j %s: %d, %v; want %d", c.s, got, err, c.want)
		}
	}
	for _, s := range []string{"", "0", "-1", "1.5", "x", "%", "0%", "-5%", "NaN%", "Inf%", "1e30%", "100001", "99999999999999999999", "auto ", "5 %"} {
		got, err := parseJobs(s)
		var e *exitError
		if err == nil || !errors.As(err, &e) || e.code != exitUsage || e.try == "" {
			t.Errorf("-j %q: %d, %v; want a usage error with a next step", s, got, err)
		}
	}
}

func TestParseBackoff(t *testing.T) {
	for _, c := range []struct {
		s          string
		base, most time.Duration
	}{
		{"100ms..30s", 100 * time.Millisecond, 30 * time.Second},
		{"2s", 2 * time.Second, 2 * time.Second},
		{"1..60", time.Second, time.Minute},
		{"none", -1, 0},
		{"0", -1, 0},
	} {
		if base, most, err := parseBackoff(c.s); base != c.base || most != c.most || err != nil {
			t.Errorf("%s: %v..%v, %v; want %v..%v", c.s, base, most, err, c.base, c.most)
		}
	}
	for _, s := range []string{"", "..", "1s..", "..1s", "2s..1s", "-1s", "0s", "0s..1s", "1s..2s..3s", "soon", "1s-2s"} {
		if _, _, err := parseBackoff(s); err == nil || !strings.Contains(err.Error(), "it is BASE..MAX") {
			t.Errorf("%q: error %v", s, err)
		}
	}
}

func TestExitStatus(t *testing.T) {
	failure := errors.New("failure")
	exit := func(code int) *result { return &result{err: &command.ExitError{Code: code}} }
	for _, c := range []struct {
		which   string
		results []*result
		want    int
	}{
		{exitAny, nil, exitOK},
		{exitAny, []*result{{}, exit(7)}, exitFailed},
		{exitFirst, []*result{{}}, exitOK},
		{exitFirst, []*result{{}, exit(7), exit(9)}, 7},
		{exitFirst, []*result{{err: failure}, exit(9)}, exitFailed},
		{exitFirst, []*result{exit(-1)}, exitFailed}, // ended by a signal
		{exitFirst, []*result{{err: failure, skipped: true}, {err: failure, stopped: true}, exit(9)}, 9},
		{exitMax, []*result{exit(7), {}, exit(9), exit(8)}, 9},
		{exitMax, []*result{{err: failure}, exit(1)}, exitFailed},
		{exitCount, []*result{exit(7), {}, exit(9)}, 2},
		{exitCount, make([]*result, 250), 101},
	} {
		status, err := parseExitStatus(c.which)
		if err != nil {
			t.Fatal(err)
		}
		var count tally
		for _, r := range c.results {
			if r == nil {
				r = exit(1)
			}
			status.add(r)
			if r.err != nil && !r.skipped && !r.stopped {
				count.failed++
			}
		}
		if got := status.code(count); got != c.want {
			t.Errorf("%s of %d results: %d, want %d", c.which, len(c.results), got, c.want)
		}
	}
}
