package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

//go:embed report.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// The sizes of the plots, in pixels.
const (
	ratioWidth  = 295
	sampleWidth = 250
	lineHeight  = 26
	axisHeight  = 20
)

// writeHTML writes a page that needs nothing else: a table for each case, with
// plots in its cells whose text alternative are the cells beside them.
func writeHTML(w io.Writer, found results) error {
	p := page{machine: found.machine, RatioWidth: ratioWidth, SampleWidth: sampleWidth, Height: lineHeight, AxisHeight: axisHeight}
	for group := range chunked(found.rows, func(a, b row) bool { return a.suite == b.suite }) {
		s := pageSuite{Name: group[0].suite, Doc: suiteDoc(group[0].suite)}
		for rows := range chunked(group, func(a, b row) bool { return a.name == b.name }) {
			s.Figures = append(s.Figures, newFigure(rows))
		}
		p.Suites = append(p.Suites, s)
		for _, r := range group {
			switch v := r.verdict(); {
			case v.side > 0:
				p.Better++
			case v.side < 0:
				p.Worse++
			case v.word != "":
				p.Neither++
			}
		}
	}
	return pageTemplate.Execute(w, p)
}

func suiteDoc(name string) string {
	i := slices.IndexFunc(suites, func(s suite) bool { return s.name == name })
	if i < 0 {
		return ""
	}
	return suites[i].doc
}

// chunked yields the runs of rows that belong together.
func chunked(rows []row, together func(a, b row) bool) func(func([]row) bool) {
	return func(yield func([]row) bool) {
		for len(rows) > 0 {
			n := 1
			for n < len(rows) && together(rows[0], rows[n]) {
				n++
			}
			if !yield(rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

type page struct {
	machine                                     machine
	Suites                                      []pageSuite
	RatioWidth, SampleWidth, Height, AxisHeight int
	Better, Neither, Worse                      int // rows
}

// Date is the day of the run.
func (p page) Date() string { day, _, _ := strings.Cut(p.machine.Date, "T"); return day }

// Facts are what there is to say of the machine and the programs.
func (p page) Facts() [][2]string { return p.machine.facts() }

// facts are names and values, without those that are not known.
func (m machine) facts() [][2]string {
	var modules []string
	for _, path := range slices.Sorted(maps.Keys(m.Modules)) {
		modules = append(modules, path+" "+m.Modules[path])
	}
	facts := [][2]string{
		{"Processor", m.CPU},
		{"Cores", fmt.Sprintf("%d, GOMAXPROCS %d", m.Cores, m.GOMAXPROCS)},
		{"System", strings.TrimSpace(m.OS + " " + m.Kernel)},
		{"Load before", m.Load},
		{"Go", m.Go},
		{"Python", m.Python},
		{"Braid", m.Braid},
		{"Modules", strings.Join(modules, ", ")},
		{"Command", m.Command},
		{"Date", m.Date},
	}
	for _, a := range m.Absent {
		facts = append(facts, [2]string{"Left out", a})
	}
	return slices.DeleteFunc(facts, func(f [2]string) bool { return f[1] == "" })
}

type pageSuite struct {
	Name, Doc string
	Figures   []figure
}

// A figure is a case in one measure.
type figure struct {
	Title        string
	Rounds       int
	One          float64 // where a ratio of 1 is
	Below, Above string  // what a ratio on that side of 1 means
	Ratios       []tick
	Samples      []tick
	Lines        []line
}

type tick struct {
	X     float64
	Label string
}

// A line is a candidate.
type line struct {
	Peer, Value, Spread, Ratio, Interval, Verdict string

	Braid bool   // it has no ratio
	Class string // better, worse, neither or none
	// Places of the ratio.
	Lo, X, Hi   float64
	Left, Right bool // the ratio lies beyond the axis
	// Places of the rounds, and of their median.
	Dots   []float64
	Median float64
}

func newFigure(rows []row) figure {
	f := figure{Title: rows[0].name, Rounds: len(rows[0].values), Below: rows[0].unit.below, Above: rows[0].unit.above}
	limits := []float64{0.8, 1, 1.25}
	samples := slices.Clone(rows[0].braids)
	for _, r := range rows {
		limits = append(limits, r.ratio, r.lo, r.hi)
		samples = append(samples, r.values...)
	}
	ratios := newLogAxis(ratioWidth, limits)
	f.One = ratios.at(1)
	for _, v := range ratios.ticks {
		f.Ratios = append(f.Ratios, tick{ratios.at(v), ratioLabel(v)})
	}
	u := rows[0].unit
	var values axis
	if slices.Min(samples) > 0 && widest(samples) > 12 {
		values = newLogAxis(sampleWidth, samples)
	} else {
		values = newLinearAxis(sampleWidth, u.base(), samples)
	}
	for _, v := range values.ticks {
		f.Samples = append(f.Samples, tick{values.at(v), u.label(v)})
	}
	if rows[0].braids != nil {
		c := rows[0].cells()
		l := line{Peer: "braid", Braid: true, Value: c.braid, Spread: c.braidSpread, Class: "braid"}
		l.place(values, rows[0].braid, rows[0].braids)
		f.Lines = append(f.Lines, l)
	}
	for _, r := range rows {
		c, v := r.cells(), r.verdict()
		l := line{Peer: r.peer, Value: c.value, Spread: c.spread, Ratio: c.ratio, Interval: c.interval, Verdict: c.verdict, Class: "neither"}
		switch {
		case r.braids == nil:
			l.Class = "none"
		case v.side > 0:
			l.Class = "better"
		case v.side < 0:
			l.Class = "worse"
		}
		l.Lo, l.X, l.Hi = ratios.at(r.lo), ratios.at(r.ratio), ratios.at(r.hi)
		l.Left, l.Right = r.ratio < ratios.lo, r.ratio > ratios.hi
		l.place(values, r.value, r.values)
		f.Lines = append(f.Lines, l)
	}
	return f
}

// ratioLabel writes a round ratio.
func ratioLabel(v float64) string {
	if v >= 1000 {
		return thousands(int(v))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// place puts the rounds of a candidate on the axis.
func (l *line) place(a axis, median float64, rounds []float64) {
	l.Median = a.at(median)
	for _, v := range rounds {
		l.Dots = append(l.Dots, a.at(v))
	}
}
