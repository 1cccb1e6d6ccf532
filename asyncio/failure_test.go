package asyncio_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

// lines is a writer that hands on what is written to it.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// TestFailureNobodyJoined has coroutines fail, and joins one of them. Of the others,
// the one that was not cancelled is reported when it is garbage.
func TestFailureNobodyJoined(t *testing.T) {
	got := make(lines, 100)
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(got, nil)))
	defer slog.SetDefault(before)

	fail := func(ctx context.Context, why string) *asyncio.Coroutine {
		return asyncio.Go(ctx, func(context.Context) error { return errors.New(why) })
	}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		if err := fail(ctx, "joined").Join(ctx); err == nil {
			t.Error("Join = nil")
		}
		gone, cancel := context.WithCancel(ctx)
		asyncio.Go(gone, func(ctx context.Context) error { return strand.Yield(ctx) })
		cancel()
		fail(ctx, "forgotten")
		return strand.Yield(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		runtime.GC()
		select {
		case line := <-got:
			switch {
			case strings.Contains(line, "nobody joined it") && strings.Contains(line, "error=forgotten"):
				done = true
			case strings.Contains(line, "error=joined"), strings.Contains(line, "context canceled"):
				t.Errorf("reported: %s", line)
			}
		default:
			runtime.Gosched()
		}
	}
}
