package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// injected is the number of faults that were injected.
func (t *totals) injected() (n int) {
	for _, phases := range t.cells {
		for _, hits := range phases {
			n += hits
		}
	}
	return n
}

// write writes the tables.
func (t *totals) write(w io.Writer, took time.Duration) {
	cells, kinds := 0, 0
	tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "fault\tphases\toutcomes of the calls hit")
	for k := range kind(len(traits)) {
		phases, outcomes := t.cells[k], t.faults[k]
		if len(phases) == 0 {
			continue
		}
		kinds++
		for _, n := range phases {
			if n > 0 {
				cells++
			}
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", k, row(phases), row(outcomes))
	}
	_ = tw.Flush()
	n := t.injected()
	seconds := took.Seconds()
	fmt.Fprintf(w, "\noutcomes: %s\n", row(t.outcomes))
	fmt.Fprintf(w, "calls were over %v after their cancel at most\n", t.latest.Round(time.Millisecond))
	fmt.Fprintf(w, "%d calls (%.0f/s), %d faults of %d kinds in %d cells (%.1f/s), %d workers died, %d stray messages, %d rounds, %.0f s\n",
		t.calls, float64(t.calls)/seconds, n, kinds, cells, float64(n)/seconds, t.deaths, t.strays, t.rounds, seconds)
}

// row writes counts, the largest first.
func row[K ~string](counts map[K]int) string {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(string(a), string(b))
	})
	var parts []string
	for _, k := range keys {
		if counts[k] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", k, counts[k]))
		}
	}
	return strings.Join(parts, ", ")
}

// write writes a violation.
func (v violation) write(w io.Writer, seed uint64) {
	fmt.Fprintf(w, "\nVIOLATION: %s\n  seed %d", v.what, seed)
	if v.id != 0 {
		fmt.Fprintf(w, ", call %d (%s)", v.id, planOf(seed, v.id).kind)
	}
	fmt.Fprintln(w)
	for _, line := range v.lines {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(strings.TrimRight(line, "\n"), "\n", "\n  "))
	}
}

// A sample is the driver's memory at the end of a round.
type sample struct {
	at        time.Time
	rss, heap float64
}

// growth returns by how much the medians of the last and of the first third of some
// values differ, those of the warm-up apart, and the slope that this is in 10 minutes.
func growth(samples []sample, of func(sample) float64) (grown, slope float64, known bool) {
	if len(samples) < 2 {
		return 0, 0, false
	}
	samples = samples[min(2, len(samples)-2):]
	third := max(1, len(samples)/3)
	first, last := samples[:third], samples[len(samples)-third:]
	grown = median(last, of) - median(first, of)
	span := last[third/2].at.Sub(first[third/2].at)
	return grown, grown * float64(10*time.Minute) / float64(span), span > 0
}

func median(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
