package multiprocessing

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/limits"
)

// A Config says how a [Pool] is made. The zero Config is a good one.
type Config struct {
	// Name appears in errors and events; empty means "processes".
	Name string

	// Workers is the number of tasks that run at once, each in a process of its
	// own; 0 means runtime.GOMAXPROCS(0). Processes start as they are needed.
	Workers int

	// Queue is the number of calls that may wait for a worker; 0 means 64 for
	// each worker, and a negative Queue none.
	Queue int

	// Full says what becomes of a call for which there is no room: its
	// submitter waits, which is the default, or it is refused.
	Full Full

	// Processors is GOMAXPROCS of a worker; 0 means 1, which is right for tasks
	// that do one thing at a time.
	Processors int

	// Init is run in every worker before its first call; make one with [Task].
	// If it fails the worker ends, which counts as a failed start.
	Init *Initializer

	// MaxTasksPerWorker is the number of calls after which a worker is replaced,
	// which gives back what they have leaked; 0 is without limit.
	MaxTasksPerWorker int

	// IdleTimeout ends workers that had nothing to do for so long; 0 keeps them.
	IdleTimeout time.Duration

	// Lifetime replaces a worker when it has lived so long, after the call that
	// it runs; 0 is without limit.
	Lifetime time.Duration

	// MemoryLimit bounds the memory of a worker, in bytes: the Go runtime
	// collects harder from nine tenths on, and at the limit the worker dies of
	// a CrashError with OOM set. 0 is without limit, less than 64 MiB is
	// refused: a worker could not start.
	MemoryLimit int64

	// CPUTimeLimit bounds the processor time of a worker over its whole life, in
	// whole seconds, rounded up; the worker dies of SIGXCPU. 0 is without limit.
	CPUTimeLimit time.Duration

	// OpenFiles bounds the number of descriptors that a worker can have open;
	// 0 leaves it as it is.
	OpenFiles int

	// FileSize bounds the size of a file that a worker writes, in bytes; 0 is
	// without limit.
	FileSize int64

	// Nice is added to the workers' niceness, from 0 to 19: the larger, the more
	// they stand back for other processes.
	Nice int

	// Env lists the variables that workers inherit: "NAME" as it is, "NAME=value",
	// or "*" for all. nil means DefaultEnv.
	Env []string

	// Dir is the workers' working directory; empty means that of this process.
	Dir string

	// Grace is how long a task whose call was cancelled, or has reached its
	// Timeout, has to end by itself. At half of it the worker gets SIGTERM, at
	// its end SIGKILL, with all that it has started. 0 means 2 seconds; with a
	// negative Grace the worker is killed at once. Close gives as much.
	Grace time.Duration

	// Heartbeat is the interval at which workers are asked for a sign of life.
	// One that is stopped (SIGSTOP) at two successive looks is killed, as is one
	// that has not answered for 30 intervals, and at as many looks, so that a
	// program that was stopped for a while blames nobody. 0 means half a second;
	// negative means that nobody asks.
	Heartbeat time.Duration

	// StartTimeout bounds the time from the start of a worker until it is ready,
	// Init included; 0 means 30 seconds.
	StartTimeout time.Duration

	// MaxKills is the number of workers that a call may cost: an idempotent one
	// whose worker died is run again by another until then, and fails with
	// engine.ErrPoison. 0 means 3. A call that is not idempotent fails at the
	// first. One that 20 workers in succession could not even begin, for no reason
	// from outside, such as an argument beyond MemoryLimit, fails with ErrPoison
	// and ErrNotStarted.
	MaxKills int

	// MaxRestarts and RestartPeriod bound how often workers may die: at more than
	// MaxRestarts deaths within RestartPeriod the pool is broken. 0 restarts is
	// without bound; 0 for the period means 5 seconds. Workers that did not
	// become ready break the pool in any case: five in succession, with growing
	// pauses between them.
	MaxRestarts   int
	RestartPeriod time.Duration // see MaxRestarts

	// MaxMessage bounds the size of an argument or a result, in bytes, as it
	// travels; 0 means 1 GiB.
	MaxMessage int64

	// Pipes has the workers talk over sockets or pipes even where shared memory
	// is to be had.
	Pipes bool

	// Nested allows to make the pool in a worker process.
	Nested bool

	// Output is told what workers write to their standard output and error, line
	// by line; nil means that it is written to those of this process. It is
	// called from several goroutines, one after the other for one stream of one
	// worker, and the worker waits for it when its pipe is full.
	Output func(Output)

	// Logger gets the records that workers write to slog.Default, and to package
	// log, with the attributes worker, task and attempt added; nil means
	// slog.Default().
	Logger *slog.Logger

	// Listener is told what happens; nil costs nothing. With a listener Map sends
	// calls one by one, so that it hears of each.
	Listener *engine.Listener
}

