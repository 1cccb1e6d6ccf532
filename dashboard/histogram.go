package dashboard

import "math/bits"

// A histogram counts durations in microseconds. Its classes are an eighth of a
// power of two wide, so a quantile is right to 12 %.
type histogram struct {
	n       uint64
	classes [64 * 8]uint64
}

func class(v float64) int {
	u := uint64(max(v, 0))
	if u < 8 {
		return int(u)
	}
	shift := bits.Len64(u) - 4 // leaves four bits, of which the first is set
	return (shift+1)*8 + int(u>>shift&7)
}

func (h *histogram) add(v float64) {
	h.classes[class(v)]++
	h.n++
}

// quantile returns the duration below which the share q of all lies.
func (h *histogram) quantile(q float64) float64 {
	if h.n == 0 {
		return 0
	}
	rank := uint64(q * float64(h.n-1))
	var seen uint64
	for c, n := range h.classes {
		if seen += n; seen > rank {
			if c < 8 {
				return float64(c)
			}
			shift := c/8 - 1
			low := float64(uint64(8+c%8) << shift)
			return low + float64(uint64(1)<<shift)/2
		}
	}
	return 0
}
