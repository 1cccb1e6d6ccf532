package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/go-braid/braid/threading"
	"github.com/sourcegraph/conc"
	"golang.org/x/sync/errgroup"
)

// A nest runs body, which may start children by the function that it is given,
// and returns when they are done too.
type nest func(ctx context.Context, body func(ctx context.Context, start func(nested)) error) error

// A nested work is one that a work started.
type nested func(context.Context) error

// A forker does a work that nests.
type forker struct {
	name string
	do   func(work func(ctx context.Context, nest nest) error) error
}

// forkers are the peers. None of them has a limit: a goroutine that waits for its
// children would keep its slot, and the work would stop for ever. So do the pools
// of ants, pond and the others, which is why they cannot do these jobs at all.
var forkers = []forker{
	{"go", here(func(ctx context.Context, body func(context.Context, func(nested)) error) error {
		var wg sync.WaitGroup
		defer wg.Wait()
		// The error of a child would need a variable and a mutex more. These
		// have none.
		return body(ctx, func(c nested) { wg.Go(func() { must(c(ctx)) }) })
	})},
	{"errgroup", here(func(ctx context.Context, body func(context.Context, func(nested)) error) error {
		g, ctx := errgroup.WithContext(ctx)
		err := body(ctx, func(c nested) { g.Go(func() error { return c(ctx) }) })
		if e := g.Wait(); e != nil {
			return e
		}
		return err
	})},
	{"conc", here(func(ctx context.Context, body func(context.Context, func(nested)) error) error {
		var wg conc.WaitGroup
		defer wg.Wait()
		return body(ctx, func(c nested) { wg.Go(func() { must(c(ctx)) }) })
	})},
	{"sequential", here(func(ctx context.Context, body func(context.Context, func(nested)) error) error {
		return body(ctx, func(c nested) { must(c(ctx)) })
	})},
}

// here is a work that begins on the goroutine of the case.
func here(n nest) func(work func(context.Context, nest) error) error {
	return func(work func(context.Context, nest) error) error { return work(context.Background(), n) }
}

// forkCase is a work done by all forkers. Prepare is not timed, nor is check.
func forkCase(name string, prepare func() (work func(context.Context, nest) error, check func() error)) benchCase {
	run := func(f forker) candidate {
		return candidate{name: f.name, run: func() ([]float64, error) {
			work, check := prepare()
			runtime.GC()
			began := time.Now()
			err := f.do(work)
			took := time.Since(began)
			if err == nil {
				err = check()
			}
			return []float64{took.Seconds()}, err
		}}
	}
	c := benchCase{name: name, braid: run(braidForker)}
	for _, f := range forkers {
		c.peers = append(c.peers, run(f))
	}
	return c
}

// sortCase sorts n numbers by quicksort; parts that are shorter than serialSort
// are sorted where they are.
func sortCase(n int) benchCase {
	numbers := sync.OnceValue(func() []int {
		rnd := rand.New(rand.NewPCG(5, 6))
		numbers := make([]int, n)
		for i := range numbers {
			numbers[i] = int(rnd.Uint64() >> 1)
		}
		return numbers
	})
	return forkCase("quicksort of "+thousands(n), func() (func(context.Context, nest) error, func() error) {
		v := slices.Clone(numbers())
		var sum uint64
		for _, x := range v {
			sum += uint64(x)
		}
		work := func(ctx context.Context, nest nest) error { return quicksort(ctx, nest, v) }
		check := func() error {
			if !slices.IsSorted(v) {
				return fmt.Errorf("the numbers are not sorted")
			}
			for _, x := range v {
				sum -= uint64(x)
			}
			return expect("what the sum of the numbers changed by", int64(sum), 0)
		}
		return work, check
	})
}

const serialSort = 2048

