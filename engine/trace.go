package engine

import (
	"cmp"
	"context"
	"runtime/trace"
	"strconv"
)

// While somebody takes a trace of the program (package runtime/trace), each attempt is a
// task in it, from its beginning to its end, wherever it runs, with the name of the task,
// or else of the engine, and with a message that says which one it is. What the body does
// on its goroutine is a region of that name. So go tool trace tells how long which tasks
// took and what they waited for. With no trace, that costs a look at a flag.

// traced gives the attempt that begins a task of the trace, and returns its context with
// that.
func (c *Call) traced(ctx context.Context) context.Context {
	ctx, c.seldom().task = trace.NewTask(ctx, c.title())
	trace.Log(ctx, "braid", "index "+strconv.Itoa(c.index)+", attempt "+strconv.Itoa(int(c.attempt))+
		", worker "+strconv.Itoa(int(c.worker))+" of "+c.Host().Name)
	return ctx
}

// tracedRun runs the body as a region of the trace.
func (c *Call) tracedRun(ctx context.Context) error {
	defer trace.StartRegion(ctx, c.title()).End()
	return c.body.Run(ctx)
}

// title is what a trace calls the call.
func (c *Call) title() string { return cmp.Or(c.kind.task, c.Host().Name, "task") }
