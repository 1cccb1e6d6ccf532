package main

import (
	"sync"

	"github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

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
	spawn func(task func())
	close func()
}

// spawners are the peers, each as its own documentation uses it. Samber/lo is not
// among them: it has no pool, only loops over a slice.
var spawners = []spawner{
	{"go", func(int) openPool { // as many at once as there are
		return openPool{spawn: func(task func()) { go task() }, close: func() {}}
	}},
	{"channel pool", func(workers int) openPool {
		tasks := make(chan func(), 64*workers) // the queue that braid has
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for task := range tasks {
					task()
				}
			})
		}
		return openPool{
			spawn: func(task func()) { tasks <- task },
			close: func() { close(tasks); wg.Wait() },
		}
	}},
	{"errgroup", func(workers int) openPool {
		var g errgroup.Group
		g.SetLimit(workers)
		return openPool{
			spawn: func(task func()) { g.Go(func() error { task(); return nil }) },
			close: func() { must(g.Wait()) },
		}
	}},
	{"conc", func(workers int) openPool {
		p := pool.New().WithMaxGoroutines(workers)
		return openPool{spawn: p.Go, close: p.Wait}
	}},
	{"ants", func(workers int) openPool {
		p, err := ants.NewPool(workers)
		must(err)
		return openPool{spawn: func(task func()) { must(p.Submit(task)) }, close: p.Release}
	}},
	{"ants func", func(workers int) openPool {
		p, err := ants.NewPoolWithFunc(workers, func(task any) { task.(func())() })
		must(err)
		return openPool{spawn: func(task func()) { must(p.Invoke(task)) }, close: p.Release}
	}},
	{"ants multi", func(workers int) openPool { // a pool of one for each worker
		p, err := ants.NewMultiPool(workers, 1, ants.RoundRobin)
		must(err)
		return openPool{spawn: func(task func()) { must(p.Submit(task)) }, close: func() { must(p.ReleaseTimeout(patience)) }}
	}},
	{"pond Go", func(workers int) openPool {
		p := pond.NewPool(workers)
		return openPool{spawn: func(task func()) { must(p.Go(task)) }, close: p.StopAndWait}
	}},
	{"pond Submit", func(workers int) openPool {
		p := pond.NewPool(workers)
		return openPool{spawn: func(task func()) { p.Submit(task) }, close: p.StopAndWait}
	}},
	{"pond group", func(workers int) openPool {
		p := pond.NewPool(workers)
		g := p.NewGroup()
		return openPool{
			spawn: func(task func()) { g.Submit(task) },
			close: func() { must(g.Wait()); p.StopAndWait() },
		}
	}},
	{"workerpool", func(workers int) openPool {
		p := workerpool.New(workers)
		return openPool{spawn: p.Submit, close: p.StopWait}
	}},
}

// must panics with an error of a peer that none of its documented uses has.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
