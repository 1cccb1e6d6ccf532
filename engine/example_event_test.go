package engine_test

import (
	"context"
	"fmt"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// Times of one engine are subtracted as they are. Time is for people, and other programs.
func ExampleEvent_Time() {
	var began time.Duration
	ex := engine.NewSerial(&engine.Listener{
		Started: func(e engine.Event) { began = e.At },
		Finished: func(e engine.Event) {
			fmt.Println("took some time:", e.At-began > 0)
			fmt.Println("lately:", time.Since(e.Time()) < time.Hour)
			fmt.Println("counts from the beginning:", e.At <= time.Since(engine.Epoch()))
		},
	})
	nap := func(ctx context.Context) (int, error) { return 0, strand.Sleep(ctx, time.Millisecond) }
	if _, err := braid.Go(context.Background(), ex, nap).Await(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// took some time: true
	// lately: true
	// counts from the beginning: true
}
