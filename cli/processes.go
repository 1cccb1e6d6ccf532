package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

const processesName = "processes"

// maxProcesses is how many worker processes there are at most. Each takes some ten
// megabytes, and far fewer keep a machine busy; what waits a thousand at a time is for
// other engines.
const maxProcesses = 256

// openProcesses makes a pool of worker processes. Tasks find there the environment and
// the working directory that they have on the other engines.
func openProcesses(c engineConfig) (engineHandle, error) {
	p, err := multiprocessing.NewPool(multiprocessing.Config{
		Name: processesName, Workers: c.jobs, Listener: c.listener, Env: []string{"*"},
		MaxTasksPerWorker: c.maxTasks, MemoryLimit: c.memory,
		Output: func(o multiprocessing.Output) {
			if o.Stderr {
				c.stderr(o.Text)
			} else {
				c.stdout(o.Text)
			}
		},
	})
	if err != nil {
		return engineHandle{}, usageError(fmt.Errorf("%s: %w", processesName, err), "--engine "+defaultEngine)
	}
	pids := func() []int {
		var pids []int
		for _, w := range p.Workers() {
			pids = append(pids, w.PID)
		}
		return pids
	}
	return engineHandle{Executor: p, close: p.Close, resize: p.Resize, kill: p.Kill, pids: pids}, nil
}

// suits returns why the engine cannot do what the plan asks for, whatever the inputs
// are; nil if it can.
func (k engineKind) suits(p *plan, jobs int) error {
	if k.name != processesName {
		return nil
	}
	another := "--engine " + defaultEngine
	if p.task == "" {
		return usageError(fmt.Errorf("--engine %s is for tasks: a command is a process of its own on every engine", k.name), another)
	}
	if jobs > maxProcesses {
		return usageError(fmt.Errorf("-j %d: on %s each is a process of its own, and there are %d at most", jobs, k.name, maxProcesses),
			fmt.Sprintf("-j %d, or %s", maxProcesses, another))
	}
	if d, ok := braid.Lookup(p.task); ok {
		if t, ok := d.(interface{ Travels() error }); ok {
			if err := t.Travels(); err != nil {
				return usageError(fmt.Errorf("task %s cannot run in another process: %w", p.task, err), another)
			}
		}
	}
	return nil
}

// workerConfig reads the flags that are for worker processes alone. Used says whether
// there are any.
func (f *batchFlags) workerConfig(used bool) (c engineConfig, err error) {
	if !used && (f.maxTasks != 0 || f.memory != "") {
		return c, usageError(errors.New("--max-tasks and --memory are for worker processes"), "--engine "+processesName)
	}
	if f.maxTasks < 0 {
		return c, usageError(fmt.Errorf("--max-tasks %d: it cannot be negative", f.maxTasks), "--max-tasks 100, to replace a worker after a hundred inputs")
	}
	c.maxTasks = f.maxTasks
	if f.memory != "" {
		if c.memory, err = parseSize(f.memory); err != nil {
			return c, usageError(fmt.Errorf("--memory %q: %w", f.memory, err), "--memory 512M")
		}
	}
	return c, nil
}

// parseSize reads how much memory a worker may have.
func parseSize(s string) (int64, error) {
	n, err := parseBytes(s)
	if err == nil && n < 64<<20 {
		err = errors.New("a worker needs at least 64M to start")
	}
	return n, err
}

// parseBytes reads a number of bytes: 1048576, 1024K or 1M, and 1MiB likewise.
func parseBytes(s string) (int64, error) {
	number := strings.TrimRight(strings.ToUpper(s), "KMGTIB ")
	unit := strings.TrimSuffix(strings.TrimSpace(strings.ToUpper(s)[len(number):]), "B")
	if u, ok := strings.CutSuffix(unit, "I"); ok && u != "" {
		unit = u
	}
	power := slices.Index([]string{"", "K", "M", "G", "T"}, unit)
	if number == "" || strings.Trim(number, ".0123456789") != "" || power < 0 || strings.HasSuffix(s, " ") {
		return 0, errors.New("it is a number of bytes, with K, M, G or T for powers of 1024")
	}
	f, err := strconv.ParseFloat(number, 64)
	f *= math.Pow(1024, float64(power))
	switch {
	case errors.Is(err, strconv.ErrRange) || f >= 1<<62:
		return 0, errors.New("no machine has so much")
	case err != nil:
		return 0, errors.New("it is a number of bytes, with K, M, G or T for powers of 1024")
	}
	return int64(f), nil
}
