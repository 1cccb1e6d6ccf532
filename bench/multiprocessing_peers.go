package main

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A poolsPython is an interpreter that runs peers/pools.py.
type poolsPython struct {
	program // without the script
	script  string
	loky    string // versions; empty where it has none
	numpy   string
}

// does returns the program that does a peer, in a size of n or less.
func (p poolsPython) does(peer poolPeer, n int) program {
	what, who := peer.args[0], peer.args[1]
	q := program{name: peer.name, absent: p.absent, python: p.python}
	switch {
	case p.absent != "":
	case (who == "loky" || who == "parallel") && p.loky == "":
		q.absent = "no python3 has joblib; on Debian: apt-get install python3-joblib"
	case what == "numpy" && p.numpy == "":
		q.absent = "the python3 of its peers has no numpy; on Debian: apt-get install python3-numpy"
	default:
		q.name = strings.NewReplacer("loky", "loky "+p.loky, "numpy", "numpy "+p.numpy).Replace(peer.name) + ", " + p.name
		if peer.most != 0 && peer.most < n {
			n = peer.most
			q.name += ", " + thousands(n) + " items"
		}
		q.command = []string{p.command[0], p.script, what, who, strconv.Itoa(n)}
	}
	return q
}

// findPoolsPython returns one interpreter for all, so that only the library
// differs: the one that the user calls python3, unless only the system's has
// joblib.
func findPoolsPython(dir string) poolsPython {
	const probe = `
import platform
try:
    from joblib.externals.loky import __version__ as loky
except ImportError:
    loky = "none"
try:
    from numpy import __version__ as numpy
except ImportError:
    numpy = "none"
print(platform.python_implementation(), platform.python_version(), loky, numpy)`
	found := poolsPython{program: program{absent: "no python3; on Debian: apt-get install python3"}}
	for _, interpreter := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.Command(interpreter, "-c", probe).Output()
		words := strings.Fields(string(out))
		if err != nil || len(words) != 4 || found.absent == "" && words[2] == "none" {
			continue
		}
		version := words[0] + " " + words[1]
		found = poolsPython{
			program: program{name: version, command: []string{interpreter}, python: version},
			script:  filepath.Join(dir, "pools.py"),
			loky:    strings.TrimSuffix(words[2], "none"),
			numpy:   strings.TrimSuffix(words[3], "none"),
		}
		if found.loky != "" {
			break
		}
	}
	return found
}
