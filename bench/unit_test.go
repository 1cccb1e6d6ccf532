package main

import (
	"math"
	"testing"
)

func TestVerdict(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		unit   unit
		lo, hi float64
		rounds int
		want   verdict
	}{
		{inSeconds, 0.8, 0.9, 10, verdict{"faster", 1}},
		{inSeconds, 1.1, 1.3, 10, verdict{"slower", -1}},
		{inSeconds, 0.8, 1.1, 10, verdict{"no difference", 0}},
		{inSeconds, 0.8, 1, 10, verdict{"no difference", 0}},
		{inSeconds, 1, 1.2, 10, verdict{"no difference", 0}},
		{inSeconds, 0.1, 0.2, fewestRounds - 1, verdict{"too few rounds", 0}},
		{inSeconds, nan, nan, 10, verdict{}},
		{inBytes, 0.8, 0.9, 10, verdict{"smaller", 1}},
		{inMean, inf, inf, 10, verdict{"more", -1}},
		{inMean, 0, 0, 10, verdict{"fewer", 1}},
		// Where more is better.
		{inShare, 0.8, 0.9, 10, verdict{"slower", -1}},
		{inShare, 1.1, 1.2, 10, verdict{"faster", 1}},
		{inYield, 1.1, 1.2, 10, verdict{"more", 1}},
		// Where neither is.
		{inEvents, 0.1, 0.2, 10, verdict{}},
	} {
		if got := c.unit.verdict(c.lo, c.hi, c.rounds); got != c.want {
			t.Errorf("[%v, %v] of %d rounds in %q: %+v, want %+v", c.lo, c.hi, c.rounds, c.unit.symbol, got, c.want)
		}
	}
}

func TestLabels(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{inSeconds.label(50e-9), "50ns"},
		{inSeconds.label(0.0015), "1.5ms"},
		{inBytes.label(64 * 1024), "64 KiB"},
		{inBytes.label(5 * 1024 * 1024), "5 MiB"},
		{inBytes.label(512), "512 B"},
		{inBytes.label(0), "0 B"},
		{inShare.label(0.8), "80 %"},
		{ratioLabel(0.0001), "0.0001"},
		{ratioLabel(1.5), "1.5"},
		{ratioLabel(100_000), "100,000"},
		{inShare.label(0.975), "97.5 %"},
		{inMean.label(2), "2"},
		{inMean.label(0), "0"},
		{inNumber.label(100), "100"},
	} {
		if c.got != c.want {
			t.Errorf("label %q, want %q", c.got, c.want)
		}
	}
}
