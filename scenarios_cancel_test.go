package braid_test

// Scenarios 117 to 119; scenarios_test.go has the table.

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

func TestScenario117_Cancel(t *testing.T) {
	cancelled := []error{context.Canceled, errWhy}
	for _, tc := range []struct {
		name string
		body func(ctx context.Context) (int, error)
		want int
		is   []error
		took time.Duration
	}{
		{"while it sleeps", after(time.Hour, 1, nil), 0, cancelled, time.Second},
		{"while it yields", func(ctx context.Context) (int, error) {
			_ = strand.Sleep(context.WithoutCancel(ctx), 2*time.Second)
			return 0, strand.Yield(ctx)
		}, 0, cancelled, 2 * time.Second},
		{"while it awaits a call of its own", func(ctx context.Context) (int, error) {
			return goOn(ctx, forever).Await(ctx)
		}, 0, cancelled, time.Second},
		{"while it locks", func(ctx context.Context) (int, error) {
			var m strand.Mutex
			m.TryLock()
			return 0, m.Lock(ctx)
		}, 0, cancelled, time.Second},
		{"it catches that and succeeds", func(ctx context.Context) (int, error) {
			_ = strand.Sleep(ctx, time.Hour)
			return 42, nil
		}, 42, nil, time.Second},
		{"it ignores that", func(context.Context) (int, error) {
			time.Sleep(time.Minute) // virtual time
			return 42, nil
		}, 42, nil, time.Minute},
		{"it fails in its clean-up", func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, errTest
		}, 0, []error{errTest}, time.Second},
		{"it panics in its clean-up", func(ctx context.Context) (int, error) {
			<-ctx.Done()
			panic(errTest)
		}, 0, []error{errTest}, time.Second},
		{"at its end", after(time.Second/2, 42, nil), 42, nil, time.Second / 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				f := goOn(bg, tc.body)
				time.AfterFunc(time.Second, func() { f.Cancel(errWhy) })
				v, err := f.Await(bg)
				took(t, begin, tc.took)
				if v != tc.want || (err == nil) != (len(tc.is) == 0) {
					t.Errorf("Await = %d, %v, want %d", v, err, tc.want)
				}
				isAll(t, err, tc.is...)
				if engine.Cancelled(err) != slices.Equal(tc.is, cancelled) {
					t.Errorf("engine.Cancelled(%v) = %v", err, engine.Cancelled(err))
				}
			})
		})
	}
}

func TestScenario117_CancelOfItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f *braid.Future[int]
		set := make(chan struct{})
		f = goOn(bg, func(ctx context.Context) (int, error) {
			<-set
			f.Cancel(errWhy)
			return 0, strand.Sleep(ctx, time.Hour)
		})
		close(set)
		_, err := f.Await(bg)
		isAll(t, err, context.Canceled, errWhy)
	})
}

func TestScenario118_InnerEndIsNotTheOuters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The inner scope's deadline ends the inner scope; the outer goes on.
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			inner, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			err := braid.Scope(inner, g, func(ctx context.Context, g *braid.Group) error {
				braid.Go(ctx, g, forever)
				return nil
			})
			isAll(t, err, context.DeadlineExceeded)
			if ctx.Err() != nil {
				t.Errorf("the outer context is done: %v", ctx.Err())
			}
			_, err = braid.Go(ctx, g, after(time.Second, 1, nil)).Await(ctx)
			return err
		})
		if err != nil {
			t.Errorf("the outer scope returned %v, want nil", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		// A cancel from outside is not mistaken for the inner deadline.
		ctx, cancel := context.WithCancelCause(bg)
		time.AfterFunc(time.Second, func() { cancel(errWhy) })
		_, err := goOn(ctx, forever, braid.Timeout(time.Hour)).Await(bg)
		isAll(t, err, context.Canceled, errWhy)
		isNone(t, err, context.DeadlineExceeded)
	})
}

func TestScenario119_GatherOneCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// That one of them was cancelled is a failure to who asked for all.
		one, other := goOn(bg, forever), goOn(bg, forever)
		time.AfterFunc(time.Second, func() { one.Cancel(errWhy) })
		_, err := braid.Gather(bg, other, one)
		isAll(t, err, context.Canceled, errWhy)
		if _, ok := err.(*braid.TaskError); !ok {
			t.Errorf("the error is %T, want the call's", err)
		}
	})
}

func TestScenario119_GatherCancellationBroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		time.AfterFunc(time.Second, func() { cancel(errWhy) })
		fs := []*braid.Future[int]{goOn(bg, forever), goOn(bg, forever), goOn(bg, forever)}
		_, err := braid.Gather(ctx, fs...)
		isAll(t, err, context.Canceled, errWhy)
		for _, f := range fs {
			_, err := f.Await(bg)
			isAll(t, err, context.Canceled, errWhy)
		}
	})
}

func TestScenario119_AsCompletedResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := []*braid.Future[int]{
			goOn(bg, after(1*time.Second, 1, nil)), goOn(bg, after(2*time.Second, 2, nil)), goOn(bg, after(3*time.Second, 3, nil)),
		}
		var got []int
		for len(got) < len(fs) { // each loop takes up where the one before was left
			rest := fs[len(got):]
			for f := range braid.AsCompleted(bg, rest...) {
				v, err := f.Await(bg)
				got = append(got, must(t, v, err))
				break
			}
		}
		if !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("got %v, want [1 2 3]", got)
		}
	})
}

func TestScenario119_AsCompletedConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := []*braid.Future[int]{goOn(bg, after(time.Second, 1, nil)), goOn(bg, after(2*time.Second, 2, nil))}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				var order []*braid.Future[int]
				for f := range braid.AsCompleted(bg, fs[1], fs[0]) {
					order = append(order, f)
				}
				if !slices.Equal(order, fs) {
					t.Error("one of several loops saw another order")
				}
			})
		}
		wg.Wait()
	})
}
