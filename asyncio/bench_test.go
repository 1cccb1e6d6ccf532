package asyncio_test

import (
	"context"
	"testing"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

// These are for profiles. The comparisons with others are in bench/.

func benchmark(b *testing.B, main func(ctx context.Context) error) {
	b.Helper()
	b.ReportAllocs()
	if err := asyncio.Run(b.Context(), main); err != nil {
		b.Fatal(err)
	}
}

// join starts n coroutines and joins them.
func join(ctx context.Context, n int, fn func(ctx context.Context) error) error {
	cs := make([]*asyncio.Coroutine, n)
	for i := range cs {
		cs[i] = asyncio.Go(ctx, fn)
	}
	for _, c := range cs {
		if err := c.Join(ctx); err != nil {
			return err
		}
	}
	return nil
}

func BenchmarkYield(b *testing.B) {
	benchmark(b, func(ctx context.Context) error {
		for b.Loop() {
			if err := strand.Yield(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// BenchmarkYieldMany has 10,000 coroutines yield a hundred times each.
func BenchmarkYieldMany(b *testing.B) {
	benchmark(b, func(ctx context.Context) error {
		for b.Loop() {
			err := join(ctx, 10_000, func(ctx context.Context) error {
				for range 100 {
					if err := strand.Yield(ctx); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkPingPong(b *testing.B) {
	benchmark(b, func(ctx context.Context) error {
		there, back := strand.NewQueue[int](1), strand.NewQueue[int](1)
		other := asyncio.Go(ctx, func(ctx context.Context) error {
			for v, err := range there.All(ctx) {
				if err != nil {
					return err
				}
				if err := back.Put(ctx, v); err != nil {
					return err
				}
			}
			return nil
		})
		for b.Loop() {
			if err := there.Put(ctx, 1); err != nil {
				return err
			}
			if _, err := back.Get(ctx); err != nil {
				return err
			}
		}
		there.Shutdown()
		return other.Join(ctx)
	})
}

// BenchmarkTree grows a tree of six branches, six levels deep: 55,986 coroutines.
func BenchmarkTree(b *testing.B) {
	var grow func(ctx context.Context, level int) error
	grow = func(ctx context.Context, level int) error {
		if level == 0 {
			return nil
		}
		return join(ctx, 6, func(ctx context.Context) error { return grow(ctx, level-1) })
	}
	benchmark(b, func(ctx context.Context) error {
		for b.Loop() {
			if err := grow(ctx, 6); err != nil {
				return err
			}
		}
		return nil
	})
}
