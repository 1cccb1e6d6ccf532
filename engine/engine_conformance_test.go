package engine_test

import (
	"context"
	"sync"
	"testing"

	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/engine/enginetest"
	"github.com/go-braid/braid/strand"
)

// ending gives an executor that has no end, since it owns nothing, the one that
// the suite asks for: it counts the calls in and out.
type ending struct {
	engine.Executor
	host engine.Host

	mu     sync.Mutex
	closed bool
	live   int
	idle   strand.Event // closed, and no call is left
}

func withEnd(ex engine.Executor, name string, l *engine.Listener) *ending {
	e := &ending{Executor: ex}
	e.host = engine.Host{Name: name, Listener: l, Executor: e}
	return e
}

func (e *ending) Unwrap() engine.Executor { return e.Executor }

func (e *ending) Start(ctx context.Context, c *engine.Call) {
	e.mu.Lock()
	closed := e.closed
	if !closed {
		e.live++
	}
	e.mu.Unlock()
	if closed {
		c.Submit(ctx, &e.host)
		c.Refuse(engine.ErrClosed)
		return
	}
	c.OnDone(func(error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.live--
		e.settle()
	})
	e.Executor.Start(ctx, c)
}

// settle needs e.mu.
func (e *ending) settle() {
	if e.closed && e.live == 0 {
		e.idle.Set()
	}
}

func (e *ending) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.settle()
	e.mu.Unlock()
	return e.idle.Wait(ctx)
}

// Drain is Close: neither refuses what was admitted.
func (e *ending) Drain(ctx context.Context) error { return e.Close(ctx) }

func TestGoroutinesConformance(t *testing.T) {
	open := func(_ testing.TB, c enginetest.Config) enginetest.Engine {
		return withEnd(engine.NewGoroutines(c.Listener), "goroutines", c.Listener)
	}
	t.Run("bubble", func(t *testing.T) {
		enginetest.Run(t, open, enginetest.Caps{Drains: true})
	})
	t.Run("outside", func(t *testing.T) {
		enginetest.Run(t, open, enginetest.Caps{Drains: true, NoBubble: true})
	})
}

func TestSerialConformance(t *testing.T) {
	enginetest.Run(t, func(_ testing.TB, c enginetest.Config) enginetest.Engine {
		return withEnd(engine.NewSerial(c.Listener), "serial", c.Listener)
	}, enginetest.Caps{Serial: true, Drains: true})
}
