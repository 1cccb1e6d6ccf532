package main

import (
	"context"
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

// queued is how many tasks wait in a queue that has a bound: as many as in braid's
// for two workers, unless it is told otherwise.
const queued = 128

// A spawner is a pool that starts tasks without a result.
type spawner struct {
	name string
	// open makes a pool that runs so many tasks at once.
	open func(workers int) openPool
}

// An openPool starts tasks, from any goroutine. Every task tells the case when it
// is done, so that all candidates wait in the same way; close is called when all
// are.
type openPool struct {
	spawn func(job)
	close func()
}

// A job is a task in the forms that the pools want it in. They are made before
// the clock starts: users write a task in the form that their pool takes.
type job struct {
	plain    func()
	withErr  func() error
	withCtx  func(context.Context)
	argument any // plain, for a pool whose function takes its argument
}

func newJob(task func()) job {
	return job{
		plain:    task,
		withErr:  func() error { task(); return nil },
		withCtx:  func(context.Context) { task() },
		argument: task,
	}
}

// spawners are the peers, each as its own documentation uses it: the queues of pond
// and workerpool have no bound, ants and errgroup make their callers wait, and so do
// braid and the channel pool once their queue is full. Samber/lo is not
// among them: it has no pool, only loops over a slice.
var spawners = []spawner{
	{"go", func(int) openPool { // as many at once as there are
		return openPool{spawn: func(j job) { go j.plain() }, close: func() {}}
	}},
	{"channel pool", func(workers int) openPool {
		tasks := make(chan func(), queued)
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for task := range tasks {
					task()
				}
			})
		}
		return openPool{
			spawn: func(j job) { tasks <- j.plain },
			close: func() { close(tasks); wg.Wait() },
		}
	}},
	{"errgroup", func(workers int) openPool {
		var g errgroup.Group
		g.SetLimit(workers)
		return openPool{
			spawn: func(j job) { g.Go(j.withErr) },
			close: func() { must(g.Wait()) },
		}
	}},
	{"conc", func(workers int) openPool {
		p := pool.New().WithMaxGoroutines(workers)
		return openPool{spawn: func(j job) { p.Go(j.plain) }, close: p.Wait}
	}},
	{"ants", func(workers int) openPool {
		p, err := ants.NewPool(workers)
		must(err)
		return openPool{spawn: func(j job) { must(p.Submit(j.plain)) }, close: p.Release}
	}},
	{"ants func", func(workers int) openPool {
		p, err := ants.NewPoolWithFunc(workers, func(task any) { task.(func())() })
		must(err)
		return openPool{spawn: func(j job) { must(p.Invoke(j.argument)) }, close: p.Release}
	}},
	{"ants multi", func(workers int) openPool {
		pools := min(workers, 10)
		p, err := ants.NewMultiPool(pools, workers/pools, ants.RoundRobin)
		must(err)
		return openPool{spawn: func(j job) { must(p.Submit(j.plain)) }, close: func() { must(p.ReleaseTimeout(patience)) }}
	}},
	{"pond Go", func(workers int) openPool {
		p := pond.NewPool(workers)
		return openPool{spawn: func(j job) { must(p.Go(j.plain)) }, close: p.StopAndWait}
	}},
	{"pond Go, bounded", func(workers int) openPool { // its queue has no bound by default
		p := pond.NewPool(workers, pond.WithQueueSize(queued))
		return openPool{spawn: func(j job) { must(p.Go(j.plain)) }, close: p.StopAndWait}
	}},
	{"pond Submit", func(workers int) openPool {
		p := pond.NewPool(workers)
		return openPool{spawn: func(j job) { p.Submit(j.plain) }, close: p.StopAndWait}
	}},
	{"pond group", func(workers int) openPool {
		p := pond.NewPool(workers)
		g := p.NewGroup()
		return openPool{
			spawn: func(j job) { g.Submit(j.plain) },
			close: func() { must(g.Wait()); p.StopAndWait() },
		}
	}},
	{"workerpool", func(workers int) openPool {
		p := workerpool.New(workers)
		return openPool{spawn: func(j job) { p.Submit(j.plain) }, close: p.StopWait}
	}},
}

// must panics with an error of a peer that none of its documented uses has.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
