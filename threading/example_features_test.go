package threading_test

import (
	"context"
	"fmt"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func ExamplePool_Go() {
	ctx := context.Background()
	p := threading.NewPool(threading.Config{Workers: 1})
	defer p.Close(ctx)
	for i := range 3 {
		if err := p.Go(ctx, func(context.Context) { fmt.Println("page", i) }); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(p.Drain(ctx))
	// Output:
	// page 0
	// page 1
	// page 2
	// <nil>
}

func ExamplePool_Pause() {
	ctx := context.Background()
	p := threading.NewPool(threading.Config{Workers: 1})
	defer p.Close(ctx)
	p.Pause()
	say := func(word string, priority int) *braid.Future[struct{}] {
		return braid.Go(ctx, p, func(context.Context) (struct{}, error) {
			fmt.Println(word)
			return struct{}{}, nil
		}, braid.Priority(priority))
	}
	all := []*braid.Future[struct{}]{say("whenever", -1), say("as usual", 0), say("at once", 1)}
	fmt.Println(p.Statistics().Queued, "wait")
	p.Resume()
	for _, f := range all {
		_, _ = f.Await(ctx)
	}
	// Output:
	// 3 wait
	// at once
	// as usual
	// whenever
}

func ExampleSlowTask() {
	ctx := context.Background()
	slow := make(chan threading.SlowTask, 1)
	p := threading.NewPool(threading.Config{
		Slow:   time.Millisecond,
		OnSlow: func(t threading.SlowTask) { slow <- t },
	})
	defer p.Close(ctx)
	var event strand.Event
	f := braid.Go(ctx, p, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, event.Wait(ctx)
	}, braid.Name("report"))
	fmt.Println((<-slow).Task, "is slow")
	event.Set()
	_, err := f.Await(ctx)
	fmt.Println(err)
	// Output:
	// report is slow
	// <nil>
}
