package braid_test

// Scenarios 120 to 122; scenarios_test.go has the table.

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/strand"
)

func TestScenario120_OuterCancelReachesEachChildOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		time.AfterFunc(time.Second, func() { cancel(errWhy) })
		var asked atomic.Int32
		err := braid.Scope(ctx, nil, func(ctx context.Context, g *braid.Group) error {
			for range 5 {
				braid.Go(ctx, g, func(ctx context.Context) (int, error) {
					_, err := forever(ctx)
					asked.Add(1)
					return 0, err
				})
			}
			return strand.Sleep(ctx, time.Hour)
		})
		isAll(t, err, context.Canceled, errWhy)
		if n := asked.Load(); n != 5 {
			t.Errorf("%d children were cancelled, want 5", n)
		}
	})
}

func TestScenario120_CleanupFailuresUnderCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		time.AfterFunc(time.Second, func() { cancel(errWhy) })
		err := braid.Scope(ctx, nil, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, errTest })
			braid.Go(ctx, g, forever)
			return strand.Sleep(ctx, time.Hour)
		})
		isAll(t, err, errTest)
	})
}

func TestScenario120_BodyReplacesTheCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, after(time.Second, 0, errTest))
			if err := strand.Sleep(ctx, time.Hour); err != nil {
				return errBody
			}
			return nil
		})
		isAll(t, err, errTest, errBody)
		if text := err.Error(); strings.Index(text, errTest.Error()) > strings.Index(text, errBody.Error()) {
			t.Errorf("the failure that came first is not the first told of:\n%s", text)
		}
	})
}

func TestScenario120_BodySwallowsTheCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, after(time.Second, 0, errTest))
			<-ctx.Done()
			time.Sleep(time.Second)
			return nil
		})
		took(t, begin, 2*time.Second)
		isAll(t, err, errTest) // the failure is told of all the same
	})
}

func TestScenario120_NestedGroupsBothCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		time.AfterFunc(time.Second, func() { cancel(errWhy) })
		err := braid.Scope(ctx, nil, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, forever)
			err := braid.Scope(ctx, g, func(ctx context.Context, g *braid.Group) error {
				braid.Go(ctx, g, forever)
				return strand.Sleep(ctx, time.Hour)
			})
			isAll(t, err, context.Canceled, errWhy)
			return err
		})
		isAll(t, err, context.Canceled, errWhy)
		if _, ok := errors.AsType[*braid.TaskError](err); ok {
			t.Errorf("the error %v is a child's, want that of the context", err)
		}
	})
}

func TestScenario120_TwoFailAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			for _, e := range []error{errTest, errWhy} {
				braid.Go(ctx, g, func(context.Context) (int, error) {
					time.Sleep(time.Second) // deaf
					return 0, e
				})
			}
			return nil
		})
		isAll(t, err, errTest, errWhy)
	})
}

func TestScenario121_NestedDeadlines(t *testing.T) {
	for _, tc := range []struct {
		name         string
		outer, inner time.Duration
		limit        time.Duration
	}{
		{"inner first", 2 * time.Second, time.Second, time.Second},
		{"outer first", time.Second, 2 * time.Second, time.Second},
		{"the same", time.Second, time.Second, time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var inner error
				_, outer := goOn(bg, func(ctx context.Context) (int, error) {
					var v int
					v, inner = goOn(ctx, forever, braid.Name("inner"), braid.Timeout(tc.inner)).Await(context.WithoutCancel(ctx))
					return v, inner
				}, braid.Name("outer"), braid.Timeout(tc.outer)).Await(bg)
				took(t, begin, tc.limit)
				isAll(t, inner, context.DeadlineExceeded)
				isAll(t, outer, context.DeadlineExceeded)
				if te, ok := errors.AsType[*braid.TimeoutError](inner); !ok || te.Limit != tc.limit {
					t.Errorf("the inner error blames %v, want the limit of %v", te, tc.limit)
				}
				interrupted, _ := errors.AsType[*braid.TaskError](outer)
				_, ours := interrupted.Err.(*braid.InterruptedError)
				if tc.name == "inner first" && ours {
					t.Errorf("the outer error %v blames the outer deadline, which is not over", outer)
				}
				if tc.name == "outer first" && !ours {
					t.Errorf("the outer error %v does not blame the outer deadline", outer)
				}
			})
		})
	}
}

