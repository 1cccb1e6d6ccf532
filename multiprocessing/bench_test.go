package multiprocessing_test

import (
	"context"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

// These are for profiles. How fast braid is beside others is measured in bench/.

var (
	nothing   = braid.Define("bench.nothing", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })
	sameBytes = braid.Define("bench.bytes", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
)

func benchPool(b *testing.B, workers int) (context.Context, *multiprocessing.Pool) {
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: workers})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.Cleanup(func() { _ = p.Close(ctx) })
	for range 100 {
		if _, err := braid.Submit(ctx, p, nothing, struct{}{}).Await(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	return ctx, p
}

func BenchmarkCall(b *testing.B) {
	ctx, p := benchPool(b, 1)
	for b.Loop() {
		if _, err := braid.Submit(ctx, p, nothing, struct{}{}).Await(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMap(b *testing.B) {
	ctx, p := benchPool(b, 2)
	in := func(yield func(int) bool) {
		for i := range b.N {
			if !yield(i) {
				return
			}
		}
	}
	for _, err := range braid.Map(ctx, p, square, in) {
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBytes(b *testing.B) {
	ctx, p := benchPool(b, 1)
	data := make([]byte, 64<<20)
	b.SetBytes(2 * int64(len(data)))
	for b.Loop() {
		if _, err := braid.Submit(ctx, p, sameBytes, data).Await(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	ctx, _ := benchPool(b, 1)
	for b.Loop() {
		p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 1})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := braid.Submit(ctx, p, nothing, struct{}{}).Await(ctx); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = p.Close(ctx)
		b.StartTimer()
	}
}
