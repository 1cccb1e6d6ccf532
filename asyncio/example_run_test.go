package asyncio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

// Two coroutines take turns whenever one of them waits.
func ExampleRun() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		count := func(name string) *asyncio.Coroutine {
			return asyncio.Go(ctx, func(ctx context.Context) error {
				for i := range 3 {
					fmt.Println(name, i)
					if err := strand.Yield(ctx); err != nil {
						return err
					}
				}
				return nil
			})
		}
		a, b := count("a"), count("b")
		return errors.Join(a.Join(ctx), b.Join(ctx))
	})
	fmt.Println(err)
	// Output:
	// a 0
	// b 0
	// a 1
	// b 1
	// a 2
	// b 2
	// <nil>
}

// Coroutines need no lock for what they do between two waits.
func ExampleGo() {
	balance := 100
	_ = asyncio.Run(context.Background(), func(ctx context.Context) error {
		return braid.Scope(ctx, asyncio.LoopOf(ctx), func(ctx context.Context, g *braid.Group) error {
			for range 3 {
				braid.Go(ctx, g, func(ctx context.Context) (struct{}, error) {
					if balance >= 40 { // nobody else runs between this line
						balance -= 40 // and this
					}
					return struct{}{}, strand.Yield(ctx)
				})
			}
			return nil
		})
	})
	fmt.Println(balance)
	// Output: 20
}

// A loop that stays is an engine: other goroutines hand it work.
func ExampleNewLoop() {
	loop := asyncio.NewLoop(asyncio.Config{})
	defer loop.Close(context.Background())

	f := braid.Go(context.Background(), loop, func(ctx context.Context) (string, error) {
		err := strand.Sleep(ctx, time.Millisecond)
		return "done", err
	})
	fmt.Println(f.Await(context.Background()))
	// Output: done <nil>
}

func ExampleLoop_CallLater() {
	_ = asyncio.Run(context.Background(), func(ctx context.Context) error {
		l := asyncio.LoopOf(ctx)
		l.CallLater(2*time.Millisecond, func() { fmt.Println("later") })
		l.CallSoon(func() { fmt.Println("soon") })
		never := l.CallLater(time.Millisecond, func() { fmt.Println("never") })
		never.Cancel()
		return strand.Sleep(ctx, 4*time.Millisecond)
	})
	// Output:
	// soon
	// later
}

// Dump shows who waits for what, and where in the program.
func ExampleDump() {
	_ = asyncio.Run(context.Background(), func(ctx context.Context) error {
		var ready strand.Event
		for range 2 {
			asyncio.Go(ctx, func(ctx context.Context) error { return ready.Wait(ctx) })
		}
		_ = strand.Yield(ctx)
		var out strings.Builder
		if err := asyncio.Dump(ctx, asyncio.LoopOf(ctx), &out); err != nil {
			return err
		}
		for line := range strings.Lines(out.String()) {
			before, _, _ := strings.Cut(line, " *strand")
			before, _, _ = strings.Cut(before, ", in ")
			fmt.Fprintln(os.Stdout, strings.TrimSpace(before))
		}
		return nil
	})
	// Output:
	// loop async, 3 coroutines
	// └─ main 1: can run
	// ├─ coroutine 2: wait
	// └─ coroutine 3: wait
}

// A loop on which nothing can happen any more says so instead of hanging.
func ExampleDeadlockError() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		q := strand.NewQueue[int](1)
		_, err := q.Get(ctx) // nobody puts
		return err
	}, asyncio.With(asyncio.Config{DeadlockAfter: time.Millisecond}))
	fmt.Println(errors.Is(err, asyncio.ErrDeadlock))
	// Output: true
}
