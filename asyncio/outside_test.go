package asyncio_test

import (
	"context"
	"testing"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/internal/proctest"
)

// within runs main on a loop and checks that it leaves no goroutine, descriptor or
// process behind.
func within(t testing.TB, main func(ctx context.Context), opts ...asyncio.Option) {
	t.Helper()
	proctest.Check(t)
	err := asyncio.Run(context.Background(), func(ctx context.Context) error { main(ctx); return nil }, opts...)
	if err != nil {
		t.Errorf("Run = %v", err)
	}
}
