package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// childArg is the first argument of this program when it starts itself: each
// candidate in Go has a process of its own, as those in other languages do.
const childArg = "-child"

// child does what the parent asks for: a body, a server, a pool of workers or one
// of those, or sleepers.
func child(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "body":
		return runBody(args[1], args[2], args[3])
	case len(args) == 2 && args[0] == "server":
		return serve(args[1])
	case len(args) == 4 && args[0] == "pool":
		return runPool(args[1], args[2], args[3])
	case len(args) == 2 && args[0] == "worker":
		return runChildWorker(args[1])
	case len(args) == 4 && args[0] == "sleepers":
		return runSleepers(args[1], args[2], args[3])
	}
	return fmt.Errorf("%s %s: this program alone uses that", childArg, strings.Join(args, " "))
}

// A work is a body of a candidate, ready to be done: run is timed, check is not.
type work struct {
	run   func() error
	check func() error // nil if run says all
}

// A body prepares a work of size n.
type body func(n int) work

// bodies are the works in Go: by who does them, and what is done.
var bodies = map[string]map[string]body{
	"braid":      braidBodies,
	"goroutines": goroutineBodies,
}

// runBody does a body, such as braid/spawn, with size warm, unless that is 0, and then
// with size n. It prints a report on the second.
func runBody(name, n, warm string) error {
	who, what, _ := strings.Cut(name, "/")
	b, ok := bodies[who][what]
	size, err1 := strconv.Atoi(n)
	warmUp, err2 := strconv.Atoi(warm)
	if err := cmp.Or(err1, err2); err != nil || !ok {
		return fmt.Errorf("%s body %s %s %s: not a body and two sizes", childArg, name, n, warm)
	}
	if warmUp > 0 {
		if _, err := b.time(warmUp); err != nil {
			return err
		}
		runtime.GC()
	}
	var r report
	var err error
	if r.Before, err = resident(os.Getpid()); err != nil {
		return err
	}
	if r.Seconds, err = b.time(size); err != nil {
		return err
	}
	if r.Peak, err = peakResident(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// time does the body once and returns the seconds that it took.
func (b body) time(n int) (float64, error) {
	w := b(n)
	began := time.Now()
	if err := w.run(); err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	if w.check != nil {
		if err := w.check(); err != nil {
			return 0, fmt.Errorf("the body ran, but its result is wrong: %w", err)
		}
	}
	return took, nil
}
