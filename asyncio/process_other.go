//go:build unix && !linux

package asyncio

// awaitExit says that it cannot: waitid, where there is one, returns for a stopped
// process, too.
func awaitExit(pid int) bool { return false }
