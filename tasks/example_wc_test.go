package tasks_test

import (
	"context"
	"fmt"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/tasks"
)

func ExampleCount() {
	ctx := context.Background()
	count, err := braid.Submit(ctx, nil, tasks.WC, "testdata/hello.txt").Await(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(count.Lines, "line,", count.Words, "words,", count.Bytes, "bytes")
	// Output: 1 line, 2 words, 13 bytes
}
