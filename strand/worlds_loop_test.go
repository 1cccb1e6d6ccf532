package strand_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

func init() {
	worlds = append(worlds, world{name: "loop", run: onLoop}, world{name: "mixed", run: mixed})
}

// onLoop is the world of coroutines of one loop.
func onLoop(t *testing.T, main func(ctx context.Context, s *spawner)) {
	synctest.Test(t, func(t *testing.T) {
		err := asyncio.Run(context.Background(), func(ctx context.Context) error {
			s := newSpawner(func(_ string, fn func(ctx context.Context)) {
				asyncio.Go(ctx, func(ctx context.Context) error {
					fn(ctx)
					return nil
				})
			})
			main(ctx, s)
			s.Wait(ctx)
			return nil
		}, asyncio.With(asyncio.Config{SlowStep: -1}))
		if err != nil {
			t.Error(err)
		}
	})
}

// mixed is the world in which every other strand is a coroutine, and the rest are
// goroutines.
func mixed(t *testing.T, main func(ctx context.Context, s *spawner)) {
	synctest.Test(t, func(t *testing.T) {
		loop := asyncio.NewLoop(asyncio.Config{SlowStep: -1})
		defer loop.Close(context.Background())
		var n atomic.Int64
		s := newSpawner(func(_ string, fn func(ctx context.Context)) {
			if n.Add(1)%2 == 0 {
				ctx, self := strand.Enter(context.Background())
				go func() {
					defer self.End()
					fn(ctx)
				}()
				return
			}
			braid.Go(context.Background(), loop, func(ctx context.Context) (struct{}, error) {
				fn(ctx)
				return struct{}{}, nil
			})
		})
		ctx, self := strand.Enter(context.Background())
		defer self.End()
		main(ctx, s)
		s.Wait(ctx)
	})
}
