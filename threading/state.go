package threading

import (
	"context"

	"github.com/go-braid/braid/engine"
)

// State returns the state of the worker that runs the calling task: what
// Config.Init of its pool returned. It is the task's alone until it returns. Ok
// is false if ctx is not that of a task in a pool, or the state is not a T.
func State[T any](ctx context.Context) (state T, ok bool) {
	if w, in := engine.PlaceOf(ctx).(*worker); in {
		state, ok = w.state.(T)
	}
	return state, ok
}
