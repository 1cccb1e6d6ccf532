package asyncio_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/engine/enginetest"
	"github.com/go-braid/braid/strand"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t testing.TB, c enginetest.Config) enginetest.Engine {
		return asyncio.NewLoop(asyncio.Config{Listener: c.Listener})
	}, enginetest.Caps{Drains: true, Cooperative: true, Forces: true, NoRaw: true})
}

func run(b testing.TB, main func(ctx context.Context)) {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error { main(ctx); return nil })
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkYield1(b *testing.B) {
	run(b, func(ctx context.Context) {
		for b.Loop() {
			strand.Yield(ctx)
		}
	})
}

func BenchmarkYield10k(b *testing.B) {
	const n = 10000
	run(b, func(ctx context.Context) {
		var cs []*asyncio.Coroutine
		for range n {
			cs = append(cs, asyncio.Go(ctx, func(ctx context.Context) error {
				for range b.N / n {
					strand.Yield(ctx)
				}
				return nil
			}))
		}
		for _, c := range cs {
			c.Join(ctx)
		}
	})
}

func BenchmarkGosched10k(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var wg sync.WaitGroup
	for range 10000 {
		wg.Go(func() {
			for range b.N / 10000 {
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
}

func BenchmarkSpawnJoin(b *testing.B) {
	run(b, func(ctx context.Context) {
		cs := make([]*asyncio.Coroutine, 0, b.N)
		for range b.N {
			cs = append(cs, asyncio.Go(ctx, func(ctx context.Context) error { return nil }))
		}
		for _, c := range cs {
			c.Join(ctx)
		}
	})
}

func BenchmarkGoWaitGroup(b *testing.B) {
	var wg sync.WaitGroup
	for range b.N {
		wg.Go(func() {})
	}
	wg.Wait()
}

func BenchmarkPingPong(b *testing.B) {
	run(b, func(ctx context.Context) {
		x, y := strand.NewQueue[int](1), strand.NewQueue[int](1)
		asyncio.Go(ctx, func(ctx context.Context) error {
			for {
				v, err := x.Get(ctx)
				if err != nil {
					return err
				}
				y.Put(ctx, v)
			}
		})
		for b.Loop() {
			x.Put(ctx, 1)
			y.Get(ctx)
		}
	})
}

func BenchmarkChannels(b *testing.B) {
	x, y := make(chan int), make(chan int)
	go func() {
		for v := range x {
			y <- v
		}
	}()
	for b.Loop() {
		x <- 1
		<-y
	}
	close(x)
}

func BenchmarkSleepers(b *testing.B) {
	for b.Loop() {
		run(b, func(ctx context.Context) {
			var cs []*asyncio.Coroutine
			for range 100000 {
				cs = append(cs, asyncio.Go(ctx, func(ctx context.Context) error {
					return strand.Sleep(ctx, time.Second)
				}))
			}
			for _, c := range cs {
				c.Join(ctx)
			}
		})
	}
}

var _ = engine.ErrClosed

func BenchmarkTree(b *testing.B) {
	var grow func(ctx context.Context, level int) error
	grow = func(ctx context.Context, level int) error {
		if level == 0 {
			return nil
		}
		cs := make([]*asyncio.Coroutine, 6)
		for i := range cs {
			cs[i] = asyncio.Go(ctx, func(ctx context.Context) error { return grow(ctx, level-1) })
		}
		for _, c := range cs {
			if err := c.Join(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	for b.Loop() {
		run(b, func(ctx context.Context) { grow(ctx, 6) })
	}
}

func BenchmarkTreeGoroutines(b *testing.B) {
	var grow func(level int)
	grow = func(level int) {
		if level == 0 {
			return
		}
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() { grow(level - 1) })
		}
		wg.Wait()
	}
	for b.Loop() {
		grow(6)
	}
}

func BenchmarkTreeIO(b *testing.B) {
	var grow func(ctx context.Context, level int) error
	grow = func(ctx context.Context, level int) error {
		if level == 0 {
			return strand.Sleep(ctx, 50*time.Millisecond)
		}
		cs := make([]*asyncio.Coroutine, 6)
		for i := range cs {
			cs[i] = asyncio.Go(ctx, func(ctx context.Context) error { return grow(ctx, level-1) })
		}
		for _, c := range cs {
			if err := c.Join(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	for b.Loop() {
		run(b, func(ctx context.Context) { grow(ctx, 6) })
	}
}