// Full says what becomes of a call for which a pool has no room.
type Full uint8

// What to do when a pool is full.
const (
	Wait   Full = iota // the submitter waits for room, as long as its context lasts
	Refuse             // the call fails with ErrNotStarted and ErrSaturated
)

// DefaultEnv lists the variables that workers inherit by default. Names that end in *
// stand for all that begin so.
var DefaultEnv = []string{"PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_*", "TZ", "GO*", "CI", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"SYSTEMROOT", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "COMSPEC", "PATHEXT"}

// An Initializer is a task with its argument, to be run in each worker at its start.
type Initializer struct {
	task   string
	append func(*engine.Message) error
}

// Task returns an Initializer that runs t with the argument in. Its result is dropped.
func Task[In, Out any](t *braid.Task[In, Out], in In) *Initializer {
	return &Initializer{task: t.Name(), append: func(m *engine.Message) error {
		return t.AppendArgument(m, in)
	}}
}

const minMemory = 64 << 20

// check returns c with its defaults filled in, or what is wrong with it.
func (c Config) check() (Config, error) {
	var errs []error
	bad := func(field string, value any, rule string) {
		errs = append(errs, fmt.Errorf("the field %s is %v: %s", field, value, rule))
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"Workers", int64(c.Workers)}, {"Processors", int64(c.Processors)},
		{"MaxTasksPerWorker", int64(c.MaxTasksPerWorker)}, {"IdleTimeout", int64(c.IdleTimeout)},
		{"Lifetime", int64(c.Lifetime)}, {"CPUTimeLimit", int64(c.CPUTimeLimit)},
		{"OpenFiles", int64(c.OpenFiles)}, {"FileSize", c.FileSize}, {"MaxKills", int64(c.MaxKills)},
		{"MaxRestarts", int64(c.MaxRestarts)}, {"RestartPeriod", int64(c.RestartPeriod)},
		{"MaxMessage", c.MaxMessage}, {"StartTimeout", int64(c.StartTimeout)},
	} {
		if f.value < 0 {
			bad(f.name, f.value, "it must not be negative; 0 is the default")
		}
	}
	if c.Full > Refuse {
		bad("Full", c.Full, "it must be Wait or Refuse")
	}
	if c.MemoryLimit != 0 && c.MemoryLimit < minMemory {
		bad("MemoryLimit", c.MemoryLimit, fmt.Sprintf("a worker needs at least %d bytes (64 MiB) to start; 0 is without limit", minMemory))
	}
	if c.OpenFiles > 0 && c.OpenFiles < 16 {
		bad("OpenFiles", c.OpenFiles, "a worker needs at least 16 descriptors; 0 leaves the limit as it is")
	}
	if c.Nice < 0 || c.Nice > 19 {
		bad("Nice", c.Nice, "it must be from 0 to 19")
	}
	if c.Init != nil && c.Init.task == "" {
		bad("Init", "a task without a name", "workers know tasks by name: make it with braid.Define")
	}
	for _, e := range c.Env {
		if name, _, _ := strings.Cut(e, "="); name == "" || strings.ContainsRune(e, 0) {
			bad("Env", fmt.Sprintf("%q", e), "its entries are NAME, NAME=value or *")
		}
	}
	if un := c.limits().Unsupported(); len(un) > 0 {
		errs = append(errs, fmt.Errorf("%s has no way to limit a worker's %s: %w; leave them 0",
			runtime.GOOS, strings.Join(un, ", "), errors.ErrUnsupported))
	}
	if len(errs) > 0 {
		return c, fmt.Errorf("multiprocessing: %w", errors.Join(errs...))
	}
	c.Name = cmp.Or(c.Name, "processes")
	c.Workers = cmp.Or(c.Workers, runtime.GOMAXPROCS(0))
	c.Processors = cmp.Or(c.Processors, 1)
	switch {
	case c.Queue == 0:
		c.Queue = 64 * c.Workers
	case c.Queue < 0:
		c.Queue = 0
	}
	if c.Env == nil {
		c.Env = DefaultEnv
	}
	c.Grace = cmp.Or(c.Grace, 2*time.Second)
	c.Heartbeat = cmp.Or(c.Heartbeat, 500*time.Millisecond)
	c.StartTimeout = cmp.Or(c.StartTimeout, 30*time.Second)
	c.MaxKills = cmp.Or(c.MaxKills, 3)
	c.RestartPeriod = cmp.Or(c.RestartPeriod, 5*time.Second)
	c.MaxMessage = cmp.Or(c.MaxMessage, 1<<30)
	return c, nil
}

func (c Config) limits() limits.Limits {
	return limits.Limits{
		Memory: c.MemoryLimit, CPUTime: c.CPUTimeLimit,
		OpenFiles: uint64(c.OpenFiles), FileSize: c.FileSize, Nice: c.Nice,
	}
}
