package main

import (
	"fmt"
	"math"
	"time"
)

// A candidate does the work of a case.
type candidate struct {
	name   string
	absent string // why it cannot, and how to change that; empty if it can
	python string // the interpreter that it runs on, with its version, if any
	// run does the work once and returns a value for each measure of the case, NaN
	// for one that means nothing for this candidate.
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

// python is the interpreter of those of its peers that run on one, if any can run.
func (c benchCase) python() string {
	for _, p := range c.peers {
		if p.absent == "" && p.python != "" {
			return p.python
		}
	}
	return ""
}

// A measure is something that is measured in each run of a case.
type measure struct {
	name string // what a row adds to the name of the case, if anything
	unit unit
}

// A row is braid beside one peer, in one measure of a case.
type row struct {
	suite, name   string // name is that of the case, and the measure's if it has one
	unit          unit
	peer          string
	braid, value  float64 // medians; braid is NaN where it is absent
	ratio, lo, hi float64 // braid/value with a 95 % interval; NaN where braid is
	// What the medians are of, round by round; braids is nil where it is absent.
	braids, values []float64
}

func (r row) verdict() verdict { return r.unit.verdict(r.lo, r.hi, len(r.values)) }

// measure runs all candidates in turn, so many rounds. Every candidate is as
// often first as last. It also returns who was left out, and why: a peer that
// fails costs its own rows only.
func (c benchCase) measure(rounds int) (rows []row, left []string, err error) {
	measures := c.measures
	if measures == nil {
		measures = []measure{{"", inSeconds}}
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
			s := all[(i+round)%len(all)]
			if s.failed {
				continue
			}
			values, err := s.run()
			if err == nil && len(values) != len(measures) {
				err = fmt.Errorf("it gave %d values for %d measures", len(values), len(measures))
			}
			if err != nil && s.braid {
				return nil, nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if err != nil {
				s.failed = true
				left = append(left, fmt.Sprintf("%s in %s: %v", s.name, c.name, err))
				continue
			}
			if round >= warmUp {
				s.samples = append(s.samples, values)
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
			if p.failed || math.IsNaN(p.samples[0][i]) {
				continue
			}
			rows = append(rows, c.row(m, i, braid, p))
		}
	}
	return rows, left, nil
}

// row is braid, unless that is nil, beside peer in measure m, which is the i-th.
func (c benchCase) row(m measure, i int, braid, peer *series) row {
	nan := math.NaN()
	r := row{name: c.name, unit: m.unit, peer: peer.name, values: peer.values(i), braid: nan, ratio: nan, lo: nan, hi: nan}
	if m.name != "" {
		r.name += ", " + m.name
	}
	r.value = median(r.values)
	if braid != nil {
		r.braids = braid.values(i)
		r.braid = median(r.braids)
		r.ratio = ratio(r.braid, r.value)
		r.lo, r.hi = interval(r.braids, r.values)
	}
	return r
}

// A series is a candidate and what was measured of it, round after round.
type series struct {
	candidate
	braid   bool
	failed  bool
	samples [][]float64
}

// values returns what was measured in each round.
func (s *series) values(measure int) []float64 {
	vs := make([]float64, len(s.samples))
	for i, v := range s.samples {
		vs[i] = v[measure]
	}
	return vs
}

// timed makes a run of a candidate that takes time and nothing else.
func timed(work func() error) func() ([]float64, error) {
	return func() ([]float64, error) {
		began := time.Now()
		err := work()
		return []float64{time.Since(began).Seconds()}, err
	}
}
