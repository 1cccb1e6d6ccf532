package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid/asyncio"
	"github.com/go-braid/braid/strand"
)

// late is woken by nobody that a loop knows of, after ten seconds.
type late struct{ timer *time.Timer }

func (l *late) Arm(wake func()) bool {
	l.timer = time.AfterFunc(10*time.Second, wake)
	return true
}

func (l *late) Disarm() bool { return l.timer.Stop() }

// TestOutside: a wait that says that it is ended from outside is no deadlock, and as long
// as it lasts neither are others.
func TestOutside(t *testing.T) {
	for _, outside := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			err := asyncio.Run(t.Context(), func(ctx context.Context) error {
				var e strand.Event
				waits := asyncio.Go(ctx, func(ctx context.Context) error { return e.Wait(ctx) })
				if err := strand.Park(ctx, strand.Op{Kind: strand.OpWait, Outside: outside}, &late{}); err != nil {
					return err
				}
				e.Set()
				return waits.Join(ctx)
			})
			if outside && err != nil || !outside && !errors.Is(err, asyncio.ErrDeadlock) {
				t.Errorf("outside: %v: Run = %v", outside, err)
			}
		})
	}
}
