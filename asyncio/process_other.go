//go:build unix && !linux

package asyncio

import "golang.org/x/sys/unix"

// awaitExit says that it cannot: waitid, where there is one, returns for a stopped
// process, too.
func awaitExit(pid int) bool { return false }

// A group is a process group whose leader has ended and is reaped. Its number stays
// taken as long as it has members.
type group struct{ id int }

// alive reports whether a member of the group is left.
func (g *group) alive() bool {
	err := unix.Kill(-g.id, 0)
	return err == nil || err == unix.EPERM
}
