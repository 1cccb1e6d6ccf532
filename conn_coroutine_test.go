//go:build linux

package braid_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/multiprocessing/connection"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
)

// TestPipeOnLoop: coroutines that wait for a pipe do not hold up their loop, and do not
// take it for deadlocked. They talk to a thread of a pool.
func TestPipeOnLoop(t *testing.T) {
	proctest.Check(t)
	a, b, err := multiprocessing.NewPipe(multiprocessing.PipeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	pool := threading.NewPool(threading.Config{Workers: 1})
	defer pool.Close(bg)
	ran := make(chan struct{}) // closed when another coroutine has run
	answered := braid.Go(bg, pool, func(ctx context.Context) (int, error) {
		for n := 0; ; n++ {
			v, err := multiprocessing.Recv[int](ctx, b)
			if err == io.EOF {
				return n, nil
			}
			if n == 0 {
				// Without this, every answer may be there before anybody looks for it.
				select {
				case <-ran:
				case <-time.After(10 * time.Second):
					return n, errors.Join(errors.New("nobody else ran on the loop"), b.Close())
				}
			}
			if err == nil {
				err = multiprocessing.Send(ctx, b, 2*v)
			}
			if err != nil {
				return n, err
			}
		}
	})
	const n = 100
	err = asyncio.Run(bg, func(ctx context.Context) error {
		var ticks int
		return braid.Scope(ctx, asyncio.LoopOf(ctx), func(ctx context.Context, g *braid.Group) error {
			var turn strand.Event
			braid.Go(ctx, g, func(ctx context.Context) (int, error) {
				// It only runs while the other one is parked.
				for !turn.IsSet() {
					if ticks++; ticks == 1 {
						close(ran)
					}
					if err := strand.Yield(ctx); err != nil {
						return 0, err
					}
				}
				return 0, nil
			})
			for i := range n {
				if err := multiprocessing.Send(ctx, a, i); err != nil {
					return err
				}
				if got, err := multiprocessing.Recv[int](ctx, a); err != nil || got != 2*i {
					t.Errorf("the answer to %d is %d, %v", i, got, err)
				}
			}
			turn.Set()
			// Who is cancelled gets out at once.
			one, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			if _, err := a.RecvBytes(one); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a receive with a deadline: %v", err)
			}
			return a.Close()
		})
	}, asyncio.With(asyncio.Config{DeadlockAfter: 1}))
	if err != nil {
		t.Error(err)
	}
	if got, err := answered.Await(bg); err != nil || got != n {
		t.Errorf("%d answers, %v", got, err)
	}
}

// TestListenerOnLoop: coroutines listen, dial and accept.
func TestListenerOnLoop(t *testing.T) {
	proctest.Check(t)
	key := []byte("a key that the two sides share")
	for network, address := range map[string]string{"unix": filepath.Join(t.TempDir(), "s"), "tcp": "127.0.0.1:0"} {
		err := asyncio.Run(bg, func(ctx context.Context) error {
			l, err := connection.Listen(network, address, key, connection.Config{})
			if err != nil {
				return err
			}
			defer l.Close()
			return braid.Scope(ctx, asyncio.LoopOf(ctx), func(ctx context.Context, g *braid.Group) error {
				braid.Go(ctx, g, func(ctx context.Context) (int, error) {
					c, err := connection.Dial(ctx, network, l.Addr().String(), key, connection.Config{})
					if err != nil {
						return 0, err
					}
					defer c.Close()
					v, err := multiprocessing.Recv[string](ctx, c)
					if err == nil {
						err = multiprocessing.Send(ctx, c, v+", world")
					}
					return 0, err
				})
				c, err := l.Accept(ctx)
				if err != nil {
					return err
				}
				defer c.Close()
				if err := multiprocessing.Send(ctx, c, "hello"); err != nil {
					return err
				}
				if got, err := multiprocessing.Recv[string](ctx, c); err != nil || got != "hello, world" {
					t.Errorf("%s: the answer is %q, %v", network, got, err)
				}
				return nil
			})
		}, asyncio.With(asyncio.Config{DeadlockAfter: 1}))
		if err != nil {
			t.Errorf("%s: %v", network, err)
		}
	}
}
