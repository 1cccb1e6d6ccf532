package multiprocessing

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-braid/braid/strand"
)

// TestExpire: a task that met its deadline in the worker was interrupted, whatever ended
// its context here; the deadline of something else is its own affair.
func TestExpire(t *testing.T) {
	why := errors.New("why")
	cancelled, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	long := time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		ctx context.Context
		at  time.Time
		own bool // what is returned is the context's own error
	}{
		"deadline":                 {context.Background(), long, true},
		"cancelled before":         {cancelled, long, true},
		"of something else":        {context.Background(), time.Now().Add(time.Hour), false},
		"of something, in the end": {cancelled, time.Now().Add(time.Hour), false},
	} {
		run, stop := context.WithDeadline(c.ctx, c.at)
		j := &job{run: run}
		err := j.expire(context.DeadlineExceeded)
		if got := strand.IsErr(run, err); got != c.own {
			t.Errorf("%s: the error is %v, the context's own %v", name, err, got)
		}
		if name == "cancelled before" && !errors.Is(err, why) {
			t.Errorf("%s: the error %v does not say why", name, err)
		}
		if other := errors.New("other"); j.expire(other) != other || j.expire(nil) != nil {
			t.Errorf("%s: another outcome is changed", name)
		}
		stop()
	}
}
