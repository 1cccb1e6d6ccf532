package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// A candidate does the work of a case once.
type candidate struct {
	name   string
	absent string // why it cannot, and how to change that; empty if it can
	run    func() error
}

// A benchCase is the same work done by braid and by its peers.
type benchCase struct {
	name  string
	braid candidate
	peers []candidate
}

// A row is braid beside one peer.
type row struct {
	peer          string
	braid, value  time.Duration // medians
	ratio, lo, hi float64
}

// measure runs all candidates in turn, so many rounds, after one that does not
// count. Every candidate is as often first as last.
func (c benchCase) measure(rounds int) (rows []row, absent []string, err error) {
	all := []candidate{c.braid}
	for _, p := range c.peers {
		if p.absent != "" {
			absent = append(absent, p.name+": "+p.absent)
			continue
		}
		all = append(all, p)
	}
	times := make([][]time.Duration, len(all))
	for round := range rounds + 1 {
		for i := range all {
			k := (i + round) % len(all)
			began := time.Now()
			if err := all[k].run(); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", all[k].name, err)
			}
			if round > 0 {
				times[k] = append(times[k], time.Since(began))
			}
		}
	}
	for i, p := range all[1:] {
		r := row{peer: p.name, braid: median(times[0]), value: median(times[i+1])}
		r.ratio = float64(r.braid) / float64(r.value)
		r.lo, r.hi = interval(times[0], times[i+1])
		rows = append(rows, r)
	}
	return rows, absent, nil
}

func median(ds []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(ds))
	n := len(s)
	return ((s[(n-1)/2] + s[n/2]) / 2).Round(10 * time.Microsecond)
}

// interval is a 95 % interval of the ratio of the medians, by a bootstrap that
// draws rounds, each with both times. It is seeded: the same times give the same
// interval.
func interval(a, b []time.Duration) (lo, hi float64) {
	rnd := rand.New(rand.NewPCG(1, 2))
	const draws = 2000
	ratios := make([]float64, draws)
	x, y := make([]time.Duration, len(a)), make([]time.Duration, len(a))
	for i := range ratios {
		for j := range a {
			k := rnd.IntN(len(a))
			x[j], y[j] = a[k], b[k]
		}
		ratios[i] = float64(median(x)) / float64(median(y))
	}
	slices.Sort(ratios)
	return ratios[draws*25/1000], ratios[draws*975/1000]
}
