package braid_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
)

// TestScopeLimitAndQueueTimeout has a child wait for a place among those that the
// scope's limit allows, longer than it may.
func TestScopeLimitAndQueueTimeout(t *testing.T) {
	for _, retries := range []int{0, 2} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var took time.Duration
			err := braid.Scope(t.Context(), nil, func(ctx context.Context, g *braid.Group) error {
				braid.Go(ctx, g, func(ctx context.Context) (int, error) { return 0, strand.Sleep(ctx, time.Hour) })
				f := braid.Go(ctx, g, func(context.Context) (int, error) { return 1, nil },
					braid.QueueTimeout(time.Second), braid.Retry(retries), braid.Backoff(-1, 0))
				_, err := f.Await(context.WithoutCancel(ctx))
				took = time.Since(began)
				if !errors.Is(err, braid.ErrNotStarted) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the child's error is %v, want that it was not started in time", err)
				}
				return nil
			}, braid.Limit(1), braid.Join(braid.Settle))
			if want := time.Duration(1+retries) * time.Second; took != want {
				t.Errorf("with %d retries the child gave up after %v, want %v", retries, took, want)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the scope returned %v, want the child's failure, once", err)
			}
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				t.Errorf("the scope counted the failure %d times", len(joined.Unwrap()))
			}
		})
	}
}
