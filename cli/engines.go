package cli

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/threading"
)

// An engineKind is an engine that the command can run tasks on.
type engineKind struct {
	name string
	doc  string
	// auto is how many tasks "run -j auto" has at once; 0 means as many as there
	// are processors.
	auto int
	// open makes the engine.
	open func(engineConfig) (engineHandle, error)
}

// An engineConfig is what the command line says of an engine.
type engineConfig struct {
	jobs     int // tasks at once
	listener *engine.Listener

	// What is for worker processes alone.
	maxTasks int               // a worker is replaced after so many; 0 is without limit
	memory   int64             // that a worker may have, in bytes; 0 is without limit
	stdout   func(line string) // gets what tasks print
	stderr   func(line string) // and what else they say
}

// An engineHandle is an engine in use.
type engineHandle struct {
	engine.Executor
	close func(context.Context) error
	// resize, if there is one, sets how many tasks run at once; else that is a matter of
	// how many are in flight.
	resize func(jobs int) error
	// kill, if there is one, ends by force what close would wait for.
	kill func()
	// remark, if there is one, says after a run what should be known about it, or
	// nothing.
	remark func() string
	// pids, if there is one, returns the processes that the tasks run in.
	pids func() []int
}

// Unwrap gives what the engine can do beside taking calls; see engine.As.
func (h engineHandle) Unwrap() engine.Executor { return h.Executor }

// engineKinds are the engines, the yardstick first and then the one to choose
// when nothing is said.
var engineKinds = []engineKind{
	{
		name: serialName,
		doc:  "one after the other",
		open: func(c engineConfig) (engineHandle, error) {
			return engineHandle{Executor: engine.NewSerial(c.listener), close: func(context.Context) error { return nil }}, nil
		},
	},
	{
		name: "threads",
		doc:  "a pool of goroutines in this process",
		open: func(c engineConfig) (engineHandle, error) {
			p := threading.NewPool(threading.Config{Workers: c.jobs, Listener: c.listener})
			return engineHandle{Executor: p, close: p.Close, resize: p.Resize}, nil
		},
	},
	{
		name: asyncName,
		doc:  "an event loop: coroutines in one thread, for tasks that wait",
		auto: 256,
		open: openAsync,
	},
	{
		name: processesName,
		doc:  "worker processes, for tasks that crash, leak, hang or eat memory",
		open: openProcesses,
	},
}

const (
	serialName = "serial"
	asyncName  = "async"
)

// openAsync makes an event loop. A step that holds the loop is worth a line at the
// end of a run; a line with a stack for each would bury all else.
func openAsync(c engineConfig) (engineHandle, error) {
	const limit = 100 * time.Millisecond
	var slow atomic.Int64
	loop := asyncio.NewLoop(asyncio.Config{
		Concurrency: c.jobs, Listener: c.listener,
		SlowStep: limit, OnSlowStep: func(asyncio.SlowStep) { slow.Add(1) },
	})
	return engineHandle{Executor: loop, close: loop.Close, remark: func() string {
		n := slow.Load()
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("%s held the loop for %v or longer, and all other tasks waited: for work that computes or blocks there is --engine %s",
			plural(int(n), "step"), limit, defaultEngine)
	}}, nil
}

const defaultEngine = "threads"

func engineNames() []string {
	names := make([]string, len(engineKinds))
	for i, k := range engineKinds {
		names[i] = k.name
	}
	return names
}

func engineByName(name string) (engineKind, error) {
	for _, k := range engineKinds {
		if k.name == name {
			return k, nil
		}
	}
	names := engineNames()
	return engineKind{}, usageError(
		fmt.Errorf("there is no engine %q%s: there are %s", name, didYouMean(name, names), strings.Join(names, ", ")),
		"--engine "+defaultEngine)
}

// windowFor returns how many calls are in flight at most, so that so many run at
// once. Those above wait in the engine's queue: enough that workers find work
// even when the loop that launches calls gets no processor for a while. If the
// run is stopped they are withdrawn. An event loop has no queue: it starts
// whatever it is given.
func windowFor(kind engineKind, jobs int) int {
	switch kind.name {
	case serialName:
		return 1
	case asyncName:
		return jobs
	}
	return 32 * jobs
}

// aheadFor returns how many results -k may hold back until an earlier one is there.
func aheadFor(kind engineKind, jobs int) int { return max(1000, 2*windowFor(kind, jobs)) }

// maxJobs is far beyond what helps. It keeps a slip of the keyboard from making
// a window that memory cannot hold.
const maxJobs = 100_000

// parseJobs reads the value of -j: a number, a percentage of the processors, or
// auto.
func parseJobs(s string) (int, error) {
	cpus := runtime.GOMAXPROCS(0)
	bad := usageError(fmt.Errorf("-j %q: it is a number from 1 to %d, a percentage of the %d processors, or auto", s, maxJobs, cpus), "-j auto")
	if s == "auto" {
		return cpus, nil
	}
	if p, ok := strings.CutSuffix(s, "%"); ok {
		f, err := strconv.ParseFloat(p, 64)
		jobs := math.Round(f / 100 * float64(cpus))
		if err != nil || !(f > 0) || jobs > maxJobs {
			return 0, bad
		}
		return max(1, int(jobs)), nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxJobs {
		return 0, bad
	}
	return n, nil
}
