package main

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// goroutineBodies are the works as one would do them without a loop.
var goroutineBodies = map[string]body{
	"yield":            gosched,
	"yield-many":       goschedMany,
	"spawn":            waitGroup,
	"ping-pong":        channels,
	"sleepers":         sleepers,
	"tree-none":        goTree(idleLeaf),
	"tree-io":          goTree(ioLeaf),
	"tree-memoization": goTree(memoizedLeaf),
	"tree-mixed":       goTree(mixedLeaf),
}

// gosched yields n times in one goroutine.
func gosched(n int) work {
	return work{run: func() error {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range n {
				runtime.Gosched()
			}
		}()
		<-done
		return nil
	}}
}

// goschedMany yields a hundred times in each of n goroutines.
func goschedMany(n int) work {
	var yields atomic.Int64
	return work{
		run: func() error {
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					for range 100 {
						runtime.Gosched()
					}
					yields.Add(100)
				})
			}
			wg.Wait()
			return nil
		},
		check: func() error { return expect("yields", yields.Load(), int64(100*n)) },
	}
}

// waitGroup starts and joins n goroutines that do nothing.
func waitGroup(n int) work {
	var ran atomic.Int64
	return work{
		run: func() error {
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() { ran.Add(1) })
			}
			wg.Wait()
			return nil
		},
		check: func() error { return expect("goroutines", ran.Load(), int64(n)) },
	}
}

// channels passes n numbers to another goroutine and back.
func channels(n int) work {
	return work{run: func() error {
		there, back := make(chan int), make(chan int)
		go func() {
			for v := range there {
				back <- v
			}
		}()
		defer close(there)
		for i := range n {
			there <- i
			if v := <-back; v != i {
				return expect("the answer", int64(v), int64(i))
			}
		}
		return nil
	}}
}

// sleepers has n goroutines sleep for a second, all at once.
func sleepers(n int) work {
	var woken atomic.Int64
	return work{
		run: func() error {
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					time.Sleep(nap)
					woken.Add(1)
				})
			}
			wg.Wait()
			return nil
		},
		check: func() error { return expect("sleepers", woken.Load(), int64(n)) },
	}
}

// goTree grows a tree of goroutines.
func goTree(kind leaf) body {
	return func(depth int) work {
		t := newTree(depth)
		var grow func(level int) error
		grow = func(level int) error {
			if level == 0 {
				return kind.do(t, func() error { time.Sleep(asleep); return nil })
			}
			var wg sync.WaitGroup
			var errs [branches]error
			for i := range errs {
				wg.Go(func() { errs[i] = grow(level - 1) })
			}
			wg.Wait()
			return errors.Join(errs[:]...)
		}
		return work{
			run:   func() error { return grow(depth) },
			check: func() error { return t.check(kind) },
		}
	}
}

// nap is how long sleepers sleep.
const nap = time.Second

// expect is an error unless both are equal.
func expect(what string, got, want int64) error {
	if got != want {
		return fmt.Errorf("%s: %d, want %d", what, got, want)
	}
	return nil
}
