//go:build unix && !linux

package command

// awaitExit says that it cannot: waitid, where there is one, returns for a
// stopped process too.
func awaitExit(pid int) bool { return false }
