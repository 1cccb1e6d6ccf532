package strand_test

import (
	"testing"

	"github.com/go-braid/braid/strand"
)

// TestOutside: what objects of this package park with is ended by strands, and the rest
// is not.
func TestOutside(t *testing.T) {
	want := map[string]bool{"read": true, "write": true, "accept": true, "connect": true, "exit": true, "signal": true}
	for k := strand.OpNone; k <= strand.OpSignal; k++ {
		if got := k.Outside(); got != want[k.String()] {
			t.Errorf("%v: Outside = %v", k, got)
		}
	}
}
