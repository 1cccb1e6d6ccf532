package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// poolWorkers is how many tasks every pool runs at once.
const poolWorkers = 2

// taskMeasures are what is measured of many small tasks, each.
var taskMeasures = []measure{{"time a task", inSeconds}, {"allocations a task", inMean}}

// threadingCases are the works of a goroutine pool. All candidates run in this
// process, in turn, with GOMAXPROCS as it is; a round begins with a collected
// heap and a fresh pool whose workers have run tasks before the clock starts.
func threadingCases(short bool) ([]benchCase, func(), error) {
	n := func(full, small int) int {
		if short {
			return small
		}
		return full
	}
	dir, err := unpackPeers()
	if err != nil {
		return nil, nil, err
	}
	python := findThreadsPython(dir)
	var cases []benchCase
	for _, submitters := range []int{1, 2, 8} {
		cases = append(cases, fireCase(submitters, n(200_000, 8_000)))
	}
	for _, submitters := range []int{1, 2, 8} {
		cases = append(cases, resultsCase(submitters, n(200_000, 8_000), python))
	}
	for _, submitters := range []int{1, 2, 8} {
		cases = append(cases, collectCase(submitters, n(200_000, 8_000)))
	}
	cases = append(cases,
		workCase(n(100_000, 4_000), time.Microsecond),
		workCase(n(20_000, 800), 10*time.Microsecond),
		workCase(n(4_000, 160), 100*time.Microsecond),
		mapCase(n(1_000_000, 20_000), 100*time.Nanosecond),
		fibCase(n(27, 15)),
		sortCase(n(10_000_000, 100_000)),
		treeCase(n(6, 4), "nothing", idleLeaf),
		treeCase(n(6, 4), "half factorial", mixedLeaf),
		sleepCase(n(1_000_000, 10_000), n(50_000, 1_000)),
		tailCase(n(200_000, 5_000), time.Microsecond),
	)
	cases = append(cases, primitiveCases(n(1_000_000, 4_000))...)
	return cases, func() { os.RemoveAll(dir) }, nil
}

// fireCase is n empty tasks without results, handed over by so many submitters.
// The task is the same function in all candidates: it counts itself as done.
func fireCase(submitters, n int) benchCase {
	run := func(s spawner) candidate {
		return candidate{name: s.name, run: func() ([]float64, error) {
			p := s.open(poolWorkers)
			defer p.close()
			var done sync.WaitGroup // panics if a task runs twice, and waits for ever if one does not run
			task := newJob(done.Done)
			work := func(n int) {
				done.Add(n)
				for i := range submitters {
					share := n*(i+1)/submitters - n*i/submitters
					go func() {
						for range share {
							p.spawn(task)
						}
					}()
				}
				done.Wait()
			}
			work(1000) // the workers start
			runtime.GC()
			return perTask(n, func() error { work(n); return nil })
		}}
	}
	c := benchCase{name: "fire and forget, empty, " + plural(submitters, "submitter"), braid: run(braidSpawner), measures: taskMeasures}
	for _, s := range spawners {
		c.peers = append(c.peers, run(s))
	}
	return c
}

// mallocs is the number of objects that this process has allocated.
func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// findThreadsPython returns the interpreter that the user calls python3, with the
// script of the threads.
func findThreadsPython(dir string) program {
	p := program{name: "ThreadPoolExecutor", absent: "no python3; on Debian: apt-get install python3"}
	const probe = "import platform; print(platform.python_implementation(), platform.python_version())"
	if out, err := exec.Command("python3", "-c", probe).Output(); err == nil {
		p = program{python: strings.TrimSpace(string(out)), command: []string{"python3", filepath.Join(dir, "threads.py")}}
		p.name = "ThreadPoolExecutor, " + p.python
	}
	return p
}
