package lane_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/lane"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// Two lanes share the workers of a pool, each with a limit of its own.
func Example() {
	ctx := context.Background()
	pool := threading.NewPool(threading.Config{Workers: 8})
	defer pool.Close(ctx)
	thumbnails := lane.New(pool, lane.Config{Name: "thumbnails", Limit: 2})
	uploads := lane.New(pool, lane.Config{Name: "uploads", Limit: 6})

	square := braid.Func(func(_ context.Context, n int) (int, error) { return n * n, nil })
	fmt.Println(braid.Submit(ctx, thumbnails, square, 3).Await(ctx))
	for n, err := range braid.Map(ctx, uploads, square, slices.Values([]int{4, 5, 6})) {
		fmt.Println(n, err)
	}
	fmt.Println(thumbnails.Size(), uploads.Size(), pool.Size())
	// Output:
	// 9 <nil>
	// 16 <nil>
	// 25 <nil>
	// 36 <nil>
	// 2 6 8
}

// A site that allows 20 requests a second, and bursts of 5: after that they are 50 ms
// apart.
func ExampleConfig_rate() {
	ctx := context.Background()
	site := lane.New(nil, lane.Config{Rate: 20, Burst: 5})
	defer site.Close(ctx)

	begin := time.Now()
	fetch := braid.Func(func(_ context.Context, page int) (time.Duration, error) {
		return time.Since(begin), nil
	})
	var last time.Duration
	for at, err := range braid.Map(ctx, site, fetch, numbers(7)) {
		if err != nil {
			fmt.Println(err)
		}
		last = at
	}
	fmt.Println("the seventh waited for two intervals:", last >= 100*time.Millisecond)
	// Output:
	// the seventh waited for two intervals: true
}

// Nobody knows how many queries at once the database can take: the lane finds out.
func ExampleGradient() {
	ctx := context.Background()
	database := lane.New(nil, lane.Config{Adaptive: &lane.Gradient{Max: 64}})
	defer database.Close(ctx)

	connections := make(chan struct{}, 4) // what the database can take
	query := braid.Func(func(ctx context.Context, id int) (int, error) {
		connections <- struct{}{}
		defer func() { <-connections }()
		return id, strand.Sleep(ctx, 100*time.Microsecond)
	})
	rows := 0
	for _, err := range braid.Map(ctx, database, query, numbers(500), braid.Limit(64)) {
		if err == nil {
			rows++
		}
	}
	s := database.Statistics()
	fmt.Println(rows, "rows")
	fmt.Println("within the bounds:", 1 <= s.Limit && s.Limit <= 64)
	fmt.Println("measured:", s.ShortRTT > 0 && s.LongRTT > 0)
	// Output:
	// 500 rows
	// within the bounds: true
	// measured: true
}

// numbers yields 0 to n-1.
func numbers(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// Tasks submit to their own lane and wait, even where there is one place: a task that
// waits for another one lends its own.
func ExampleLane_nested() {
	ctx := context.Background()
	pool := threading.NewPool(threading.Config{Workers: 1})
	defer pool.Close(ctx)
	l := lane.New(pool, lane.Config{Limit: 1})

	var factorial func(ctx context.Context, n int) (int, error)
	factorial = func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return 1, nil
		}
		rest, err := braid.Go(ctx, l, func(ctx context.Context) (int, error) {
			return factorial(ctx, n-1)
		}).Await(ctx)
		return n * rest, err
	}
	fmt.Println(factorial(ctx, 10))
	// Output:
	// 3628800 <nil>
}

// A full lane refuses instead of making its submitters wait.
func ExampleConfig_refuse() {
	ctx := context.Background()
	l := lane.New(nil, lane.Config{Name: "reports", Limit: 1, Queue: -1, Full: lane.Refuse})
	defer l.Close(ctx)

	release := make(chan struct{})
	first := braid.Go(ctx, l, func(context.Context) (string, error) { <-release; return "done", nil })
	_, err := braid.Go(ctx, l, func(context.Context) (string, error) { return "", nil }).Await(ctx)
	fmt.Println(err)
	fmt.Println(errors.Is(err, engine.ErrNotStarted)) // so it is safe to try again
	close(release)
	fmt.Println(first.Await(ctx))
	// Output:
	// braid: on goroutines/reports: the task was not started: the engine is saturated
	// true
	// done <nil>
}

// While a lane is paused calls are taken, but none is let through.
func ExampleLane_Pause() {
	ctx := context.Background()
	l := lane.New(nil, lane.Config{})
	defer l.Close(ctx)

	l.Pause()
	f := braid.Go(ctx, l, func(context.Context) (string, error) { return "at last", nil })
	fmt.Println(l.Statistics().Queued, "waits")
	l.Resume()
	fmt.Println(f.Await(ctx))
	// Output:
	// 1 waits
	// at last <nil>
}

// The limit follows what a site says of itself.
func ExampleLane_Resize() {
	ctx := context.Background()
	l := lane.New(nil, lane.Config{Limit: 1})
	defer l.Close(ctx)

	var together sync.WaitGroup
	together.Add(3)
	meet := func(context.Context) (string, error) { together.Done(); together.Wait(); return "met", nil }
	var fs []*braid.Future[string]
	for range 3 {
		fs = append(fs, braid.Go(ctx, l, meet))
	}
	if err := l.Resize(3); err != nil {
		fmt.Println(err)
	}
	fmt.Println(braid.Gather(ctx, fs...))
	fmt.Println(l.Resize(0))
	// Output:
	// [met met met] <nil>
	// lane: cannot resize to 0 places: it needs at least 1; to let nothing through use Pause
}

// Lanes stand in front of lanes: each customer has a limit, and all of them together.
func ExampleNew_nested() {
	ctx := context.Background()
	pool := threading.NewPool(threading.Config{Workers: 16})
	defer pool.Close(ctx)
	customers := lane.New(pool, lane.Config{Name: "customers", Limit: 8})
	ada := lane.New(customers, lane.Config{Name: "ada", Limit: 2})
	bob := lane.New(customers, lane.Config{Name: "bob", Rate: 100, Burst: 10})

	_, err := braid.Go(ctx, ada, func(context.Context) (int, error) { return 0, errors.New("no such file") }).Await(ctx)
	fmt.Println(err)
	fmt.Println(braid.Go(ctx, bob, func(context.Context) (int, error) { return 42, nil }).Await(ctx))
	fmt.Println(ada.Size(), bob.Size(), customers.Size())
	// Output:
	// braid: on threads/customers/ada: no such file
	// 42 <nil>
	// 2 8 8
}
