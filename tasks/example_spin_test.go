package tasks_test

import (
	"context"
	"fmt"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/tasks"
)

func ExampleSpun() {
	ctx := context.Background()
	spun, err := braid.Submit(ctx, nil, tasks.Spin, 20*time.Millisecond).Await(ctx)
	fmt.Println(spun.Asked, spun.CPU >= spun.Asked, err)
	// Output: 20ms true <nil>
}
