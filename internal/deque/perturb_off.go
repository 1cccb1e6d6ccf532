//go:build !race && !invariants

package deque

// perturb does nothing, other than in builds for tests.
func perturb() {}
