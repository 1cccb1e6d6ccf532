package threading_test

import (
	"context"
	"fmt"
	"time"

	"github.com/go-braid/braid/threading"
)

func ExampleAfterFunc() {
	ctx := context.Background()
	reminder := threading.AfterFunc(ctx, "reminder", 10*time.Millisecond, func(context.Context) error {
		fmt.Println("time for a walk")
		return nil
	})
	fmt.Println("working")
	if err := reminder.Join(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// working
	// time for a walk
}

// A watchdog barks unless it is cancelled in time.
func ExampleTimer_Cancel() {
	ctx := context.Background()
	watchdog := threading.AfterFunc(ctx, "watchdog", time.Hour, func(context.Context) error {
		fmt.Println("the work takes an hour")
		return nil
	})
	fmt.Println("the work is done")
	fmt.Println("cancelled in time:", watchdog.Cancel())
	fmt.Println("the watchdog is alive:", watchdog.Alive())
	// Output:
	// the work is done
	// cancelled in time: true
	// the watchdog is alive: false
}

func ExampleEvery() {
	ctx := context.Background()
	left := 3
	countdown := threading.Every(ctx, "countdown", time.Millisecond, func(context.Context) error {
		fmt.Println(left)
		if left--; left == 0 {
			return threading.ErrStop
		}
		return nil
	})
	if err := countdown.Join(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(countdown.Statistics().Runs, "runs")
	// Output:
	// 3
	// 2
	// 1
	// 3 runs
}

// A ticker that lasts as long as the program is stopped before main waits for the
// threads that are left.
func ExampleTicker_Stop() {
	ctx := context.Background()
	flush := threading.Every(ctx, "flush", time.Minute, func(context.Context) error {
		fmt.Println("flushing")
		return nil
	})
	threading.Go(ctx, "work", func(context.Context) error {
		fmt.Println("working")
		return nil
	})
	flush.Stop()
	if err := threading.JoinAll(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: working
}
