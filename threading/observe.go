package threading

import (
	"context"
	"log/slog"
	"runtime/pprof"
	"time"

	"github.com/go-braid/braid/engine"
)

// A SlowTask is a task that has run for longer than Config.Slow.
type SlowTask struct {
	Pool   string    // the name of the pool
	Task   string    // empty for a closure without a name
	Index  int       // which of a number of calls of the same task, from 0
	Worker int       // the number of the worker that runs it, from 1
	Start  time.Time // when it began to run
}

// observes reports whether something has to be done around each call.
func (c *Config) observes() bool { return c.Labels || c.Slow > 0 }

// observe is runCall for who wants to know more about tasks than their outcome.
func (w *worker) observe(c *engine.Call, turned time.Duration) (ended time.Duration) {
	spec := c.Spec()
	cfg := &w.pool.cfg
	if cfg.Labels {
		defer w.label(spec.Task)()
	}
	if cfg.Slow > 0 {
		defer w.stopwatch(spec)()
	}
	return c.RunAt(&w.station, w.id, turned)
}

// label sets the profiler labels of the goroutine, and returns what sets back those of
// the task around it.
func (w *worker) label(task string) (back func()) {
	before := w.labels
	labels := pprof.WithLabels(context.Background(), pprof.Labels("pool", w.pool.cfg.Name, "task", task))
	pprof.SetGoroutineLabels(labels)
	w.labels = labels
	return func() {
		w.labels = before
		if before == nil {
			before = context.Background()
		}
		pprof.SetGoroutineLabels(before)
	}
}

// stopwatch reports a task that runs for longer than Config.Slow, and returns what says
// that it has ended.
func (w *worker) stopwatch(spec engine.Spec) (stop func()) {
	cfg := &w.pool.cfg
	t := SlowTask{Pool: cfg.Name, Task: spec.Task, Index: spec.Index, Worker: w.id, Start: time.Now()}
	timer := time.AfterFunc(cfg.Slow, func() { cfg.slow(t) })
	return func() { timer.Stop() }
}

func (c *Config) slow(t SlowTask) {
	if c.OnSlow != nil {
		c.OnSlow(t)
		return
	}
	slog.Default().Warn("a task is slow", "pool", t.Pool, "task", t.Task, "index", t.Index,
		"worker", t.Worker, "running for", c.Slow)
}
