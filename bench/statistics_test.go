package main

import (
	"math"
	"testing"
)

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		vs   []float64
		q    float64
		want float64
	}{
		{[]float64{3}, 0.5, 3},
		{[]float64{9, 1, 5}, 0.5, 5},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{1, 2, 3, 4, 5}, 0.25, 2},
		{[]float64{1, 2, 3, 4}, 0.75, 3.25},
		{[]float64{1, math.Inf(1), math.Inf(1)}, 0.75, math.Inf(1)},
		{[]float64{7, 8}, 1, 8},
	} {
		if got := quantile(c.vs, c.q); got != c.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", c.vs, c.q, got, c.want)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		vs   []float64
		want float64
	}{
		{[]float64{5}, 0},
		{[]float64{0, 0, 0}, 0},
		{[]float64{2, 1, 3, 4, 5}, 2. / 3},
	} {
		if got := spread(c.vs); got != c.want {
			t.Errorf("spread(%v) = %v, want %v", c.vs, got, c.want)
		}
	}
	if got := spread([]float64{0, 0, 0, 1, 1}); !math.IsNaN(got) {
		t.Errorf("the spread around a median of 0 is %v, want none", got)
	}
}

func TestRatioOfNothing(t *testing.T) {
	if r := ratio(0, 0); r != 1 {
		t.Errorf("nothing beside nothing: %v, want 1", r)
	}
	if r := ratio(2, 0); !math.IsInf(r, 1) {
		t.Errorf("something beside nothing: %v, want it infinite", r)
	}
	if r := ratio(0, 2); r != 0 {
		t.Errorf("nothing beside something: %v, want 0", r)
	}
}

func TestIntervalHoldsWhatItShould(t *testing.T) {
	// Rounds in which the machine slowed both down alike: the pairs say more than
	// the values.
	a := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	b := []float64{2, 4, 6, 8, 10, 12, 14, 16, 18, 20}
	if lo, hi := interval(a, b); lo != 0.5 || hi != 0.5 {
		t.Errorf("half in every round: [%v, %v], want 0.5", lo, hi)
	}
	lo, hi := interval([]float64{9, 11, 10, 8, 12, 10}, []float64{10, 9, 12, 11, 8, 10})
	if lo >= 1 || hi <= 1 || lo < 8./12 || hi > 12./8 {
		t.Errorf("the same values in other rounds: [%v, %v], want it around 1, within 8/12 and 12/8", lo, hi)
	}
	lo2, hi2 := interval([]float64{9, 11, 10, 8, 12, 10}, []float64{10, 9, 12, 11, 8, 10})
	if lo != lo2 || hi != hi2 {
		t.Error("the same values give another interval")
	}
	if lo, hi := interval([]float64{0, 0, 0}, []float64{0, 0, 0}); lo != 1 || hi != 1 {
		t.Errorf("nothing beside nothing: [%v, %v], want 1", lo, hi)
	}
	if lo, hi := interval([]float64{1, 1, 1}, []float64{0, 0, 0}); !math.IsInf(lo, 1) || !math.IsInf(hi, 1) {
		t.Errorf("something beside nothing: [%v, %v], want it infinite", lo, hi)
	}
}

// How often the interval of two equal programs leaves out 1: about once in twenty
// times is what it promises, and a bootstrap over ten rounds does not keep quite.
func TestIntervalIsHonest(t *testing.T) {
	seed := uint64(1)
	next := func() float64 { // of a skewed kind, as times are
		seed = seed*6364136223846793005 + 1442695040888963407
		u := float64(seed>>11) / (1 << 53)
		return 1 + 0.2*-math.Log(1-u)
	}
	const tries = 400
	wrong := 0
	for range tries {
		a, b := make([]float64, defaultRounds), make([]float64, defaultRounds)
		for i := range a {
			a[i], b[i] = next(), next()
		}
		if lo, hi := interval(a, b); inSeconds.verdict(lo, hi, defaultRounds).side != 0 {
			wrong++
		}
	}
	if share := float64(wrong) / tries; share > 0.08 {
		t.Errorf("equals are told apart in %.1f %% of all tries, want about 5 %%", 100*share)
	}
}
