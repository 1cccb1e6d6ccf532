package main

import (
	"context"
	"fmt"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/threading"
)

// What the suite threading measures of braid goes through the functions of this
// file: how each job is done is said in one place.

func newPool(workers int) *threading.Pool {
	return threading.NewPool(threading.Config{Workers: workers, Queue: queued})
}

func closePool(p *threading.Pool) {
	if err := p.Close(context.Background()); err != nil {
		panic(fmt.Sprintf("bench: the pool does not close: %v", err))
	}
}

// fire hands task to the pool and forgets it.
func fire(ctx context.Context, p *threading.Pool, task func(context.Context)) {
	if err := p.Go(ctx, task); err != nil {
		panic(fmt.Sprintf("bench: the pool refuses a task: %v", err))
	}
}

// mapSlice returns fn of every item, in order.
func mapSlice(ctx context.Context, p *threading.Pool, items []uint64, fn func(context.Context, uint64) (uint64, error)) ([]uint64, error) {
	return braid.MapSlice(ctx, p, braid.Func(fn), items)
}

var braidSpawner = spawner{"braid", func(workers int) openPool {
	ctx, p := context.Background(), newPool(workers)
	return openPool{
		spawn: func(j job) { fire(ctx, p, j.withCtx) },
		close: func() { closePool(p) },
	}
}}

// braidBatcher submits a defined task and awaits the futures.
var braidBatcher = batcher{"braid", func(workers int) openBatcher {
	ctx, p := context.Background(), newPool(workers)
	t := braid.Func(func(_ context.Context, i int) (int, error) { return resultTask(i) })
	return openBatcher{
		newBatch: func(n int) batch {
			futures := make([]*braid.Future[int], n)
			return func(out []int) error {
				for i := range futures {
					futures[i] = braid.Submit(ctx, p, t, i)
				}
				for i, f := range futures {
					var err error
					if out[i], err = f.Await(ctx); err != nil {
						return err
					}
				}
				return nil
			}
		},
		close: func() { closePool(p) },
	}
}}

// braidCollector maps the task over the numbers of a batch.
var braidCollector = batcher{"braid", func(workers int) openBatcher {
	ctx, p := context.Background(), newPool(workers)
	t := braid.Func(func(_ context.Context, i int) (int, error) { return resultTask(i) })
	return openBatcher{
		newBatch: func(n int) batch {
			numbers := make([]int, n)
			for i := range numbers {
				numbers[i] = i
			}
			return func(out []int) error {
				results, err := braid.MapSlice(ctx, p, t, numbers)
				copy(out, results)
				return err
			}
		},
		close: func() { closePool(p) },
	}
}}

// braidFib has a scope for every node.
func braidFib(ctx context.Context, p *threading.Pool, n int) (int, error) {
	if n < 2 {
		return n, nil
	}
	var sum int
	err := braid.Scope(ctx, p, func(ctx context.Context, g *braid.Group) error {
		f := braid.Go(ctx, g, func(ctx context.Context) (int, error) { return braidFib(ctx, p, n-1) })
		b, err := braidFib(ctx, p, n-2)
		if err != nil {
			return err
		}
		a, err := f.Await(ctx)
		sum = a + b
		return err
	})
	return sum, err
}

// onPool does the work as a task of a pool, so that it has two workers and no
// third strand that computes.
func onPool(work func(ctx context.Context, p *threading.Pool) error) error {
	p := newPool(poolWorkers)
	defer closePool(p)
	ctx := context.Background()
	_, err := braid.Go(ctx, p, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, work(ctx, p)
	}).Await(ctx)
	return err
}

var braidForker = forker{"braid", func(work func(context.Context, nest) error) error {
	return onPool(func(ctx context.Context, p *threading.Pool) error {
		return work(ctx, func(ctx context.Context, body func(context.Context, func(nested)) error) error {
			return braid.Scope(ctx, p, func(ctx context.Context, g *braid.Group) error {
				return body(ctx, func(c nested) {
					braid.Go(ctx, g, func(ctx context.Context) (struct{}, error) { return struct{}{}, c(ctx) })
				})
			})
		})
	})
}}
