package main

import (
	"math"
	"slices"
)

// An axis maps values to places on a line of some length, from 0.
type axis struct {
	lo, hi float64
	log    bool
	length float64
	ticks  []float64
}

// inset is what an axis leaves free at both ends: room for marks and labels.
const inset = 20

// mostTicks is how many ticks have room for their labels.
const mostTicks = 5

// newLogAxis is a logarithmic axis that shows all values that can be shown on one:
// those that are positive and finite.
func newLogAxis(length float64, values []float64) axis {
	a := axis{log: true, lo: math.Inf(1), hi: math.Inf(-1), length: length}
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 1) {
			a.lo, a.hi = min(a.lo, v), max(a.hi, v)
		}
	}
	if a.lo > a.hi {
		a.lo, a.hi = 1, 1
	}
	margin := max(1.05, math.Pow(a.hi/a.lo, 0.03))
	a.lo, a.hi = a.lo/margin, a.hi*margin
	// From the densest to the sparsest: digits at each of so many powers of ten.
	for _, c := range []struct {
		digits []float64
		powers int
	}{
		{[]float64{1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9}, 1},
		{[]float64{1, 1.2, 1.5, 2, 3, 5, 7}, 1}, {[]float64{1, 2, 5}, 1}, {[]float64{1, 3}, 1},
		{[]float64{1}, 1}, {[]float64{1}, 2}, {[]float64{1}, 3}, {[]float64{1}, 6},
	} {
		a.ticks = a.ticks[:0]
		first := int(math.Floor(math.Log10(a.lo)/float64(c.powers))) * c.powers
		for power := first; math.Pow10(power) <= a.hi; power += c.powers {
			for _, digit := range c.digits {
				if v := digit * math.Pow10(power); a.lo <= v && v <= a.hi {
					a.ticks = append(a.ticks, v)
				}
			}
		}
		if len(a.ticks) <= mostTicks {
			break
		}
	}
	return a
}

// newLinearAxis is an axis from 0 to the largest of values, in steps that are one,
// two or five times a power of base, or of ten times that.
func newLinearAxis(length, base float64, values []float64) axis {
	a := axis{length: length}
	for _, v := range values {
		if !math.IsInf(v, 0) {
			a.hi = max(a.hi, v)
		}
	}
	if a.hi == 0 {
		a.hi = 1
	}
	unit := math.Pow(base, math.Floor(math.Log(a.hi)/math.Log(base)))
	step := a.hi
	for _, factor := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500} {
		if s := unit * factor; a.hi/s < mostTicks {
			step = s
			break
		}
	}
	for i := 0; float64(i)*step <= a.hi; i++ {
		a.ticks = append(a.ticks, float64(i)*step)
	}
	return a
}

// at returns the place of v. What is beyond the axis is at its end.
func (a axis) at(v float64) float64 {
	share := (v - a.lo) / (a.hi - a.lo)
	if a.log {
		share = math.Log(v/a.lo) / math.Log(a.hi/a.lo)
	}
	return inset + (a.length-2*inset)*min(1, max(0, share))
}

// widest returns how many times the smallest of values the largest is.
func widest(values []float64) float64 { return slices.Max(values) / slices.Min(values) }
