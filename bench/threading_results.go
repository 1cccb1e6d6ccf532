package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/alitto/pond/v2"
	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"
)

// resultTask is the task whose result is wanted: it does nothing. It is never
// inlined, as a task of a user would not be.
//
//go:noinline
func resultTask(i int) (int, error) {
	if i < 0 {
		return 0, fmt.Errorf("task %d: no such task", i)
	}
	return i + 1, nil
}

// A batcher is a pool of which the results and errors of many tasks are taken.
type batcher struct {
	name string
	open func(workers int) openBatcher
}

type openBatcher struct {
	// newBatch makes what one submitter needs for batches of n tasks.
	newBatch func(n int) batch
	close    func()
}

// A batch submits resultTask(0), resultTask(1), …, waits for all, and leaves the
// results in out, in any order. Its error is that of some task.
type batch func(out []int) error

// batchers are the peers. Those whose pool is also the set of tasks that one
// waits for, errgroup and conc, need a new one for each batch; with several
// submitters each then has two workers of its own.
var batchers = []batcher{
	slots("go"),
	slots("channel pool"),
	{"errgroup", ownPool(func(workers int, out []int) error {
		var g errgroup.Group
		g.SetLimit(workers)
		for i := range out {
			g.Go(func() (err error) {
				out[i], err = resultTask(i)
				return err
			})
		}
		return g.Wait()
	})},
	{"conc", ownPool(func(workers int, out []int) error {
		p := pool.NewWithResults[int]().WithErrors().WithMaxGoroutines(workers)
		for i := range out {
			p.Go(func() (int, error) { return resultTask(i) })
		}
		results, err := p.Wait() // in the order in which they came
		copy(out, results)
		return err
	})},
	slots("ants"),
	{"pond", func(workers int) openBatcher {
		p := pond.NewResultPool[int](workers)
		return openBatcher{
			newBatch: func(n int) batch {
				tasks := make([]pond.ResultTask[int], n)
				return func(out []int) error {
					for i := range tasks {
						tasks[i] = p.SubmitErr(func() (int, error) { return resultTask(i) })
					}
					for i, t := range tasks {
						var err error
						if out[i], err = t.Wait(); err != nil {
							return err
						}
					}
					return nil
				}
			},
			close: p.StopAndWait,
		}
	}},
	{"pond group", func(workers int) openBatcher {
		p := pond.NewResultPool[int](workers)
		return openBatcher{
			newBatch: func(int) batch {
				return func(out []int) error {
					g := p.NewGroup()
					for i := range out {
						g.SubmitErr(func() (int, error) { return resultTask(i) })
					}
					results, err := g.Wait()
					copy(out, results)
					return err
				}
			},
			close: p.StopAndWait,
		}
	}},
	slots("workerpool"),
}

// slots is the way to results with a pool that has none: each task leaves its own
// in its slot, and a WaitGroup says when all have.
func slots(name string) batcher {
	i := slices.IndexFunc(spawners, func(s spawner) bool { return s.name == name })
	return batcher{name, func(workers int) openBatcher {
		p := spawners[i].open(workers)
		return openBatcher{
			newBatch: func(n int) batch {
				errs := make([]error, n)
				return func(out []int) error {
					var wg sync.WaitGroup
					wg.Add(n)
					for i := range out {
						p.spawn(job{plain: func() {
							out[i], errs[i] = resultTask(i)
							wg.Done()
						}})
					}
					wg.Wait()
					for _, err := range errs {
						if err != nil {
							return err
						}
					}
					return nil
				}
			},
			close: p.close,
		}
	}}
}

// ownPool is a batcher that makes a pool for each batch.
func ownPool(do func(workers int, out []int) error) func(workers int) openBatcher {
	return func(workers int) openBatcher {
		return openBatcher{
			newBatch: func(int) batch { return func(out []int) error { return do(workers, out) } },
			close:    func() {},
		}
	}
}

// batchSize is how many tasks a submitter hands over before it takes the results.
const batchSize = 1000

// resultsCase is n tasks whose results are taken by so many submitters. Braid has a
// future for each task, which can be awaited and cancelled by itself; of the peers only
// pond has that.
func resultsCase(submitters, n int, python program) benchCase {
	c := batchesCase("task with result", submitters, n, braidBatcher)
	if python.absent == "" {
		// It takes a hundred times as long for a task: a tenth of them is enough.
		for _, n := range []int{submitters, max(1, n/batchSize/submitters/10), batchSize} {
			python.command = append(slices.Clip(python.command), strconv.Itoa(n))
		}
	}
	c.peers = append(c.peers, python.candidate(func(p program) ([]float64, error) {
		var took [1]float64
		err := p.says(&took)
		return []float64{took[0], math.NaN()}, err // who would count the objects of Python?
	}))
	return c
}

// collectCase is the same job where only all results together are wanted, as most of the
// peers offer it: braid then has MapSlice.
func collectCase(submitters, n int) benchCase {
	return batchesCase("results of a batch of 1,000", submitters, n, braidCollector)
}

// batchesCase is n tasks, in batches, by so many submitters.
func batchesCase(name string, submitters, n int, braid batcher) benchCase {
	batches := max(1, n/batchSize/submitters)
	run := func(b batcher) candidate {
		return candidate{name: b.name, run: func() ([]float64, error) {
			p := b.open(poolWorkers)
			defer p.close()
			work := func(batches int) error {
				run := p.newBatch(batchSize)
				out := make([]int, batchSize)
				for range batches {
					clear(out)
					if err := run(out); err != nil {
						return err
					}
					sum := 0
					for _, v := range out {
						sum += v
					}
					if err := expect("the sum of the results", int64(sum), batchSize*(batchSize+1)/2); err != nil {
						return err
					}
				}
				return nil
			}
			if err := work(1); err != nil { // the workers start
				return nil, err
			}
			return perTask(submitters*batches*batchSize, func() error {
				var g errgroup.Group
				for range submitters {
					g.Go(func() error { return work(batches) })
				}
				return g.Wait()
			})
		}}
	}
	c := benchCase{name: name + ", empty, " + plural(submitters, "submitter"), braid: run(braid), measures: taskMeasures}
	for _, b := range batchers {
		c.peers = append(c.peers, run(b))
	}
	return c
}

// perTask does a work of n tasks, and returns the time and the allocations of each.
func perTask(n int, work func() error) ([]float64, error) {
	before := mallocs()
	began := time.Now()
	err := work()
	took := time.Since(began)
	// Hundredths: what the runtime allocates meanwhile is not the tasks'.
	allocations := math.Round(100*float64(mallocs()-before)/float64(n)) / 100
	return []float64{took.Seconds() / float64(n), allocations}, err
}
