package tasks_test

import (
	"context"
	"fmt"
	"os"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/tasks"
)

func ExampleGzipInput() {
	out, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(out)

	ctx := context.Background()
	in := tasks.GzipInput{Path: "testdata/hello.txt", Out: out, Level: 9}
	packed, err := braid.Submit(ctx, nil, tasks.Gzip, in).Await(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := os.Stat(out + "/testdata/hello.txt.gz")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(packed.Bytes, info.Size() == packed.Compressed)
	// Output: 13 true
}
