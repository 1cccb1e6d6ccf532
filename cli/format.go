package cli

import (
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
)

// count writes a number with separators.
func count(n int) string { return humanize.Comma(int64(n)) }

// plural writes a number of things.
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return count(n) + " " + thing
}

// rate writes a number with three digits that matter.
func rate(f float64) string {
	if f >= 1000 {
		return humanize.Comma(int64(f + 0.5))
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

// size writes a number of bytes.
func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// brief writes a duration with three digits that matter.
func brief(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + "s"
	case d >= time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + "ms"
	}
	return strconv.FormatInt(d.Microseconds(), 10) + "µs"
}
