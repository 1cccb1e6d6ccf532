package braid_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/go-braid/braid"
)

// The error of a failed call says where it failed, and wraps what happened.
func ExampleTaskError() {
	ctx := context.Background()
	size := braid.Func(func(_ context.Context, path string) (int64, error) {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}, braid.Name("size"))

	_, err := braid.Submit(ctx, nil, size, "/no/such/file").Await(ctx)
	if failed, ok := errors.AsType[*braid.TaskError](err); ok {
		fmt.Println(failed.Task, "failed on", failed.Engine, "at attempt", failed.Attempt)
	}
	fmt.Println("does not exist:", errors.Is(err, fs.ErrNotExist))
	// Output:
	// size failed on goroutines at attempt 1
	// does not exist: true
}

// A panic of a task is the failure of its call, not of the program.
func ExamplePanicError() {
	ctx := context.Background()
	_, err := braid.Go(ctx, nil, func(context.Context) (int, error) {
		var table map[string]int
		table["key"] = 1 //lint:ignore SA5000 this is the panic to be shown
		return table["key"], nil
	}).Await(ctx)
	if p, ok := errors.AsType[*braid.PanicError](err); ok {
		fmt.Println(p.Value)
		fmt.Println("there is a stack:", len(p.Stack) > 0)
	}
	// Output:
	// assignment to entry in nil map
	// there is a stack: true
}

// At the limit the task's context ends, with a cause that names the limit.
func ExampleTimeout() {
	ctx := context.Background()
	_, err := braid.Go(ctx, nil, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}, braid.Name("crawl"), braid.Timeout(10*time.Millisecond)).Await(ctx)

	fmt.Println(err)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// braid: task crawl on goroutines: context deadline exceeded: ran longer than 10ms
	// true
}
