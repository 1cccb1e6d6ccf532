package tasks_test

import (
	"context"
	"fmt"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/tasks"
)

func ExampleSlept() {
	ctx := context.Background()
	slept, err := braid.Submit(ctx, nil, tasks.Sleep, 20*time.Millisecond).Await(ctx)
	fmt.Println(slept.Asked, slept.Wall >= slept.Asked, err)
	// Output: 20ms true <nil>
}
