package engine

import (
	"context"
	"time"
)

// A queueDeadline ends the context of a call that waits too long. Once stopped it
// never does, so that it cannot cut short a call that runs. A nil queueDeadline
// is none.
type queueDeadline struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
	over   *TimeoutError
}

func (q *queueDeadline) start(ctx context.Context, d time.Duration) context.Context {
	q.over = &TimeoutError{Limit: d, Phase: PhaseQueue}
	ctx, q.cancel = context.WithCancelCause(ctx)
	q.timer = time.AfterFunc(d, func() { q.cancel(q.over) })
	return ctx
}

// stop ends the waiting. If the timer has gone off already, but its function has
// not run yet, the context is done when stop returns.
func (q *queueDeadline) stop() {
	if q != nil && !q.timer.Stop() {
		q.cancel(q.over)
	}
}

// release frees what the context holds on to; the attempt is over.
func (q *queueDeadline) release() {
	if q != nil {
		q.timer.Stop()
		q.cancel(nil)
	}
}
