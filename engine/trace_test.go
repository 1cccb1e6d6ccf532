package engine

import (
	"bytes"
	"context"
	"runtime/trace"
	"testing"
)

// traceOf returns the trace of what f does.
func traceOf(t *testing.T, f func()) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		t.Skip("somebody else takes a trace: ", err)
	}
	f()
	trace.Stop()
	return b.Bytes()
}

// has reports texts that the trace lacks: their bytes stand in it as they are.
func has(t *testing.T, trace []byte, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !bytes.Contains(trace, []byte(text)) {
			t.Errorf("the trace of %d bytes does not have %q", len(trace), text)
		}
	}
}

// While a trace is taken, each attempt is a task that says which one it is, and the body
// finds it in its context.
func TestTrace(t *testing.T) {
	b := traceOf(t, func() {
		policy := Policy{Retry: Retry{Max: 1, Base: -1}}
		_ = runOn(t, NewGoroutines(nil), Spec{Task: "a task to trace", Index: 7, Policy: policy}, func(ctx context.Context) error {
			trace.Log(ctx, "test", "from inside")
			return errTest
		})
	})
	has(t, b, "a task to trace", "index 7, attempt 1, worker 0 of goroutines", "index 7, attempt 2, worker 0 of goroutines", "from inside")
}

// An attempt elsewhere, which Begin and Return only tell of, is a task too, and one that
// ends by panic ends its task.
func TestTraceElsewhere(t *testing.T) {
	var c *Call
	b := traceOf(t, func() {
		c = NewCall(Spec{Task: "elsewhere"}, &body{run: nothing, done: func(error) {}})
		ctx := c.Submit(context.Background(), &Host{Name: "far"})
		if _, ok := c.Begin(ctx, 3); !ok {
			t.Fatal("the call does not begin")
		}
		c.Return(nil)

		p := NewCall(Spec{Task: "it panics"}, &body{run: func(context.Context) error { panic("oh") }, done: func(error) {}})
		p.Run(p.Submit(context.Background(), &Host{Name: "far"}), 4)
		if p.rare != nil && p.rare.task != nil {
			t.Error("the task of the trace has not ended")
		}
	})
	has(t, b, "elsewhere", "attempt 1, worker 3 of far", "it panics", "worker 4 of far")
	if c.rare != nil && c.rare.task != nil {
		t.Error("the task of the trace has not ended")
	}
}
