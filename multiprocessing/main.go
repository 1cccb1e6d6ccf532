package multiprocessing

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-braid/braid/internal/limits"
	"github.com/go-braid/braid/internal/spawn"
)

// ErrNoMain says that the program does not call [Main]: a worker would do again
// what the program does, start workers of its own, and so on without end.
var ErrNoMain = errors.New("multiprocessing: the program does not begin with multiprocessing.Main(): " +
	"add the line \"multiprocessing.Main()\" as the first statement of main, and of TestMain in tests")

// ErrNested says that a worker process made a pool, or started a process, without
// saying that it means to.
var ErrNested = errors.New("multiprocessing: this is a worker process itself: " +
	"workers that start workers multiply fast; if it is meant, set \"Nested: true\" in the Config")

// workerEnv is the variable by which a process learns that it is a worker, and what
// for: the version of the protocol, the kind of its data link, the largest message, and
// its limits.
const workerEnv = "BRAID_WORKER"

// protocolVersion changes with the protocol. The two sides are the same executable,
// unless somebody has set workerEnv by hand.
const protocolVersion = 1

// A role is what a process that is a worker knows from its environment.
type role struct {
	ring   bool  // the data link is a ring
	max    int64 // the largest argument or result
	limits limits.Limits
	parent int   // the process that started it
	err    error // the environment makes no sense
}

func (r role) environ() string {
	link := "stream"
	if r.ring {
		link = "ring"
	}
	return fmt.Sprintf("%s=%d;%s;%d;%s", workerEnv, protocolVersion, link, r.max, r.limits)
}

// ownRole is the role of this process; nil if it is no worker. It is read, and the
// limits are applied, before the packages that import this one are initialised.
var ownRole = readRole()

func readRole() *role {
	s, ok := os.LookupEnv(workerEnv)
	if !ok {
		return nil
	}
	// What this process starts is no worker.
	_ = os.Unsetenv(workerEnv)
	r := &role{parent: os.Getppid()}
	spawn.OnParentDeath(r.parent, spawn.KillFamily)
	parts := strings.Split(s, ";")
	if len(parts) != 4 {
		r.err = fmt.Errorf("the variable %s is %q", workerEnv, s)
		return r
	}
	if v, err := strconv.Atoi(parts[0]); err != nil || v != protocolVersion {
		r.err = fmt.Errorf("the worker's protocol has version %s, the program's %d", parts[0], protocolVersion)
		return r
	}
	r.ring = parts[1] == "ring"
	if r.max, r.err = strconv.ParseInt(parts[2], 10, 64); r.err != nil {
		return r
	}
	if r.limits, r.err = limits.Parse(parts[3]); r.err == nil {
		r.err = r.limits.Apply()
	}
	return r
}

// mainCalled says that Main was called.
var mainCalled atomic.Bool

// Main must be the first statement of main, and of TestMain. In a worker process it
// serves calls until the process is told to end, and does not return. Elsewhere it
// returns at once.
//
// The packages of the program are initialised in a worker as in the program, before
// Main is reached.
func Main() {
	mainCalled.Store(true)
	if ownRole == nil {
		return
	}
	os.Exit(serve(ownRole))
}

// IsWorker reports whether this process is a worker. It may be called before [Main],
// such as when packages are initialised.
func IsWorker() bool { return ownRole != nil }

// mayStart reports why this process must not start workers.
func mayStart(nested bool) error {
	if !mainCalled.Load() {
		return ErrNoMain
	}
	if ownRole != nil && !nested {
		return ErrNested
	}
	return nil
}
