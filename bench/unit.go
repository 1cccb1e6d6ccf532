package main

import (
	"fmt"
	"math"
	"regexp"
	"time"
)

// A unit is what a measure is in.
type unit struct {
	symbol string // in JSON
	format func(float64) string
	// below and above say what braid is beside its peer if the ratio is below or
	// above 1. They are empty where neither is better.
	below, above string
	higher       bool // the higher value is the better one
}

var (
	inSeconds = unit{"s", seconds, "faster", "slower", false}
	inBytes   = unit{"B", size, "smaller", "larger", false}
	// Of the things counted, fewer are better.
	inNumber = unit{"", count, "fewer", "more", false}
	inMean   = unit{"", hundredths, "fewer", "more", false}
	// Of the things counted, more are better.
	inYield = unit{"", count, "fewer", "more", true}
	// A share of a rate.
	inShare = unit{"share", percent, "slower", "faster", true}
	// Things that are counted to know them.
	inEvents = unit{"", count, "", "", false}
)

// verdict says what the interval of a ratio of values in u allows to say: nothing
// if it spans 1, or if there were too few rounds to have one.
func (u unit) verdict(lo, hi float64, rounds int) verdict {
	switch {
	case u.below == "" || math.IsNaN(lo) || math.IsNaN(hi):
		return verdict{}
	case rounds < fewestRounds:
		return verdict{word: "too few rounds"}
	case hi < 1:
		return verdict{u.below, better(!u.higher)}
	case lo > 1:
		return verdict{u.above, better(u.higher)}
	}
	return verdict{word: "no difference"}
}

// zeros are the decimals that a label does without.
var zeros = regexp.MustCompile(`\.0+([^0-9]|$)`)

// label writes a round value.
func (u unit) label(v float64) string {
	text := u.format(v)
	if u.symbol == inBytes.symbol {
		prefixes := []string{"B", "KiB", "MiB", "GiB"}
		for len(prefixes) > 1 && v >= 1024 {
			v /= 1024
			prefixes = prefixes[1:]
		}
		text = fmt.Sprintf("%.1f %s", v, prefixes[0])
	}
	return zeros.ReplaceAllString(text, "$1")
}

// base is what the steps of its prefixes are powers of.
func (u unit) base() float64 {
	if u.symbol == inBytes.symbol {
		return 1024
	}
	return 10
}

// A verdict is what a row says of braid.
type verdict struct {
	word string
	side int // 1 if that is good, -1 if it is bad, 0 if neither
}

func better(yes bool) int {
	if yes {
		return 1
	}
	return -1
}

// seconds writes a time to three digits.
func seconds(v float64) string {
	if v != 0 && math.Abs(v) < 1e-7 { // to a tenth, as far as it says anything
		return fmt.Sprintf("%.1fns", v*1e9)
	}
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

// hundredths writes a number of things that may be few, on average.
func hundredths(v float64) string { return fmt.Sprintf("%.2f", v) }

// percent writes a share of one.
func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

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

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(n) + " " + thing + "s"
}
