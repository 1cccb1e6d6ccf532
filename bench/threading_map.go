package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/samber/lo/parallel"
	"github.com/sourcegraph/conc/iter"
)

// mapCase is a function of many items, with results in their order. All take a
// slice and return one, which is their own affair to make.
func mapCase(n int, each time.Duration) benchCase {
	steps := stepsFor(each)
	fn := func(v uint64) uint64 { return spin(v, steps) }
	prepare := sync.OnceValues(func() (items, want []uint64) {
		items, want = make([]uint64, n), make([]uint64, n)
		for i := range items {
			items[i] = uint64(i)
			want[i] = fn(uint64(i))
		}
		return items, want
	})
	run := func(name string, do func(items []uint64) ([]uint64, error)) candidate {
		return candidate{name: name, run: func() ([]float64, error) {
			items, want := prepare()
			runtime.GC()
			began := time.Now()
			out, err := do(items)
			took := time.Since(began)
			if err == nil && !slices.Equal(out, want) {
				err = fmt.Errorf("the results are wrong, or not in order")
			}
			return []float64{took.Seconds()}, err
		}}
	}
	return benchCase{
		name: fmt.Sprintf("map of %s items, %v each", thousands(n), each),
		braid: run("braid", func(items []uint64) ([]uint64, error) {
			p := newPool(poolWorkers)
			defer closePool(p)
			return mapSlice(context.Background(), p, items, func(_ context.Context, v uint64) (uint64, error) { return fn(v), nil })
		}),
		peers: []candidate{
			run("two goroutines, halves", func(items []uint64) ([]uint64, error) {
				out := make([]uint64, len(items))
				var wg sync.WaitGroup
				half := len(items) / 2
				for _, r := range [][2]int{{0, half}, {half, len(items)}} {
					wg.Go(func() {
						for i := r[0]; i < r[1]; i++ {
							out[i] = fn(items[i])
						}
					})
				}
				wg.Wait()
				return out, nil
			}),
			run("conc iter.Mapper", func(items []uint64) ([]uint64, error) {
				m := iter.Mapper[uint64, uint64]{MaxGoroutines: poolWorkers}
				return m.MapErr(items, func(v *uint64) (uint64, error) { return fn(*v), nil })
			}),
			// A goroutine for each item; it has no limit, and no errors.
			run("lo/parallel", func(items []uint64) ([]uint64, error) {
				return parallel.Map(items, func(v uint64, _ int) uint64 { return fn(v) }), nil
			}),
		},
	}
}
