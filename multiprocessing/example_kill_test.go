package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

// Stubborn does not listen to its context.
var stubborn = braid.Define("example.stubborn", func(context.Context, string) (string, error) {
	fmt.Println("begun")
	select {}
})

// A program that must end now, such as at the third Ctrl-C, does not wait for anybody.
func ExamplePool_Kill() {
	ctx := context.Background()
	begun := make(chan string, 1)
	pool, err := multiprocessing.NewPool(multiprocessing.Config{
		Workers: 1,
		Output:  func(o multiprocessing.Output) { begun <- o.Text },
	})
	if err != nil {
		log.Fatal(err)
	}
	call := braid.Submit(ctx, pool, stubborn, "")
	fmt.Println(<-begun)

	pool.Kill()
	_, err = call.Await(ctx)
	fmt.Println(errors.Is(err, braid.ErrClosed))
	fmt.Println(pool.Close(ctx)) // waits until the processes are gone
	// Output:
	// begun
	// true
	// <nil>
}
