package threading_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

var length = braid.Func(func(_ context.Context, word string) (int, error) {
	return len(word), nil
})

// Four workers do the work, and the results come in the order of the inputs.
func Example() {
	ctx := context.Background()
	pool := threading.NewPool(threading.Config{Workers: 4})
	defer pool.Close(ctx)

	words := slices.Values([]string{"threads", "share", "memory"})
	for n, err := range braid.Map(ctx, pool, length, words) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(n)
	}
	// Output:
	// 7
	// 5
	// 6
}

// Tasks submit to their own pool and wait, even where there is one worker: a task
// that waits for another one lends its slot.
func ExamplePool_nested() {
	ctx := context.Background()
	pool := threading.NewPool(threading.Config{Workers: 1})
	defer pool.Close(ctx)

	var factorial func(ctx context.Context, n int) (int, error)
	factorial = func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return 1, nil
		}
		rest, err := braid.Go(ctx, pool, func(ctx context.Context) (int, error) {
			return factorial(ctx, n-1)
		}).Await(ctx)
		return n * rest, err
	}
	fmt.Println(factorial(ctx, 10))
	// Output:
	// 3628800 <nil>
}

func ExamplePool_Resize() {
	ctx := context.Background()
	pool := threading.NewPool(threading.Config{Workers: 1})
	defer pool.Close(ctx)

	// Two tasks that need each other at the same time: with one worker they would
	// wait for ever, since the pool cannot see that a channel is waited for.
	ping, pong := make(chan int), make(chan int)
	server := braid.Go(ctx, pool, func(context.Context) (int, error) {
		n := <-ping
		pong <- n + 1
		return n, nil
	})
	client := braid.Go(ctx, pool, func(context.Context) (int, error) {
		ping <- 1
		return <-pong, nil
	})
	if err := pool.Resize(2); err != nil {
		fmt.Println(err)
	}
	fmt.Println(server.Await(ctx))
	fmt.Println(client.Await(ctx))
	fmt.Println(pool.Size(), "workers")
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 2 workers
}

// Close waits for the tasks as long as its context lasts, and then cancels them.
func ExamplePool_Close() {
	pool := threading.NewPool(threading.Config{Workers: 1})
	begun := make(chan struct{})
	future := braid.Go(context.Background(), pool, func(ctx context.Context) (string, error) {
		close(begun)
		if err := strand.Sleep(ctx, time.Hour); err != nil {
			return "", err
		}
		return "an hour later", nil
	})
	<-begun

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	fmt.Println(pool.Close(ctx))

	_, err := future.Await(context.Background())
	fmt.Println("cancelled because the pool was closed:", errors.Is(err, braid.ErrClosed))
	// Output:
	// threading: closing the pool cancelled 1 call: context deadline exceeded
	// cancelled because the pool was closed: true
}

// A server that had better say no than let its callers wait has a pool that
// refuses.
func ExampleRefuse() {
	ctx := context.Background()
	pool := threading.NewPool(threading.Config{Workers: 1, Queue: -1, Full: threading.Refuse})
	defer pool.Close(ctx)

	gate := make(chan struct{})
	serve := func(context.Context) (string, error) { <-gate; return "served", nil }
	first := braid.Go(ctx, pool, serve)
	second := braid.Go(ctx, pool, serve)
	close(gate)

	_, err := second.Await(ctx)
	fmt.Println("full:", errors.Is(err, braid.ErrSaturated))
	fmt.Println("safe to try again:", errors.Is(err, braid.ErrNotStarted))
	fmt.Println(first.Await(ctx))
	// Output:
	// full: true
	// safe to try again: true
	// served <nil>
}
