package asyncio

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/go-braid/braid/strand"
)

// TestDeadlockAfterErrand has an errand come back before the loop is stuck: it must
// not count any more.
func TestDeadlockAfterErrand(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			err := Run(t.Context(), func(ctx context.Context) error {
				l := LoopOf(ctx)
				nothing := func(context.Context) error { return nil }
				if err := l.elsewhere(ctx, strand.OpConnect, nothing, func() {}); err != nil {
					return err
				}
				return new(strand.Event).Wait(ctx)
			})
			if !errors.Is(err, ErrDeadlock) {
				t.Errorf("Run = %v, want a deadlock", err)
			}
		})
	}
}
