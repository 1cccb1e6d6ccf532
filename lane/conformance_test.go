package lane_test

import (
	"context"
	"testing"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/engine/enginetest"
	"github.com/go-braid/braid/lane"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/threading"
)

// behind is a lane that takes with it, when it is closed, what is behind it.
type behind struct {
	*lane.Lane
	closers []func(context.Context) error
}

func (b behind) Close(ctx context.Context) error {
	if err := b.Lane.Close(ctx); err != nil {
		return err
	}
	for _, f := range b.closers {
		if err := f(ctx); err != nil {
			return err
		}
	}
	return nil
}

func config(c enginetest.Config) lane.Config {
	cfg := lane.Config{Limit: c.Workers, Queue: c.Queue}
	if c.Refuse {
		cfg.Full = lane.Refuse
	}
	return cfg
}

var caps = enginetest.Caps{
	Bounded: true, Waits: true, Refuses: true,
	Lends: true, Reclaims: true, Drains: true,
}

func TestConformanceOverPool(t *testing.T) {
	for name, pool := range map[string]func(enginetest.Config) threading.Config{
		"the same width": func(c enginetest.Config) threading.Config {
			return threading.Config{Workers: c.Workers}
		},
		"wide": func(c enginetest.Config) threading.Config {
			return threading.Config{Workers: c.Workers + 3, Queue: -1}
		},
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.Run(t, func(_ testing.TB, c enginetest.Config) enginetest.Engine {
				cfg := pool(c)
				cfg.Listener = c.Listener
				p := threading.NewPool(cfg)
				return behind{lane.New(p, config(c)), []func(context.Context) error{p.Close}}
			}, caps)
		})
	}
}

func TestConformanceOverGoroutines(t *testing.T) {
	enginetest.Run(t, func(_ testing.TB, c enginetest.Config) enginetest.Engine {
		return behind{Lane: lane.New(engine.NewGoroutines(c.Listener), config(c))}
	}, caps)
}

func TestConformanceOverLane(t *testing.T) {
	enginetest.Run(t, func(_ testing.TB, c enginetest.Config) enginetest.Engine {
		p := threading.NewPool(threading.Config{Workers: c.Workers, Listener: c.Listener})
		inner := lane.New(p, lane.Config{Limit: c.Workers + 1, Queue: 1})
		return behind{lane.New(inner, config(c)), []func(context.Context) error{inner.Close, p.Close}}
	}, caps)
}

// On a loop the suite keeps tasks busy by parking them, so no place may be lent.
func TestConformanceOverLoop(t *testing.T) {
	caps := caps
	caps.Cooperative, caps.NoRaw = true, true
	caps.Lends, caps.Reclaims = false, false
	enginetest.Run(t, func(_ testing.TB, c enginetest.Config) enginetest.Engine {
		l := asyncio.NewLoop(asyncio.Config{Listener: c.Listener})
		cfg := config(c)
		cfg.MaxLent = -1
		return behind{lane.New(l, cfg), []func(context.Context) error{l.Close}}
	}, caps)
}

func TestConformanceOverProcesses(t *testing.T) {
	enginetest.Run(t, func(t testing.TB, c enginetest.Config) enginetest.Engine {
		p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: c.Workers, Listener: c.Listener})
		if err != nil {
			t.Fatal(err)
		}
		return behind{lane.New(p, config(c)), []func(context.Context) error{p.Close}}
	}, enginetest.Caps{
		Bounded: true, Waits: true, Refuses: true, Drains: true,
		NoClosures: true, NoBubble: true,
	})
}
