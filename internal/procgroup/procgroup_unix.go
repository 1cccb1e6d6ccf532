//go:build unix && !linux

package procgroup

import "golang.org/x/sys/unix"

// A Group is a process group whose leader has ended and is reaped. Its number stays
// taken as long as it has members.
type Group struct {
	// ID is the number of the group, and was that of its leader.
	ID int
}

// Alive reports whether a member of the group is left.
func (g *Group) Alive() bool {
	err := unix.Kill(-g.ID, 0)
	return err == nil || err == unix.EPERM
}
