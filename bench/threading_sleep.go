package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// asleepInPool is how long a task of the sleepers sleeps.
const asleepInPool = 10 * time.Millisecond

// sleepPools are the pools that can do the case: those with a limit, braid first,
// and goroutines behind a channel, which is how one does without a pool.
func sleepPools() []spawner {
	semaphore := spawner{"go, channel semaphore", func(workers int) openPool {
		slots := make(chan struct{}, workers)
		return openPool{
			spawn: func(j job) {
				slots <- struct{}{}
				go func() {
					j.plain()
					<-slots
				}()
			},
			close: func() {},
		}
	}}
	return append([]spawner{braidSpawner, semaphore}, spawners[1:]...)
}

// sleepCase is n tasks that sleep, so many at once. The peers measure themselves
// by it. Each candidate runs in a process of its own, whose peak memory is asked
// of the process itself: what the kernel tells a parent of a child that was
// started by fork and exec includes the memory of the parent.
func sleepCase(n, slots int) benchCase {
	measures := []measure{{"time", inSeconds}, {"peak memory", inBytes}}
	if runtime.GOOS != "linux" {
		measures = measures[:1] // there is no /proc to ask for the memory
	}
	run := func(s spawner) candidate {
		p := inGo(s.name, 0, "sleepers", s.name, strconv.Itoa(n), strconv.Itoa(slots))
		return p.candidate(func(p program) ([]float64, error) {
			r, err := p.report()
			return []float64{r.Seconds, r.Peak}[:len(measures)], err
		})
	}
	c := benchCase{
		name:     fmt.Sprintf("%s × sleep of %v, %s slots", thousands(n), asleepInPool, thousands(slots)),
		measures: measures,
		warm:     true,
	}
	pools := sleepPools()
	c.braid = run(pools[0])
	for _, s := range pools[1:] {
		c.peers = append(c.peers, run(s))
	}
	return c
}

// runSleepers is the child of sleepCase: it prints a report.
func runSleepers(name, tasks, slots string) error {
	n, err1 := strconv.Atoi(tasks)
	workers, err2 := strconv.Atoi(slots)
	for _, s := range sleepPools() {
		if s.name != name || err1 != nil || err2 != nil {
			continue
		}
		r, err := sleepIn(s, n, workers)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	return fmt.Errorf("%s sleepers %s %s %s: not a pool and two numbers", childArg, name, tasks, slots)
}

// sleepIn has n tasks sleep in a pool, and checks that all did, and no more at
// once than may.
func sleepIn(s spawner, n, slots int) (r report, err error) {
	p := s.open(slots)
	var done sync.WaitGroup
	var asleep, tooMany atomic.Int64
	j := newJob(func() {
		if asleep.Add(1) > int64(slots) {
			tooMany.Add(1)
		}
		time.Sleep(asleepInPool)
		asleep.Add(-1)
		done.Done()
	})
	done.Add(n)
	began := time.Now()
	for range n {
		p.spawn(j)
	}
	done.Wait()
	r.Seconds = time.Since(began).Seconds()
	if runtime.GOOS == "linux" {
		if r.Peak, err = peakResident(); err != nil {
			return r, err
		}
	}
	p.close()
	return r, expect("tasks that ran beside more than there are slots", tooMany.Load(), 0)
}
