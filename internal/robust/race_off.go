//go:build !race

package robust

// raceEnabled says that the race detector looks on.
const raceEnabled = false
