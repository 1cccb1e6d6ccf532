package strand_test

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"

	"github.com/go-braid/braid/strand"
)

// A producer that is faster than its consumer waits, since the queue is bounded.
// Shutdown tells the consumer that nothing will follow.
func ExampleQueue() {
	ctx := context.Background()
	lines := strand.NewQueue[string](2)

	go func() {
		defer lines.Shutdown()
		for _, line := range []string{"to be", "or not", "to be"} {
			if err := lines.Put(ctx, line); err != nil {
				return
			}
		}
	}()

	for line, err := range lines.All(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(line)
	}
	// Output:
	// to be
	// or not
	// to be
}

// ShutdownNow hands back what nobody has taken.
func ExampleQueue_ShutdownNow() {
	q := strand.NewQueue[int](10)
	for i := range 3 {
		if err := q.TryPut(i); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(q.ShutdownNow())
	fmt.Println(q.TryPut(3))
	// Output:
	// [0 1 2]
	// strand: the queue is shut down
}

// Join waits until everything that was put is not only taken, but done.
func ExampleQueue_Join() {
	ctx := context.Background()
	jobs := strand.NewQueue[int](10)
	defer jobs.Shutdown()
	var sum atomic.Int64
	for range 3 {
		go func() {
			for job, err := range jobs.All(ctx) {
				if err != nil {
					return
				}
				sum.Add(int64(job))
				jobs.TaskDone()
			}
		}()
	}
	for job := range 101 {
		if err := jobs.Put(ctx, job); err != nil {
			fmt.Println(err)
		}
	}
	if err := jobs.Join(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(sum.Load())
	// Output:
	// 5050
}

// The newest item comes first.
func ExampleLifoQueue() {
	undo := strand.NewLifoQueue[string](100)
	for _, step := range []string{"typed", "deleted", "pasted"} {
		if err := undo.TryPut(step); err != nil {
			fmt.Println(err)
		}
	}
	last, err := undo.TryGet()
	fmt.Println(last, err)
	// Output:
	// pasted <nil>
}

// The most urgent item comes first, and the oldest of those that are as urgent.
func ExamplePriorityQueue() {
	type job struct {
		urgency int
		name    string
	}
	jobs := strand.NewPriorityQueue(100, func(a, b job) int { return cmp.Compare(b.urgency, a.urgency) })
	for _, j := range []job{{1, "sweep"}, {3, "put out the fire"}, {1, "dust"}, {2, "answer the door"}} {
		if err := jobs.TryPut(j); err != nil {
			fmt.Println(err)
		}
	}
	jobs.Shutdown()
	for j, err := range jobs.All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(j.name)
	}
	// Output:
	// put out the fire
	// answer the door
	// sweep
	// dust
}
