package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// writeText writes rows as a table for a terminal.
func writeText(w io.Writer, rows []row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "case\tbraid\t±\tpeer\t\t±\tratio\t95 %\tverdict")
	for _, r := range rows {
		c := r.cells()
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.name, c.braid, c.braidSpread, r.peer, c.value, c.spread, c.ratio, c.interval, c.verdict)
	}
	return t.Flush()
}

// cells are a row as people read it. What there is not is a dash.
type cells struct {
	braid, braidSpread, value, spread, ratio, interval, verdict string
}

func (r row) cells() cells {
	c := cells{"-", "-", r.unit.format(r.value), inPercent(spread(r.values)), factor(r.ratio), "-", r.verdict().word}
	if r.braids != nil {
		c.braid, c.braidSpread = r.unit.format(r.braid), inPercent(spread(r.braids))
	}
	if !math.IsNaN(r.lo) && !math.IsInf(r.lo, 1) {
		c.interval = fmt.Sprintf("[%s, %s]", factor(r.lo), factor(r.hi))
	}
	if c.verdict == "" {
		c.verdict = "-"
	}
	return c
}

// inPercent writes a spread.
func inPercent(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*v)
}

// factor writes a ratio, and does not round what is not 1 to 1.
func factor(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case math.IsInf(v, 1):
		return "∞"
	case v >= 1000:
		return thousands(int(v))
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
