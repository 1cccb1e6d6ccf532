package cli

import (
	"strings"
	"testing"
)

// A process that is left behind with the output of its command is told of, at the
// end and in the result.
func TestLeaksAreTold(t *testing.T) {
	t.Parallel()
	path, tell := fifo(t)
	o := invoke(t, "", "run", "--json", "-k", "--", "sh", "-c", `test $1 = clean || cat $1 & test $1 != clean || wait`, "sh", ":::", path, "clean")
	tell()
	o.want(t, exitOK, "1 command left a process behind that holds its output: "+path)
	lines := strings.Split(o.out, "\n")
	if !strings.Contains(lines[0], `"leaked":true`) || strings.Contains(lines[1], `"leaked"`) {
		t.Errorf("results:\n%s", o.out)
	}
}
