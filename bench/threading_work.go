package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// workCase is n tasks of some work, handed over by one submitter. What is measured
// is the share of the ideal rate: that of two goroutines that do the same work in
// a loop, half of it right before the candidate and half right after, so that all
// three run on the same machine in the same mood.
func workCase(n int, each time.Duration) benchCase {
	n -= n % (2 * poolWorkers) // a half is the same for all workers
	steps := stepsFor(each)
	want := spin(uint64(steps), steps)
	ideal := func() float64 {
		var wg sync.WaitGroup
		began := time.Now()
		for range poolWorkers {
			wg.Go(func() {
				for range n / (2 * poolWorkers) {
					runtime.KeepAlive(spin(uint64(steps), steps))
				}
			})
		}
		wg.Wait()
		return time.Since(began).Seconds()
	}
	run := func(s spawner) candidate {
		return candidate{name: s.name, run: func() ([]float64, error) {
			p := s.open(poolWorkers)
			defer p.close()
			var done sync.WaitGroup
			var wrong atomic.Bool
			j := newJob(func() {
				if spin(uint64(steps), steps) != want {
					wrong.Store(true)
				}
				done.Done()
			})
			work := func(n int) float64 {
				done.Add(n)
				began := time.Now()
				for range n {
					p.spawn(j)
				}
				done.Wait()
				return time.Since(began).Seconds()
			}
			work(100) // the workers start
			runtime.GC()
			before := ideal()
			took := work(n)
			after := ideal()
			if wrong.Load() {
				return nil, fmt.Errorf("a task did not do its work")
			}
			return []float64{(before + after) / took}, nil
		}}
	}
	c := benchCase{
		name:     fmt.Sprintf("tasks of %v, 1 submitter", each),
		measures: []measure{{"share of the ideal rate", inShare}},
		braid:    run(braidSpawner),
	}
	for _, s := range spawners {
		c.peers = append(c.peers, run(s))
	}
	return c
}

// tailCase is a submitter that starts a task whenever one is due, at half the rate
// that two workers can do, and the time from when a task was due until it started.
//
// The times are those of a schedule that is fixed beforehand: a task that is
// handed over late, since the pool made the submitter wait or kept the processors
// from it, has waited since it was due (no coordinated omission). Between two tasks
// the submitter yields its processor, so that half of both is the pool's to use.
func tailCase(n int, each time.Duration) benchCase {
	steps := stepsFor(each)
	interval := each * 2 / poolWorkers
	run := func(s spawner) candidate {
		return candidate{name: s.name, run: func() ([]float64, error) {
			p := s.open(poolWorkers)
			defer p.close()
			var done sync.WaitGroup
			var began time.Time
			waited := make([]float64, n) // of each task, in seconds
			jobs := make([]job, n)
			for i := range jobs {
				due := time.Duration(i) * interval
				jobs[i] = newJob(func() {
					waited[i] = (time.Since(began) - due).Seconds()
					runtime.KeepAlive(spin(uint64(i), steps))
					done.Done()
				})
			}
			work := func() {
				done.Add(n)
				began = time.Now()
				for i, j := range jobs {
					for due := time.Duration(i) * interval; time.Since(began) < due; {
						runtime.Gosched()
					}
					p.spawn(j)
				}
				done.Wait()
			}
			work() // the workers start, and the memory is touched
			for i := range waited {
				waited[i] = -1
			}
			runtime.GC()
			work()
			p50, p999 := quantile(waited, 0.5), quantile(waited, 0.999)
			if quantile(waited, 0) < 0 {
				return nil, fmt.Errorf("a task did not start, or before it was due")
			}
			return []float64{p50, p999}, nil
		}}
	}
	c := benchCase{
		name:     fmt.Sprintf("tasks of %v at half load, due to started", each),
		measures: []measure{{"p50", inSeconds}, {"p99.9", inSeconds}},
		braid:    run(braidSpawner),
	}
	for _, s := range spawners {
		c.peers = append(c.peers, run(s))
	}
	return c
}