func TestScenario121_DeadlineAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := goOn(bg, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Hour) // the limit passes meanwhile
			return 0, strand.Err(ctx)
		}, braid.Timeout(time.Minute))
		time.AfterFunc(time.Second, func() { f.Cancel(errWhy) })
		_, err := f.Await(bg)
		isAll(t, err, context.Canceled, errWhy)
		isNone(t, err, context.DeadlineExceeded) // the first end stays the reason
	})
}

func TestScenario121_DeadlineKeepsOtherErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := goOn(bg, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, errTest
		}, braid.Timeout(time.Second)).Await(bg)
		isAll(t, err, errTest)
		isNone(t, err, context.DeadlineExceeded)
	})
}

func TestScenario121_DeadlineOfAScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		_, err := goOn(bg, func(ctx context.Context) (int, error) {
			return 0, braid.Scope(ctx, nil, func(ctx context.Context, g *braid.Group) error {
				braid.Go(ctx, g, forever)
				braid.Go(ctx, g, forever)
				return nil
			})
		}, braid.Timeout(time.Second)).Await(bg)
		took(t, begin, time.Second)
		isAll(t, err, context.DeadlineExceeded)
		if te, ok := errors.AsType[*braid.TimeoutError](err); !ok || te.Limit != time.Second {
			t.Errorf("the error %v does not name the limit", err)
		}
	})
}

func TestScenario122_SlowToCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The limit asks; who wants the result waits until the task has returned.
		begin := time.Now()
		_, err := goOn(bg, func(ctx context.Context) (int, error) {
			time.Sleep(3 * time.Second)
			return 0, ctx.Err()
		}, braid.Timeout(time.Second)).Await(bg)
		took(t, begin, 3*time.Second)
		isAll(t, err, context.DeadlineExceeded)
	})
}

func TestScenario122_ResultAgainstLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The task is ready at the instant at which its time is over: a result
		// that is there is never thrown away.
		for range 50 {
			v, err := goOn(bg, func(context.Context) (int, error) {
				time.Sleep(time.Second)
				return 7, nil
			}, braid.Timeout(time.Second)).Await(bg)
			if v != 7 || err != nil {
				t.Fatalf("Await = %d, %v, want 7", v, err)
			}
		}
	})
}

func TestScenario122_NoLostCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A cancel at the instant at which the inner wait is over reaches the task
		// at its next wait, at the latest.
		for range 50 {
			begin := time.Now()
			f := goOn(bg, func(ctx context.Context) (int, error) {
				if _, err := goOn(ctx, after(time.Second, 1, nil)).Await(ctx); err != nil {
					return 0, err
				}
				return 0, strand.Sleep(ctx, time.Hour)
			})
			time.AfterFunc(time.Second, func() { f.Cancel(errWhy) })
			_, err := f.Await(bg)
			took(t, begin, time.Second)
			isAll(t, err, context.Canceled, errWhy)
		}
	})
}

func TestScenario122_CancelReachesTheInnerCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inner *braid.Future[int]
		outer := goOn(bg, func(ctx context.Context) (int, error) {
			inner = goOn(ctx, forever)
			return inner.Await(context.WithoutCancel(ctx))
		})
		synctest.Wait()
		outer.Cancel(errWhy)
		_, err := outer.Await(bg)
		isAll(t, err, context.Canceled, errWhy)
		_, err = inner.Await(bg)
		isAll(t, err, context.Canceled, errWhy)
	})
}
