//go:build !(race || invariants)

package asyncio

// A guard knows which goroutine runs the loop, in builds that look: see
// check_on.go.
type guard struct{}

func (*guard) enter(*worker) {}

type owner struct{}

func (*owner) claim() {}

func (*Loop) checkGoroutine() {}
