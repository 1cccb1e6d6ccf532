package tasks_test

import (
	"context"
	"fmt"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/tasks"
)

func ExampleDigest() {
	ctx := context.Background()
	sum, err := braid.Submit(ctx, nil, tasks.SHA256, "testdata/hello.txt").Await(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sum)
	// Output: 853ff93762a06ddbf722c4ebe9ddd66d8f63ddaea97f521c3ecc20da7c976020  testdata/hello.txt
}
