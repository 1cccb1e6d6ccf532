package threading_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

func ExampleGo() {
	ctx := context.Background()
	lines := strand.NewQueue[string](8)
	printer := threading.Go(ctx, "printer", func(ctx context.Context) error {
		for {
			line, err := lines.Get(ctx)
			if err == strand.ErrShutdown {
				return nil
			}
			if err != nil {
				return err
			}
			fmt.Println(line)
		}
	})
	for _, line := range []string{"one", "two"} {
		if err := lines.Put(ctx, line); err != nil {
			fmt.Println(err)
		}
	}
	lines.Shutdown()
	if err := printer.Join(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(printer.Name(), "is alive:", printer.Alive())
	// Output:
	// one
	// two
	// printer is alive: false
}

// What do the threads of a program wait for?
func ExampleThreads() {
	ctx := context.Background()
	var start strand.Event
	for _, name := range []string{"reader", "writer"} {
		threading.Go(ctx, name, start.Wait)
	}
	for start.Statistics().Waiting < 2 {
		if err := strand.Yield(ctx); err != nil {
			fmt.Println(err)
		}
	}
	threads := threading.Threads()
	for _, th := range threads {
		if op, waits := th.Waiting(); waits {
			fmt.Printf("%s: %v for a %T\n", th.Name(), op.Kind, op.Object)
		}
	}
	start.Set()
	for _, th := range threads {
		if err := th.Join(ctx); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(len(threading.Threads()), "threads left")
	// Output:
	// reader: wait for a *strand.Event
	// writer: wait for a *strand.Event
	// 0 threads left
}

// Main waits for all threads, whoever has started them, and hears of all failures.
func ExampleJoinAll() {
	ctx := context.Background()
	for _, name := range []string{"north", "south"} {
		threading.Go(ctx, name, func(context.Context) error {
			return errors.New("no way " + name)
		})
	}
	threading.Go(ctx, "up", func(context.Context) error { return nil })
	if err := threading.JoinAll(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// braid: task north on thread: no way north
	// braid: task south on thread: no way south
}

func ExampleCurrent() {
	ctx := context.Background()
	whoAmI := func(ctx context.Context) {
		if th, ok := threading.Current(ctx); ok {
			fmt.Println("the thread", th.Name())
		} else {
			fmt.Println("no thread")
		}
	}
	whoAmI(ctx)
	th := threading.Go(ctx, "worker", func(ctx context.Context) error {
		whoAmI(ctx)
		return nil
	})
	if err := th.Join(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// no thread
	// the thread worker
}

// What Python calls excepthook: who hears of a failure that nobody joins.
func ExampleSetListener() {
	ctx := context.Background()
	heard := make(chan string)
	previous := threading.SetListener(&engine.Listener{
		Unobserved: func(e engine.Event) {
			if p, ok := errors.AsType[*braid.PanicError](e.Err); ok {
				heard <- fmt.Sprintf("%s panicked: %v", e.Task, p.Value)
			}
		},
	})
	defer threading.SetListener(previous)
	threading.Go(ctx, "careless", func(context.Context) error { panic("out of luck") })
	for text := ""; text == ""; {
		runtime.GC() // only to have it happen here and now
		select {
		case text = <-heard:
			fmt.Println(text)
		default:
		}
	}
	fmt.Println("JoinAll tells of it, too:", threading.JoinAll(ctx) != nil)
	// Output:
	// careless panicked: out of luck
	// JoinAll tells of it, too: true
}

// A library with state in the system's thread gets one that nobody else uses.
func ExampleLockOSThread() {
	ctx := context.Background()
	requests := strand.NewQueue[string](8)
	library := threading.Go(ctx, "library", func(ctx context.Context) error {
		for request, err := range requests.All(ctx) {
			if err != nil {
				return err
			}
			fmt.Println("called for", request)
		}
		return nil
	}, threading.LockOSThread())
	for _, request := range []string{"one", "two"} {
		if err := requests.Put(ctx, request); err != nil {
			fmt.Println(err)
		}
	}
	requests.Shutdown()
	if err := library.Join(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// called for one
	// called for two
}
