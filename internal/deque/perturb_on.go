//go:build race || invariants

package deque

import (
	"math/rand/v2"
	"runtime"
)

// perturb stands between two steps that must be right whatever others do in between. In
// builds for tests it lets them do it now and then, which else would happen once in a
// million times, and never on a single processor.
func perturb() {
	if rand.Uint32N(8) == 0 {
		runtime.Gosched()
	}
}
