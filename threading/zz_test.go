package threading_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/threading"
)

func BenchmarkZFib(b *testing.B) {
	const n = 20
	b.Run("scope", func(b *testing.B) {
		p := threading.NewPool(threading.Config{})
		defer p.Close(bg)
		var fib func(ctx context.Context, n int) (int, error)
		fib = func(ctx context.Context, n int) (r int, err error) {
			if n < 2 {
				return n, nil
			}
			err = braid.Scope(ctx, p, func(ctx context.Context, g *braid.Group) error {
				f := braid.Go(ctx, g, func(ctx context.Context) (int, error) { return fib(ctx, n-1) })
				x, err := fib(ctx, n-2)
				if err != nil {
					return err
				}
				y, err := f.Await(ctx)
				r = x + y
				return err
			})
			return r, err
		}
		b.ReportAllocs()
		for b.Loop() {
			v, _ := braid.Go(bg, p, func(ctx context.Context) (int, error) { return fib(ctx, n) }).Await(bg)
			if v != 6765 {
				b.Fatal(v)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10945, "ns/node")
	})
	b.Run("go", func(b *testing.B) {
		b.ReportAllocs()
		var fib func(n int) int
		fib = func(n int) int {
			if n < 2 {
				return n
			}
			var x int
			var wg sync.WaitGroup
			wg.Go(func() { x = fib(n - 1) })
			y := fib(n - 2)
			wg.Wait()
			return x + y
		}
		for b.Loop() {
			if fib(n) != 6765 {
				b.Fatal()
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10945, "ns/node")
	})
}

func BenchmarkZGo(b *testing.B) {
	for _, q := range []int{64, 128, 512, 2048} {
		b.Run("braid"+fmt.Sprint(q), func(b *testing.B) {
			p := threading.NewPool(threading.Config{Workers: 2, Queue: q})
			defer p.Close(bg)
			b.ReportAllocs()
			var wg sync.WaitGroup
			fn := func(context.Context) { wg.Done() }
			wg.Add(b.N)
			for range b.N {
				if p.Go(bg, fn) != nil {
					b.Fatal()
				}
			}
			wg.Wait()
		})
	}
	for _, q := range []int{64, 128, 512, 2048} {
		b.Run("chan"+fmt.Sprint(q), func(b *testing.B) {
			ch := make(chan func(), q)
			var ws sync.WaitGroup
			for range 2 {
				ws.Go(func() {
					for f := range ch {
						f()
					}
				})
			}
			b.ReportAllocs()
			var wg sync.WaitGroup
			fn := func() { wg.Done() }
			wg.Add(b.N)
			for range b.N {
				ch <- fn
			}
			wg.Wait()
			close(ch)
			ws.Wait()
		})
	}
}
