package procgroup

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// A Group is a process group whose leader has ended and need not be reaped yet. The
// leader cannot be told from a living process by kill(2), so the group is looked up in
// /proc.
type Group struct {
	// ID is the number of the group, and was that of its leader.
	ID int

	known []int // members when last seen
}

// Alive reports whether a member of the group is alive. It searches all
// processes only when none of those that it knows is left. Where /proc cannot
// be read, it says yes, and the group gets the whole of its time.
func (g *Group) Alive() bool {
	for _, pid := range g.known {
		if inGroup(pid, g.ID) {
			return true
		}
	}
	g.known = g.known[:0]
	dir, err := os.Open("/proc")
	if err != nil {
		return true
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return true
	}
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && inGroup(pid, g.ID) {
			g.known = append(g.known, pid)
		}
	}
	return len(g.known) > 0
}

// inGroup reports whether the process pid is alive and in the group id.
func inGroup(pid, id int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	// pid (name) state ppid pgrp …, where the name may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return false
	}
	state, pgrp := fields[0][0], string(fields[2])
	return pgrp == strconv.Itoa(id) && state != 'Z' && state != 'X'
}
