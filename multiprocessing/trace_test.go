package multiprocessing_test

import (
	"bytes"
	"context"
	"runtime/trace"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/multiprocessing"
)

// While a trace of the program is taken, a call is a task in it from when a worker gets
// it to when that has answered.
func TestTrace(t *testing.T) {
	ctx := context.Background()
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Skip("somebody else takes a trace: ", err)
	}
	_, err = braid.Submit(ctx, p, cube, 3, braid.Index(5)).Await(ctx)
	trace.Stop()
	if err != nil {
		t.Error(err)
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"example.cube", "index 5, attempt 1, worker 1 of "} {
		if !bytes.Contains(b.Bytes(), []byte(text)) {
			t.Errorf("the trace of %d bytes does not have %q", b.Len(), text)
		}
	}
}
