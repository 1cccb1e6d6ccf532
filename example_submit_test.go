package braid_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-braid/braid"
)

// A task is defined once, as a package variable, so that worker processes know it
// too.
var initials = braid.Define("initials", func(_ context.Context, name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("there is no name")
	}
	var b strings.Builder
	for word := range strings.FieldsSeq(name) {
		b.WriteString(word[:1])
	}
	return b.String(), nil
}, braid.Doc("Abbreviates a name."))

// Submit starts a task on an engine, here on a goroutine of its own, and Await
// waits for its result.
func ExampleSubmit() {
	ctx := context.Background()
	future := braid.Submit(ctx, nil, initials, "Ada Lovelace")
	// … do something else …
	fmt.Println(future.Await(ctx))
	// Output:
	// AL <nil>
}

// Go is Submit for a closure.
func ExampleGo() {
	ctx := context.Background()
	greeting := "hello"
	future := braid.Go(ctx, nil, func(context.Context) (int, error) {
		return len(greeting), nil
	})
	fmt.Println(future.Await(ctx))
	// Output:
	// 5 <nil>
}

// Programs that learn only at run time what to do find a task by its name.
func ExampleLookup() {
	ctx := context.Background()
	task, ok := braid.Lookup("initials")
	if !ok {
		fmt.Println("no such task")
		return
	}
	in, out := task.Types()
	fmt.Printf("%s %s It makes a %v of a %v.\n", task.Name(), task.Doc(), out, in)
	fmt.Println(task.SubmitAny(ctx, nil, "Grace Hopper").Await(ctx))
	_, err := task.SubmitAny(ctx, nil, 42).Await(ctx)
	fmt.Println(err)
	// Output:
	// initials Abbreviates a name. It makes a string of a string.
	// GH <nil>
	// braid: task initials on submission: the task was not started: the argument is of type int, not string
}

// Cancel asks a task to end; the task is complete when it returns.
func ExampleFuture_Cancel() {
	ctx := context.Background()
	future := braid.Go(ctx, nil, func(ctx context.Context) (int, error) {
		<-ctx.Done() // a task that waits listens to its context
		return 0, ctx.Err()
	}, braid.Name("download"))

	future.Cancel(fmt.Errorf("the disk is full"))
	_, err := future.Await(ctx)
	fmt.Println(strings.Contains(err.Error(), "the disk is full"))
	// Output:
	// true
}
