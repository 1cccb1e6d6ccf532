// Package procgroup waits for the end of processes without reaping them, and tells
// whether anybody of a process group is left when its leader
// has ended.
package procgroup
