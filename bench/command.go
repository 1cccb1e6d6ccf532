package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// commandCases launch many commands that do nothing, two at once.
func commandCases(short bool) ([]benchCase, func(), error) {
	dir, err := os.MkdirTemp("", "braid-bench")
	if err != nil {
		return nil, nil, err
	}
	cleanup := func() { os.RemoveAll(dir) }
	braid := filepath.Join(dir, "braid")
	// go run -C bench leaves us in the folder of this module.
	build := exec.Command("go", "build", "-C", "..", "-o", braid, "./cmd/braid")
	if out, err := build.CombinedOutput(); err != nil {
		cleanup()
		return nil, nil, fmt.Errorf("cannot build braid: %w\n%s", err, out)
	}
	n := 2000
	if short {
		n = 200
	}
	var lines strings.Builder
	for i := range n {
		fmt.Fprintln(&lines, i)
	}
	piped := func(name string, args ...string) func() ([]float64, error) {
		return timed(func() error {
			cmd := exec.Command(name, args...)
			cmd.Stdin = strings.NewReader(lines.String())
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%w\n%s", err, out)
			}
			return nil
		})
	}
	return []benchCase{{
		name:  thousands(n) + " × true, two at once",
		braid: candidate{name: "braid run", run: piped(braid, "run", "-q", "-j", "2", "--", "true", "{}")},
		peers: []candidate{
			{name: "bare os/exec loop", run: timed(func() error { return bareLoop(n, 2) })},
			installed("xargs", "findutils", piped("xargs", "-P2", "-n1", "true")),
			installed("parallel", "parallel", piped("parallel", "--will-cite", "-j2", "true", "{}")),
		},
	}}, cleanup, nil
}

// installed is a candidate that is a program of a Debian package.
func installed(program, debian string, run func() ([]float64, error)) candidate {
	c := candidate{name: program, run: run}
	if _, err := exec.LookPath(program); err != nil {
		c.absent = "not installed; on Debian: apt-get install " + debian
	}
	return c
}

// bareLoop is the least that a Go program can do: so many goroutines that run
// one command after the other.
func bareLoop(n, goroutines int) error {
	jobs := make(chan int)
	errs := make(chan error, goroutines)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range jobs {
				if err := exec.Command("true", fmt.Sprint(i)).Run(); err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			}
		})
	}
	for i := range n {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}
