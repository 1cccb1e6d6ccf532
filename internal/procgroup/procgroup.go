// Package procgroup tells whether anybody of a process group is left when its leader
// has ended.
package procgroup
