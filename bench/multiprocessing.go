package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

// multiprocessingCases are the works of worker processes: calling them one call
// at a time, mapping over many items, sending them much, starting them, killing
// them, and having them wait.
//
// Every candidate has a process of its own that starts the workers, warms them up
// and reports on the work alone: how long it takes to start is not counted, but
// where that is the case.
func multiprocessingCases(short bool) ([]benchCase, func(), error) {
	if runtime.GOOS != "linux" {
		return nil, nil, fmt.Errorf("on %s there is no /proc to measure processes with: run it on Linux", runtime.GOOS)
	}
	dir, err := unpackPeers()
	if err != nil {
		return nil, nil, err
	}
	python := findPoolsPython(dir)
	var cases []benchCase
	for _, p := range poolCases {
		c := p.prepare(python, short)
		if p.work == "start" {
			n := p.size(short)
			c.braid = starter(dir, n)
			c.peers = append(c.peers, emptyProgram(dir, n))
		}
		cases = append(cases, c)
	}
	return cases, func() { os.RemoveAll(dir) }, nil
}

// A poolCase is a case whose candidates start workers.
type poolCase struct {
	name     string // with a verb for the size
	work     string // of the candidates in Go
	n        int    // its size; what that counts is said at the work
	short    int    // its size in a short run
	measures []measure
	inPython []poolPeer
	inGo     []string // keys of starters
}

// A poolPeer is a peer in Python.
type poolPeer struct {
	name string    // what users call it
	args [2]string // the case and the peer of peers/pools.py
	most int       // its size at most, where that of the case would take too long
}

var poolCases = []poolCase{
	{
		name: "call, for %s ms", work: "call", n: 1_000, short: 50,
		inPython: []poolPeer{
			{name: "Pool.apply", args: [2]string{"call", "pool"}},
			{name: "ProcessPoolExecutor", args: [2]string{"call", "executor"}},
			{name: "loky", args: [2]string{"call", "loky"}},
		},
		inGo: []string{"go-plugin gRPC", "go-plugin net/rpc", "socketpair, net poller", "socketpair", "spinning word"},
	},
	{
		name: "call after 10 ms idle, median of %s", work: "idle", n: 100, short: 5,
		inPython: []poolPeer{{name: "Pool.apply", args: [2]string{"idle", "pool"}}},
		inGo:     []string{"go-plugin gRPC", "socketpair, net poller", "socketpair"},
	},
	{
		name: "map over %s, 2 workers", work: "map", n: 1_000_000, short: 2_000,
		measures: []measure{{"an item", inSeconds}},
		inPython: []poolPeer{
			{name: "Pool.map, chunksize=1", args: [2]string{"map", "pool, one by one"}, most: 100_000},
			{name: "Pool.map", args: [2]string{"map", "pool"}},
			{name: "ProcessPoolExecutor.map, chunksize=1", args: [2]string{"map", "executor"}, most: 20_000},
			{name: "joblib.Parallel, loky", args: [2]string{"map", "parallel"}},
		},
	},
	{
		name: "%s MiB of bytes there and back", work: "bytes", n: 64, short: 1,
		inPython: []poolPeer{
			{name: "Pool.apply", args: [2]string{"bytes", "pool"}},
			{name: "ProcessPoolExecutor", args: [2]string{"bytes", "executor"}},
			{name: "loky", args: [2]string{"bytes", "loky"}},
		},
		inGo: []string{"go-plugin net/rpc", "memcpy twice", "memcpy twice, newly allocated"},
	},
	{
		name: "%s MiB of float64 there and back", work: "floats", n: 64, short: 1,
		inPython: []poolPeer{
			{name: "Pool.apply, array", args: [2]string{"array", "pool"}},
			{name: "ProcessPoolExecutor, array", args: [2]string{"array", "executor"}},
			{name: "loky, array", args: [2]string{"array", "loky"}},
			{name: "Pool.apply, numpy", args: [2]string{"numpy", "pool"}},
			{name: "ProcessPoolExecutor, numpy", args: [2]string{"numpy", "executor"}},
			{name: "joblib.Parallel, loky, numpy", args: [2]string{"numpy", "parallel"}},
		},
		inGo: []string{"memcpy twice", "memcpy twice, newly allocated"},
	},
	{
		name: "start of a worker to its first result, median of %s", work: "start", n: 20, short: 2,
		inPython: []poolPeer{
			{name: "Pool, spawn", args: [2]string{"start", "spawn"}},
			{name: "Pool, forkserver", args: [2]string{"start", "forkserver"}},
			{name: "Pool, fork", args: [2]string{"start", "fork"}},
			{name: "loky", args: [2]string{"start", "loky"}},
		},
		inGo: []string{"go-plugin gRPC", "go-plugin net/rpc"},
	},
	{
		name: "kill storm, %s × 1 ms", work: "storm", n: 10_000, short: 500,
		measures: []measure{
			{"results", inYield},
			{"time to the last", inSeconds},
			{"rate beside its own without kills", inShare},
			{"tasks done again", inNumber},
			{"workers killed", inEvents},
			{"pools started again", inNumber},
		},
		inPython: []poolPeer{
			{name: "Pool.imap_unordered until it hangs", args: [2]string{"storm", "pool"}},
			{name: "ProcessPoolExecutor, started again", args: [2]string{"storm", "executor"}},
			{name: "loky, started again", args: [2]string{"storm", "loky"}},
		},
	},
	{
		name: "memory of %s idle worker", work: "memory", n: 1, short: 1,
		measures: []measure{{"PSS", inBytes}, {"RSS", inBytes}},
		inPython: []poolPeer{
			{name: "Pool, fork", args: [2]string{"memory", "fork"}},
			{name: "Pool, spawn", args: [2]string{"memory", "spawn"}},
			{name: "loky", args: [2]string{"memory", "loky"}},
		},
		inGo: []string{"go-plugin gRPC"},
	},
}

