//go:build unix

package connection_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

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

var errSentinel = errors.New("test: a sentinel of the tests")

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("it did not come about that %s", what)
		}
	}
}