func quicksort(ctx context.Context, nest nest, v []int) error {
	if len(v) <= serialSort {
		slices.Sort(v)
		return nil
	}
	cut := partition(v)
	return nest(ctx, func(ctx context.Context, start func(nested)) error {
		start(func(ctx context.Context) error { return quicksort(ctx, nest, v[:cut]) })
		return quicksort(ctx, nest, v[cut:])
	})
}

// partition puts the numbers up to some pivot before the others, and returns how
// many those are: neither none nor all. It is Hoare's, with the median of three.
func partition(v []int) int {
	a, b, c := v[0], v[len(v)/2], v[len(v)-1]
	pivot := max(min(a, b), min(max(a, b), c))
	i, j := -1, len(v)
	for {
		for i++; v[i] < pivot; i++ {
		}
		for j--; v[j] > pivot; j-- {
		}
		if i >= j {
			return max(1, min(len(v)-1, j+1))
		}
		v[i], v[j] = v[j], v[i]
	}
}

// treeCase is pyperformance's async_tree: see [tree].
func treeCase(depth int, what string, kind leaf) benchCase {
	return forkCase(fmt.Sprintf("tree of depth %d, %s", depth, what), func() (func(context.Context, nest) error, func() error) {
		t := newTree(depth)
		return func(ctx context.Context, nest nest) error { return t.grow(ctx, nest, depth, kind) },
			func() error { return t.check(kind) }
	})
}

func (t *tree) grow(ctx context.Context, nest nest, depth int, kind leaf) error {
	if depth == 0 {
		return kind.do(t, func() error { return nil })
	}
	return nest(ctx, func(ctx context.Context, start func(nested)) error {
		for range branches {
			start(func(ctx context.Context) error { return t.grow(ctx, nest, depth-1, kind) })
		}
		return nil
	})
}

// fibCase computes a Fibonacci number with a task for every second node and no
// cut-off: what is measured is the forks and joins. It is written for each peer
// in its own words, since the adapters above would cost as much as the peers do.
func fibCase(n int) benchCase {
	want := fib(n)
	run := func(name string, do func() (int, error)) candidate {
		return candidate{name: name, run: func() ([]float64, error) {
			runtime.GC()
			began := time.Now()
			v, err := do()
			took := time.Since(began)
			if err == nil {
				err = expect(fmt.Sprintf("fib(%d)", n), int64(v), int64(want))
			}
			return []float64{took.Seconds()}, err
		}}
	}
	return benchCase{
		name: fmt.Sprintf("fib(%d), a task a fork", n),
		braid: run("braid", func() (v int, err error) {
			err = onPool(func(ctx context.Context, p *threading.Pool) (err error) {
				v, err = braidFib(ctx, p, n)
				return err
			})
			return v, err
		}),
		peers: []candidate{
			run("go", func() (int, error) { return goFib(n), nil }),
			run("errgroup", func() (int, error) { return errgroupFib(context.Background(), n) }),
			run("conc", func() (int, error) { return concFib(n), nil }),
			run("sequential", func() (int, error) { return fib(n), nil }),
		},
	}
}

//go:noinline
func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func goFib(n int) int {
	if n < 2 {
		return n
	}
	var wg sync.WaitGroup
	var a int
	wg.Go(func() { a = goFib(n - 1) })
	b := goFib(n - 2)
	wg.Wait()
	return a + b
}

// errgroupFib has a context for each group, which is what makes the others end
// when one fails, as a scope of braid does.
func errgroupFib(ctx context.Context, n int) (int, error) {
	if n < 2 {
		return n, nil
	}
	g, ctx := errgroup.WithContext(ctx)
	var a int
	g.Go(func() (err error) {
		a, err = errgroupFib(ctx, n-1)
		return err
	})
	b, err := errgroupFib(ctx, n-2)
	if e := g.Wait(); e != nil {
		return 0, e
	}
	return a + b, err
}

func concFib(n int) int {
	if n < 2 {
		return n
	}
	var wg conc.WaitGroup
	var a int
	wg.Go(func() { a = concFib(n - 1) })
	b := concFib(n - 2)
	wg.Wait()
	return a + b
}
