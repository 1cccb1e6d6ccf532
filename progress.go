package braid

import (
	"context"

	"github.com/go-braid/braid/engine"
)

// Progress says from inside a task how much of its work is done, and how much there
// is in all, in whatever unit; a total of 0 is not known. It arrives as the event
// Progress of the engine's listener, from a worker process too. If nobody listens it
// does nothing. It does not wait for the listener's sake.
func Progress(ctx context.Context, done, total int64) { engine.Progress(ctx, done, total) }
