package asyncio_test

import (
	"bytes"
	"context"
	"runtime/trace"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

// aCoroutineToTrace parks, so that others run in between.
func aCoroutineToTrace(ctx context.Context) error {
	if err := strand.Sleep(ctx, 1); err != nil {
		return err
	}
	trace.Log(ctx, "test", "after it was parked")
	return nil
}

// While a trace is taken, coroutines are regions with the names of their functions, and
// calls are tasks with their own.
func TestTrace(t *testing.T) {
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Skip("somebody else takes a trace: ", err)
	}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		first, second := asyncio.Go(ctx, aCoroutineToTrace), asyncio.Go(ctx, aCoroutineToTrace)
		f := braid.Go(ctx, asyncio.LoopOf(ctx), func(context.Context) (int, error) { return 0, nil }, braid.Name("a call to trace"), braid.Index(5))
		if _, err := f.Await(ctx); err != nil {
			return err
		}
		if err := first.Join(ctx); err != nil {
			return err
		}
		return second.Join(ctx)
	})
	trace.Stop()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"asyncio_test.aCoroutineToTrace", "after it was parked", "a call to trace", "index 5, attempt 1, worker 0 of "} {
		if !bytes.Contains(b.Bytes(), []byte(text)) {
			t.Errorf("the trace of %d bytes does not have %q", b.Len(), text)
		}
	}
}
