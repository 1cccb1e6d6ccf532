package threading_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/threading"
)

// batch is how many tasks are in flight at once in these benchmarks: few enough
// that no contestant needs much memory.
const batch = 64

func pool(b *testing.B) *threading.Pool {
	b.ReportAllocs()
	return open(b, threading.Config{Queue: batch})
}

// batches has do run b.N tasks, in batches.
func batches(b *testing.B, do func(n int)) {
	for b.Loop() {
		do(batch)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/task")
}

// BenchmarkResult runs empty tasks and collects their results. The semaphore, as
// in errgroup, bounds how many run; a plain go statement bounds nothing, and
// neither recovers panics.
func BenchmarkResult(b *testing.B) {
	results := make([]int, batch)
	b.Run("braid", func(b *testing.B) {
		p := pool(b)
		fs := make([]*braid.Future[int], batch)
		task := func(context.Context) (int, error) { return 1, nil }
		batches(b, func(n int) {
			for i := range n {
				fs[i] = braid.Go(bg, p, task)
			}
			for i, f := range fs {
				v, err := f.Await(bg)
				if err != nil {
					b.Error(err)
				}
				results[i] = v
			}
		})
	})
	b.Run("go", func(b *testing.B) {
		b.ReportAllocs()
		batches(b, func(n int) {
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() { results[i] = 1 })
			}
			wg.Wait()
		})
	})
	b.Run("semaphore", func(b *testing.B) {
		b.ReportAllocs()
		slots := make(chan struct{}, runtime.GOMAXPROCS(0))
		batches(b, func(n int) {
			var wg sync.WaitGroup
			for i := range n {
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					results[i] = 1
				})
			}
			wg.Wait()
		})
	})
}

// BenchmarkForget runs empty tasks for whose results nobody asks, and waits for
// the end of each batch.
func BenchmarkForget(b *testing.B) {
	b.Run("braid", func(b *testing.B) {
		p := pool(b)
		task := func(context.Context) (struct{}, error) { return struct{}{}, nil }
		batches(b, func(n int) {
			for range n {
				braid.Go(bg, p, task)
			}
			if err := p.Drain(bg); err != nil {
				b.Error(err)
			}
		})
	})
	b.Run("go", func(b *testing.B) {
		b.ReportAllocs()
		batches(b, func(n int) {
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {})
			}
			wg.Wait()
		})
	})
	b.Run("semaphore", func(b *testing.B) {
		b.ReportAllocs()
		slots := make(chan struct{}, runtime.GOMAXPROCS(0))
		batches(b, func(n int) {
			for range n {
				slots <- struct{}{}
				go func() { <-slots }()
			}
			for range cap(slots) {
				slots <- struct{}{}
			}
			for range cap(slots) {
				<-slots
			}
		})
	})
}

// BenchmarkNested computes a Fibonacci number with a task for each call of the
// function. The semaphore is missing: with a slot for each running task, and none
// lent, it would deadlock.
func BenchmarkNested(b *testing.B) {
	const depth = 10
	b.Run("braid", func(b *testing.B) {
		p := pool(b)
		var fib func(ctx context.Context, n int) (int, error)
		fib = func(ctx context.Context, n int) (int, error) {
			if n < 2 {
				return n, nil
			}
			f := braid.Go(ctx, p, func(ctx context.Context) (int, error) { return fib(ctx, n-1) })
			v, err := fib(ctx, n-2)
			if err != nil {
				return 0, err
			}
			w, err := f.Await(ctx)
			return v + w, err
		}
		for b.Loop() {
			if v, err := braid.Go(bg, p, func(ctx context.Context) (int, error) { return fib(ctx, depth) }).Await(bg); v != 55 || err != nil {
				b.Errorf("the result is %d, %v, want 55", v, err)
			}
		}
	})
	b.Run("go", func(b *testing.B) {
		b.ReportAllocs()
		var fib func(n int) int
		fib = func(n int) int {
			if n < 2 {
				return n
			}
			result := make(chan int, 1)
			go func() { result <- fib(n - 1) }()
			v := fib(n - 2)
			return v + <-result
		}
		for b.Loop() {
			if v := fib(depth); v != 55 {
				b.Errorf("the result is %d, want 55", v)
			}
		}
	})
}
