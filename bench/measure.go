package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// A candidate does the work of a case.
type candidate struct {
	name   string
	absent string // why it cannot, and how to change that; empty if it can
	// run does the work once and returns a value for each measure of the case.
	run func() ([]float64, error)
}

// A benchCase is the same work done by braid and by its peers.
type benchCase struct {
	name     string
	braid    candidate
	peers    []candidate
	measures []measure // what is measured; nil means the time
	// warm says that candidates warm themselves up. The others have a round
	// that does not count.
	warm bool
}

// A measure is something that is measured in each run of a case.
type measure struct {
	name   string // what a row adds to the name of the case, if anything
	format func(float64) string
}

// A row is braid beside one peer, in one measure.
type row struct {
	measure       measure
	peer          string
	braid, value  float64 // medians; braid is NaN where it is absent
	ratio, lo, hi float64
}

func (r row) String() string {
	name := r.measure.name
	if name != "" {
		name = ", " + name
	}
	if math.IsNaN(r.braid) {
		return fmt.Sprintf("%s\t-\t%s\t%s\t-\t", name, r.peer, r.measure.format(r.value))
	}
	if math.IsNaN(r.ratio) || math.IsInf(r.ratio, 0) { // the peer's value is none
		return fmt.Sprintf("%s\t%s\t%s\t%s\t-\t", name, r.measure.format(r.braid), r.peer, r.measure.format(r.value))
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%.3f\t[%.3f, %.3f]", name,
		r.measure.format(r.braid), r.peer, r.measure.format(r.value), r.ratio, r.lo, r.hi)
}

// measure runs all candidates in turn, so many rounds. Every candidate is as
// often first as last. It also returns who was left out, and why: a peer that
// fails costs its own rows only.
func (c benchCase) measure(rounds int) (rows []row, left []string, err error) {
	measures := c.measures
	if measures == nil {
		measures = []measure{{"", seconds}}
	}
	var all []*series
	for i, p := range append([]candidate{c.braid}, c.peers...) {
		if p.absent != "" {
			left = append(left, p.name+": "+p.absent)
			continue
		}
		all = append(all, &series{candidate: p, braid: i == 0})
	}
	warmUp := 1
	if c.warm {
		warmUp = 0
	}
	for round := range rounds + warmUp {
		for i := range all {
			r := all[(i+round)%len(all)]
			if r.failed {
				continue
			}
			values, err := r.run()
			if err != nil && r.braid {
				return nil, nil, fmt.Errorf("%s: %w", r.name, err)
			}
			if err != nil {
				r.failed = true
				left = append(left, fmt.Sprintf("%s in %s: %v", r.name, c.name, err))
				continue
			}
			if round >= warmUp {
				r.samples = append(r.samples, values)
			}
		}
	}
	var braid *series
	if len(all) > 0 && all[0].braid {
		braid = all[0]
		all = all[1:]
	}
	for i, m := range measures {
		for _, p := range all {
			if p.failed {
				continue
			}
			r := row{measure: m, peer: p.name, braid: math.NaN(), value: median(p.values(i))}
			if braid != nil {
				r.braid = median(braid.values(i))
				r.ratio = r.braid / r.value
				r.lo, r.hi = interval(braid.values(i), p.values(i))
			}
			rows = append(rows, r)
		}
	}
	return rows, left, nil
}

// A series is a candidate and what was measured of it, round after round.
type series struct {
	candidate
	braid   bool
	failed  bool
	samples [][]float64
}

// values returns what was measured in each round.
func (r *series) values(measure int) []float64 {
	vs := make([]float64, len(r.samples))
	for i, s := range r.samples {
		vs[i] = s[measure]
	}
	return vs
}

func median(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// interval is a 95 % interval of the ratio of the medians, by a bootstrap that
// draws rounds, each with both values. It is seeded: the same values give the
// same interval.
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
		ratios[i] = median(x) / median(y)
	}
	slices.Sort(ratios)
	return ratios[draws*25/1000], ratios[draws*975/1000]
}

// timed makes a run of a candidate that takes time and nothing else.
func timed(work func() error) func() ([]float64, error) {
	return func() ([]float64, error) {
		began := time.Now()
		err := work()
		return []float64{time.Since(began).Seconds()}, err
	}
}

// seconds writes a time to three digits.
func seconds(v float64) string {
	d := time.Duration(v * float64(time.Second))
	unit := time.Duration(1)
	for d.Abs()/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// count writes a number of things; a median of them may have a half.
func count(v float64) string {
	if v != math.Trunc(v) {
		return fmt.Sprintf("%.1f", v)
	}
	return thousands(int(v))
}

// percent writes a share of one.
func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

// size writes a number of bytes.
func size(v float64) string {
	if math.Abs(v) < 10*1024 {
		return fmt.Sprintf("%.0f B", v)
	}
	if math.Abs(v) < 10*1024*1024 {
		return fmt.Sprintf("%.1f KiB", v/1024)
	}
	return fmt.Sprintf("%.1f MiB", v/1024/1024)
}

// thousands writes a number with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
