package asyncio

import (
	"reflect"
	"runtime"
	"runtime/trace"
)

// traced runs the function of a coroutine that is no call, while somebody takes a trace
// of the program: there it is a region with the name of the function. (Calls are told of
// by package engine.) All of it is on one goroutine, also after it was parked.
func (c *Coroutine) traced() error {
	name := "coroutine"
	if f := runtime.FuncForPC(reflect.ValueOf(c.fn).Pointer()); f != nil {
		name = f.Name()
	}
	defer trace.StartRegion(&c.ctx, name).End()
	return c.fn(&c.ctx)
}
