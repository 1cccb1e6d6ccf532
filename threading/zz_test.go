package threading_test

import (
	"context"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/threading"
)

func BenchmarkZResult(b *testing.B) {
	p := threading.NewPool(threading.Config{Workers: 2, Queue: 128})
	defer p.Close(bg)
	t := braid.Func(func(_ context.Context, i int) (int, error) { return i, nil })
	fs := make([]*braid.Future[int], 1000)
	b.ReportAllocs()
	for b.Loop() {
		for i := range fs {
			fs[i] = braid.Submit(bg, p, t, i)
		}
		for i, f := range fs {
			if v, err := f.Await(bg); v != i || err != nil {
				b.Fatal(v, err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/task")
}

func BenchmarkZGo(b *testing.B) {
	p := threading.NewPool(threading.Config{Workers: 2, Queue: 128})
	defer p.Close(bg)
	done := make(chan bool)
	n := 0
	_ = n
	fn := func(context.Context) {}
	b.ReportAllocs()
	for range b.N {
		if p.Go(bg, fn) != nil {
			b.Fatal()
		}
	}
	close(done)
	p.Drain(bg)
}
