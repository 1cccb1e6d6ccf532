package main

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// noted is a candidate that notes its turn and returns the values one after the
// other.
func noted(turns *[]string, name string, values ...float64) candidate {
	return candidate{name: name, run: func() ([]float64, error) {
		*turns = append(*turns, name)
		v := values[0]
		values = values[1:]
		return []float64{v}, nil
	}}
}

func TestMeasureTakesTurns(t *testing.T) {
	var turns []string
	c := benchCase{
		braid: noted(&turns, "braid", 99, 1, 3, 2),
		peers: []candidate{noted(&turns, "peer", 99, 4, 4, 4)},
	}
	rows, left, err := c.measure(3)
	if err != nil || len(left) > 0 || len(rows) != 1 {
		t.Fatalf("measure: %v, %v, %v; want one row", rows, left, err)
	}
	want := []string{"braid", "peer", "peer", "braid", "braid", "peer", "peer", "braid"}
	if !slices.Equal(turns, want) {
		t.Errorf("turns: %v\nwant   %v", turns, want)
	}
	r := rows[0]
	if r.braid != 2 || r.value != 4 || r.ratio != 0.5 {
		t.Errorf("row: %+v; want the medians of the rounds after the first, 2 and 4", r)
	}
	if r.lo < 0.25 || r.lo > r.ratio || r.hi < r.ratio || r.hi > 0.75 {
		t.Errorf("interval [%v, %v]: want it around 0.5, from 0.25 to 0.75 at most", r.lo, r.hi)
	}
}

func TestMeasureKeepsEveryRoundOfTheWarm(t *testing.T) {
	var turns []string
	c := benchCase{warm: true, braid: noted(&turns, "braid", 1, 1, 1), peers: []candidate{noted(&turns, "peer", 2, 2, 2)}}
	rows, _, err := c.measure(3)
	if err != nil || len(turns) != 6 || rows[0].ratio != 0.5 {
		t.Errorf("measure: %v, %v after %v; want a ratio of 0.5 after 6 turns", rows, err, turns)
	}
}

func TestMeasureLeavesOut(t *testing.T) {
	var turns []string
	boom := errors.New("boom")
	tries := 0
	c := benchCase{
		name:  "case",
		warm:  true,
		braid: candidate{name: "braid", absent: "not built"},
		peers: []candidate{
			{name: "gone", absent: "install it"},
			{name: "broken", run: func() ([]float64, error) { tries++; return nil, boom }},
			noted(&turns, "peer", 5, 5, 5),
		},
	}
	rows, left, err := c.measure(3)
	if err != nil || len(rows) != 1 || rows[0].peer != "peer" || !math.IsNaN(rows[0].braid) {
		t.Fatalf("measure: %+v, %v; want the row of the peer that runs, without braid", rows, err)
	}
	want := []string{"braid: not built", "gone: install it", "broken in case: boom"}
	if !slices.Equal(left, want) || tries != 1 {
		t.Errorf("left out: %q after %d tries of the broken one; want %q after 1", left, tries, want)
	}
	var b strings.Builder
	if err := writeText(&b, rows); err != nil || !strings.Contains(b.String(), "5s") || strings.Contains(b.String(), "NaN") {
		t.Errorf("%q, %v: want its time and no NaN", &b, err)
	}

	c.braid = c.peers[1]
	if _, _, err := c.measure(3); !errors.Is(err, boom) {
		t.Errorf("braid fails: %v; want %v", err, boom)
	}
}

func TestMeasureWantsAValueForEachMeasure(t *testing.T) {
	var turns []string
	c := benchCase{
		measures: []measure{{"time", inSeconds}, {"memory", inBytes}},
		braid:    candidate{name: "braid", run: func() ([]float64, error) { return []float64{1, 2}, nil }},
		peers:    []candidate{noted(&turns, "peer", 1, 1, 1, 1)},
	}
	rows, left, err := c.measure(3)
	if err != nil || len(rows) != 0 || len(left) != 1 || !strings.Contains(left[0], "1 values for 2 measures") {
		t.Errorf("measure: %v, %q, %v; want the peer left out for its one value", rows, left, err)
	}
}

func TestFormats(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{seconds(1.23456), "1.23s"},
		{seconds(0.0123456), "12.3ms"},
		{seconds(85e-9), "85.0ns"},
		{seconds(850e-9), "850ns"},
		{seconds(0), "0s"},
		{size(2824.4), "2824 B"},
		{size(70 * 1024), "70.0 KiB"},
		{size(12.34 * 1024 * 1024), "12.3 MiB"},
		{count(12345), "12,345"},
		{count(2.5), "2.5"},
		{percent(0.976), "97.6 %"},
		{thousands(999), "999"},
		{thousands(55986), "55,986"},
		{thousands(1_000_007), "1,000,007"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
