//go:build !unix

package procgroup

// A Group is the process alone, which has ended.
type Group struct {
	// ID is the number of the process.
	ID int
}

// Alive returns false.
func (g *Group) Alive() bool { return false }
