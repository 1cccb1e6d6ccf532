package main

import (
	"bytes"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

// TestMain lets the program of the tests be a worker, as the suite is.
func TestMain(m *testing.M) {
	multiprocessing.Main()
	if len(os.Args) > 1 && os.Args[1] == childArg {
		if err := child(os.Args[2:]); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	// The goroutine that starts worker processes never ends. It is started here, so
	// that no test takes it for a leak.
	w, err := startBraid()
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	w.stop()
	os.Exit(m.Run())
}

// onLinux skips where there are no workers in Go.
func onLinux(t *testing.T) {
	if runtime.GOOS != "linux" {
		proctest.Skip(t, "the suite multiprocessing runs on Linux only")
	}
}

// Everyone whom a case in Go names can do its work.
func TestPoolWorksInGo(t *testing.T) {
	onLinux(t)
	proctest.Check(t)
	for _, c := range poolCases {
		kinds := c.inGo
		if braidDoes(c.work) {
			kinds = append([]string{"braid"}, kinds...)
		}
		for _, kind := range kinds {
			t.Run(c.work+"/"+kind, func(t *testing.T) {
				n, positive := 1, max(1, len(c.measures))
				if c.work == "storm" {
					n, positive = 100, 3 // in so short a time nobody need be killed
				}
				values, err := doPool(c.work, kind, n)
				if err != nil {
					t.Fatal(err)
				}
				if len(values) != max(1, len(c.measures)) || slices.Min(values[:positive]) <= 0 {
					t.Errorf("values %v, want a positive one for each of %d measures", values, max(1, len(c.measures)))
				}
			})
		}
	}
}

func TestPoolWorksInPython(t *testing.T) {
	onLinux(t)
	proctest.Check(t)
	dir, err := unpackPeers()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	python := findPoolsPython(dir)
	for _, c := range poolCases {
		for _, peer := range c.inPython {
			n := 2
			if c.work == "storm" {
				n = 100
			}
			t.Run(strings.Join(peer.args[:], "/"), func(t *testing.T) {
				t.Parallel() // most of them wait for processes to start
				p := python.does(peer, n)
				if p.absent != "" {
					proctest.Skip(t, "%s: %s", p.name, p.absent)
				}
				values, err := poolCandidate(p).run()
				if err != nil {
					t.Fatal(err)
				}
				if len(values) != max(1, len(c.measures)) || slices.Min(values) < 0 {
					t.Errorf("values %v, want one for each of %d measures", values, max(1, len(c.measures)))
				}
				if c.work != "storm" && values[0] == 0 {
					t.Errorf("values %v: the first is 0", values)
				}
			})
		}
	}
}

func TestDoPoolKnowsWhoDoesWhat(t *testing.T) {
	for _, c := range [][2]string{{"call", "pigeon"}, {"dance", "socketpair"}} {
		if _, err := doPool(c[0], c[1], 1); err == nil || !strings.Contains(err.Error(), "nobody does that") {
			t.Errorf("%s with %s: %v, want an error", c[0], c[1], err)
		}
	}
}

func TestThereAndBackNoticesWhatIsWrong(t *testing.T) {
	sent := []byte("abc")
	for _, c := range []struct {
		back string
		ok   bool
	}{{"abc", true}, {"abd", false}, {"ab", false}} {
		send := func([]byte) ([]byte, error) { return []byte(c.back), nil }
		if _, err := thereAndBack(sent, send, bytes.Equal); (err == nil) != c.ok {
			t.Errorf("%q comes back as %q: %v", sent, c.back, err)
		}
	}
}

func TestPoolsPythonNamesAndLacks(t *testing.T) {
	p := poolsPython{program: program{name: "CPython 3", command: []string{"py"}}, script: "pools.py", numpy: "1.2"}
	got := p.does(poolPeer{name: "map, numpy", args: [2]string{"numpy", "pool"}, most: 1000}, 2000)
	if got.name != "map, numpy 1.2, CPython 3, 1,000 items" || strings.Join(got.command, " ") != "py pools.py numpy pool 1000" {
		t.Errorf("%q does %q", got.name, got.command)
	}
	got = p.does(poolPeer{name: "loky", args: [2]string{"call", "loky"}}, 1)
	if got.name != "loky" || !strings.Contains(got.absent, "python3-joblib") {
		t.Errorf("%q, absent %q; want it absent for lack of joblib", got.name, got.absent)
	}
	if got = (poolsPython{program: program{absent: "gone"}}).does(poolPeer{name: "Pool"}, 1); got.absent != "gone" {
		t.Errorf("absent %q, want what the interpreter says", got.absent)
	}
}
