package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// quantile returns the value below which a share q of vs lies, between two of
// them by a straight line; vs need not be sorted, and must not be empty.
func quantile(vs []float64, q float64) float64 {
	return quantileSorted(slices.Sorted(slices.Values(vs)), q)
}

func quantileSorted(s []float64, q float64) float64 {
	at := q * float64(len(s)-1)
	i := int(at)
	if at == float64(i) || s[i] == s[i+1] { // infinite values, too
		return s[i]
	}
	return s[i] + (at-float64(i))*(s[i+1]-s[i])
}

func median(vs []float64) float64 { return quantile(vs, 0.5) }

// spread is the interquartile range of vs as a share of their median: the middle
// half of all rounds lies in a band so wide. It is NaN if the median is 0 and the
// range is not.
func spread(vs []float64) float64 {
	width := quantile(vs, 0.75) - quantile(vs, 0.25)
	if width == 0 {
		return 0
	}
	m := median(vs)
	if m == 0 {
		return math.NaN()
	}
	return width / math.Abs(m)
}

// ratio is a/b, where nothing beside nothing is equal.
func ratio(a, b float64) float64 {
	if a == b {
		return 1
	}
	return a / b
}

// interval is a 95 % interval of the ratio of the medians, by a bootstrap that
// draws rounds, each with both values: what the machine did in a round hit both.
// It is seeded: the same values give the same interval.
func interval(a, b []float64) (lo, hi float64) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const draws = 2000
	ratios := make([]float64, draws)
	x, y := make([]float64, len(a)), make([]float64, len(a))
	for i := range ratios {
		for j := range a {
			k := rnd.IntN(len(a))
			x[j], y[j] = a[k], b[k]
		}
		ratios[i] = ratio(median(x), median(y))
	}
	slices.Sort(ratios)
	return quantileSorted(ratios, 0.025), quantileSorted(ratios, 0.975)
}

// fewestRounds is how many rounds a verdict needs. The median of all that could
// be measured lies outside of n rounds altogether with a probability of 2/2ⁿ: a
// 95 % interval from less than six is none.
const fewestRounds = 6
