//go:build unix

package multiprocessing_test

import (
	"context"
	"testing"

	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
	"github.com/go-braid/braid/strand"
)

// world is a kind of strands.
type world struct {
	name string
	ctx  func(context.Context) context.Context
}

// worlds are plain goroutines, and strands that must not be blocked.
var worlds = []world{
	{"goroutine", func(ctx context.Context) context.Context { return ctx }},
	{"parked", func(ctx context.Context) context.Context { return strand.WithParker(ctx, parking{}) }},
}

// parking parks strands that are not plain goroutines, though they are.
type parking struct{ strand.Goroutine }

func inWorlds(t *testing.T, test func(t *testing.T, ctx context.Context)) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			proctest.Check(t)
			test(t, w.ctx(deadline(t)))
		})
	}
}

func roundTrip[T comparable](t *testing.T, ctx context.Context, a, b *multiprocessing.Conn, v T) {
	t.Helper()
	if err := multiprocessing.Send(ctx, a, v); err != nil {
		t.Fatal(err)
	}
	if got, err := multiprocessing.Recv[T](ctx, b); err != nil || got != v {
		t.Fatalf("%.50v became %.50v, %v", v, got, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
