package braid_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// A coroutine joins a thread that it has started, and one that it has not. However
// long that takes, its loop does not take itself for deadlocked.
func TestCoroutineJoinsLongThreads(t *testing.T) {
	hour := func(ctx context.Context) error { return strand.Sleep(ctx, time.Hour) }
	for name, join := range map[string]func(ctx context.Context, outer *threading.Thread) error{
		"its own": func(ctx context.Context, _ *threading.Thread) error {
			return threading.Go(ctx, "inner", hour).Join(ctx)
		},
		"another's": func(ctx context.Context, outer *threading.Thread) error { return outer.Join(ctx) },
		"all":       func(ctx context.Context, _ *threading.Thread) error { return threading.JoinAll(ctx) },
	} {
		synctest.Test(t, func(t *testing.T) {
			outer := threading.Go(bg, "outer", hour)
			err := asyncio.Run(bg, func(ctx context.Context) error { return join(ctx, outer) })
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := outer.Join(bg); err != nil {
				t.Error(err)
			}
		})
	}
}

// A coroutine joins many threads that end at once.
func TestCoroutineJoinsThreads(t *testing.T) {
	nothing := func(context.Context) error { return nil }
	err := asyncio.Run(bg, func(ctx context.Context) error {
		for range 2000 {
			if err := threading.Go(ctx, "short", nothing).Join(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
