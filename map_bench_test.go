package braid_test

import (
	"context"
	"sync"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/threading"
)

// work computes for about 100 ns.
func work(v uint64) uint64 {
	for range 64 {
		v = v*6364136223846793005 + 1442695040888963407
		v ^= v >> 29
	}
	return v
}

// BenchmarkMapSlice runs many small items on two workers, beside the loop that one would
// write by hand: two goroutines with a half of the items each, without errors, panics or
// an early end. Empty items show what an item costs by itself.
func BenchmarkMapSlice(b *testing.B) {
	const n = 1_000_000
	in := make([]uint64, n)
	for i := range in {
		in[i] = uint64(i)
	}
	for _, c := range []struct {
		name string
		fn   func(uint64) uint64
	}{
		{"work", work},
		{"empty", func(v uint64) uint64 { return v }},
	} {
		perItem := func(b *testing.B, do func()) {
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/item")
		}
		task := braid.Func(func(_ context.Context, v uint64) (uint64, error) { return c.fn(v), nil })
		b.Run(c.name+"/hand", func(b *testing.B) {
			perItem(b, func() {
				out := make([]uint64, n)
				var wg sync.WaitGroup
				for _, r := range [][2]int{{0, n / 2}, {n / 2, n}} {
					wg.Go(func() {
						for i := r[0]; i < r[1]; i++ {
							out[i] = c.fn(in[i])
						}
					})
				}
				wg.Wait()
			})
		})
		b.Run(c.name+"/braid", func(b *testing.B) {
			p := threading.NewPool(threading.Config{Workers: 2})
			defer func() { _ = p.Close(bg) }()
			perItem(b, func() {
				if _, err := braid.MapSlice(bg, p, task, in); err != nil {
					b.Error(err)
				}
			})
		})
		b.Run(c.name+"/goroutines", func(b *testing.B) {
			perItem(b, func() {
				if _, err := braid.MapSlice(bg, nil, task, in, braid.Limit(2)); err != nil {
					b.Error(err)
				}
			})
		})
	}
}
