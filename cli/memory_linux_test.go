//go:build !race

package cli

import (
	"testing"

	"github.com/go-braid/braid/internal/proctest"
)

// A worker that needs more memory than it may have dies, and the others go on. The
// race detector itself needs more.
func TestMemory(t *testing.T) {
	proctest.Check(t)
	o := invoke(t, "", "run", "--engine", "processes", "-j1", "-q", "--memory", "128M", "crash", "hoard", "fine")
	o.want(t, exitFailed, ": hoard: its process was killed for want of memory: ")
	if o.out != "fine\n" {
		t.Errorf("printed %q", o.out)
	}
	// That little is enough to begin with.
	o = invoke(t, "", "run", "--engine", "processes", "-j1", "-q", "--memory", "64M", "double", "1")
	o.want(t, exitOK)
}
