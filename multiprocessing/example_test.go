package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

var cube = braid.Define("example.cube", func(_ context.Context, n int) (int, error) { return n * n * n, nil })

// A program begins with multiprocessing.Main(), and then uses worker processes like any
// other engine.
func Example() {
	// multiprocessing.Main() is the first statement of main.
	ctx := context.Background()
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)
	for n, err := range braid.Map(ctx, pool, cube, slices.Values([]int{1, 2, 3})) {
		fmt.Println(n, err)
	}
	// Output:
	// 1 <nil>
	// 8 <nil>
	// 27 <nil>
}

var leave = braid.Define("example.leave", func(_ context.Context, code int) (int, error) {
	os.Exit(code)
	return 0, nil
})

// A task that takes its process with it harms nobody else, and the error says what
// happened.
func Example_crash() {
	ctx := context.Background()
	pool, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close(ctx)

	_, err = braid.Submit(ctx, pool, leave, 3).Await(ctx)
	if crash, ok := errors.AsType[*braid.CrashError](err); ok {
		fmt.Println("exit code", crash.ExitCode, "in phase", crash.Phase)
	}
	n, err := braid.Submit(ctx, pool, cube, 4).Await(ctx)
	fmt.Println(n, err)
	// Output:
	// exit code 3 in phase run
	// 64 <nil>
}

func ExampleStart() {
	ctx := context.Background()
	p, err := multiprocessing.Start(ctx, cube, 2, multiprocessing.Named("cube"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Name(), p.Join(ctx))
	code, _ := p.ExitCode()
	fmt.Println("exit code", code)
	// Output:
	// cube <nil>
	// exit code 0
}

// The state of an actor is in a variable of its process, and is used by one call at a
// time.
var count int

var (
	begin = braid.Define("example.begin", func(_ context.Context, n int) (struct{}, error) {
		count = n
		return struct{}{}, nil
	})
	add = braid.Define("example.add", func(_ context.Context, n int) (int, error) {
		count += n
		return count, nil
	})
)

func ExampleActor() {
	ctx := context.Background()
	counts, err := multiprocessing.NewActor(ctx, multiprocessing.Task(begin, 100), multiprocessing.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer counts.Close(ctx)
	for range 3 {
		n, err := braid.Submit(ctx, counts, add, 1).Await(ctx)
		fmt.Println(n, err)
	}
	fmt.Println("here:", count)
	// Output:
	// 101 <nil>
	// 102 <nil>
	// 103 <nil>
	// here: 0
}
