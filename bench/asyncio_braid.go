package main

import (
	"context"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

// braidBodies are the works on braid's event loop.
var braidBodies = map[string]body{
	"yield":            yields,
	"yield-many":       yieldMany,
	"spawn":            spawn,
	"ping-pong":        queues,
	"sleepers":         sleepingCoroutines,
	"tree-none":        coroutineTree(idleLeaf),
	"tree-io":          coroutineTree(ioLeaf),
	"tree-memoization": coroutineTree(memoizedLeaf),
	"tree-mixed":       coroutineTree(mixedLeaf),
}

// onLoop is the time of main on a loop of its own.
func onLoop(main func(ctx context.Context) error) func() error {
	return func() error { return asyncio.Run(context.Background(), main) }
}

// join starts fn n times and joins all.
func join(ctx context.Context, n int, fn func(ctx context.Context) error) error {
	cs := make([]*asyncio.Coroutine, n)
	for i := range cs {
		cs[i] = asyncio.Go(ctx, fn)
	}
	for _, c := range cs {
		if err := c.Join(ctx); err != nil {
			return err
		}
	}
	return nil
}

// yields yields n times in one coroutine.
func yields(n int) work {
	return work{run: onLoop(func(ctx context.Context) error {
		for range n {
			if err := strand.Yield(ctx); err != nil {
				return err
			}
		}
		return nil
	})}
}

// yieldMany yields a hundred times in each of n coroutines.
func yieldMany(n int) work {
	var yields int64
	return work{
		run: onLoop(func(ctx context.Context) error {
			return join(ctx, n, func(ctx context.Context) error {
				for range 100 {
					if err := strand.Yield(ctx); err != nil {
						return err
					}
				}
				yields += 100
				return nil
			})
		}),
		check: func() error { return expect("yields", yields, int64(100*n)) },
	}
}

// spawn starts and joins n coroutines that do nothing.
func spawn(n int) work {
	var ran int64
	return work{
		run: onLoop(func(ctx context.Context) error {
			return join(ctx, n, func(context.Context) error { ran++; return nil })
		}),
		check: func() error { return expect("coroutines", ran, int64(n)) },
	}
}

// queues passes n numbers to another coroutine and back.
func queues(n int) work {
	return work{run: onLoop(func(ctx context.Context) error {
		there, back := strand.NewQueue[int](1), strand.NewQueue[int](1)
		other := asyncio.Go(ctx, func(ctx context.Context) error {
			for range n {
				v, err := there.Get(ctx)
				if err != nil {
					return err
				}
				if err := back.Put(ctx, v); err != nil {
					return err
				}
			}
			return nil
		})
		for i := range n {
			if err := there.Put(ctx, i); err != nil {
				return err
			}
			v, err := back.Get(ctx)
			if err != nil {
				return err
			}
			if v != i {
				return expect("the answer", int64(v), int64(i))
			}
		}
		return other.Join(ctx)
	})}
}

// sleepingCoroutines has n coroutines sleep for a second, all at once.
func sleepingCoroutines(n int) work {
	var woken int64
	return work{
		run: onLoop(func(ctx context.Context) error {
			return join(ctx, n, func(ctx context.Context) error {
				if err := strand.Sleep(ctx, nap); err != nil {
					return err
				}
				woken++
				return nil
			})
		}),
		check: func() error { return expect("sleepers", woken, int64(n)) },
	}
}

// coroutineTree grows a tree of coroutines.
func coroutineTree(kind leaf) body {
	return func(depth int) work {
		t := newTree(depth)
		var grow func(ctx context.Context, level int) error
		grow = func(ctx context.Context, level int) error {
			if level == 0 {
				return kind.do(t, func() error { return strand.Sleep(ctx, asleep) })
			}
			return join(ctx, branches, func(ctx context.Context) error { return grow(ctx, level-1) })
		}
		return work{
			run:   onLoop(func(ctx context.Context) error { return grow(ctx, depth) }),
			check: func() error { return t.check(kind) },
		}
	}
}