func (p poolCase) size(short bool) int {
	if short {
		return p.short
	}
	return p.n
}

func (p poolCase) prepare(python poolsPython, short bool) benchCase {
	n := p.size(short)
	c := benchCase{
		name:     fmt.Sprintf(p.name, thousands(n)),
		braid:    candidate{name: "braid", absent: "it does not do this yet"},
		measures: p.measures,
		warm:     true,
	}
	if braidDoes(p.work) {
		c.braid = poolCandidate(p.goes("braid", n))
	}
	for _, peer := range p.inPython {
		c.peers = append(c.peers, poolCandidate(python.does(peer, n)))
	}
	for _, name := range p.inGo {
		c.peers = append(c.peers, poolCandidate(p.goes(name, n)))
	}
	return c
}

// goes is the program in Go: this one, as a child that starts the workers.
func (p poolCase) goes(name string, n int) program {
	return inGo(name, 0, "pool", p.work, name, strconv.Itoa(n))
}

// poolCandidate is p, which prints the values of the measures.
func poolCandidate(p program) candidate {
	return p.candidate(func(p program) (values []float64, err error) {
		err = p.says(&values)
		return values, err
	})
}

// starter is braid in a program that holds nothing else: a worker is the program of its
// parent, and this one imports all peers.
func starter(dir string, n int) candidate {
	c := candidate{name: "braid"}
	path, err := build(dir, "starter", "./starter")
	if err != nil {
		c.absent = err.Error()
		return c
	}
	return poolCandidate(program{name: "braid", command: []string{path, strconv.Itoa(n)}})
}

// emptyProgram is the median of n starts of the least program in Go, to its end.
func emptyProgram(dir string, n int) candidate {
	c := candidate{name: "empty program in Go, to its exit"}
	source := filepath.Join(dir, "empty.go")
	err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600)
	if err != nil {
		c.absent = err.Error()
		return c
	}
	path, err := build(dir, "empty", source)
	if err != nil {
		c.absent = err.Error()
		return c
	}
	c.run = func() ([]float64, error) {
		return medianOf(n, func() (time.Duration, error) {
			began := time.Now()
			err := exec.Command(path).Run()
			return time.Since(began), err
		})
	}
	return c
}

// build builds a program into dir and returns its path.
func build(dir, name, what string) (string, error) {
	path := filepath.Join(dir, name)
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, what).CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot be built: %w\n%s", err, out)
	}
	return path, nil
}

// medianOf is the median, in seconds, of what do takes n times, after a time that
// does not count.
func medianOf(n int, do func() (time.Duration, error)) ([]float64, error) {
	took := make([]float64, n+1)
	for i := range took {
		d, err := do()
		if err != nil {
			return nil, err
		}
		took[i] = d.Seconds()
	}
	return []float64{median(took[1:])}, nil
}
