package engine_test

import (
	"context"
	"fmt"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
)

func ExampleTee() {
	count := 0
	counter := &engine.Listener{Finished: func(engine.Event) { count++ }}
	names := &engine.Listener{Finished: func(e engine.Event) { fmt.Println(e.Task, "is complete") }}

	ex := engine.NewSerial(engine.Tee(counter, names, nil))
	greet := func(context.Context) (string, error) { return "hello", nil }
	for _, name := range []string{"first", "second"} {
		if _, err := braid.Go(context.Background(), ex, greet, braid.Name(name)).Await(context.Background()); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(count, "calls")
	// Output:
	// first is complete
	// second is complete
	// 2 calls
}
