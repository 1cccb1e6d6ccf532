package procgroup

import (
	"os"
	"syscall"
	"testing"
)

func TestGroupInProc(t *testing.T) {
	if self := os.Getpid(); !inGroup(self, syscall.Getpgrp()) || inGroup(self, self+1<<20) {
		t.Error("this process is not in its group alone")
	}
	g := Group{ID: syscall.Getpgrp()}
	if !g.Alive() || len(g.known) == 0 || !g.Alive() {
		t.Error("the group of this process is not alive")
	}
	if g := (Group{ID: 1 << 30}); g.Alive() {
		t.Error("a group that cannot be is alive")
	}
}
