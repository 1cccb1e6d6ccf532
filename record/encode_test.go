package record

import (
	"math"
	"strconv"
	"testing"
)

// TestDigits compares numbers of all lengths with those of package strconv.
func TestDigits(t *testing.T) {
	check := func(n uint64) {
		if got, want := string(digits(nil, n)), strconv.FormatUint(n, 10); got != want {
			t.Fatalf("digits of %s are %q", want, got)
		}
	}
	for n := uint64(0); n < 1e8; n += 97 { // a prime: all places go through all digits
		check(n)
	}
	for power := uint64(1); ; power *= 10 {
		check(power - 1)
		check(power)
		check(power + 1)
		if power > math.MaxUint64/10 {
			break
		}
	}
	check(math.MaxUint64)
	for _, n := range []int64{-1, math.MinInt64} {
		if got, want := string(always(nil, ":", n)), ":"+strconv.FormatInt(n, 10); got != want {
			t.Errorf("%s is written as %s", want, got)
		}
	}
}
