package braid_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

var errBody = errors.New("the body's own")

// TestScopeMatrix says what becomes of a scope and of a child that listens, for
// each way to join and each thing that can happen one second after its beginning.
func TestScopeMatrix(t *testing.T) {
	const (
		succeeds = iota // the listening child sleeps to the end of its hour
		cut             // it is cancelled
	)
	childFails := func(ctx context.Context, g *braid.Group) error {
		braid.Go(ctx, g, after(time.Second, 0, errTest))
		return nil
	}
	childSucceeds := func(ctx context.Context, g *braid.Group) error {
		braid.Go(ctx, g, after(time.Second, 0, nil))
		return nil
	}
	childPanics := func(ctx context.Context, g *braid.Group) error {
		braid.Go(ctx, g, func(ctx context.Context) (int, error) {
			_ = strand.Sleep(ctx, time.Second)
			panic(errTest)
		})
		return nil
	}
	bodyFails := func(ctx context.Context, g *braid.Group) error {
		if err := strand.Sleep(ctx, time.Second); err != nil {
			return err
		}
		return errBody
	}
	childCancelled := func(ctx context.Context, g *braid.Group) error {
		f := braid.Go(ctx, g, forever)
		time.AfterFunc(time.Second, func() { f.Cancel(errWhy) })
		return nil
	}
	childCancelsItself := func(ctx context.Context, g *braid.Group) error {
		braid.Go(ctx, g, after(time.Second, 0, context.Canceled))
		return nil
	}
	childOfChildCancelled := func(ctx context.Context, g *braid.Group) error {
		braid.Go(ctx, g, func(ctx context.Context) (int, error) {
			_ = strand.Sleep(ctx, time.Second)
			f := goOn(ctx, forever)
			f.Cancel(errWhy)
			return f.Await(ctx)
		})
		return nil
	}
	childTimesOut := func(ctx context.Context, g *braid.Group) error {
		braid.Go(ctx, g, forever, braid.Timeout(time.Second))
		return nil
	}
	idle := func(context.Context, *braid.Group) error { return nil }
	waits := func(ctx context.Context, g *braid.Group) error { return strand.Sleep(ctx, time.Minute) }

	none := []error{}
	for _, tc := range []struct {
		name     string
		join     engine.Join
		body     func(context.Context, *braid.Group) error
		cancel   bool // the outer context is cancelled after a second
		deadline bool // or it is its deadline
		is       []error
		isNot    []error
		listener int
	}{
		{name: "nothing happens", join: braid.FailFast, body: idle, is: none, listener: succeeds},
		{name: "nothing happens", join: braid.Settle, body: idle, is: none, listener: succeeds},
		{name: "nothing happens", join: braid.FirstSuccess, body: idle, is: none, listener: succeeds},

		{name: "child fails", join: braid.FailFast, body: childFails, is: []error{errTest}, isNot: []error{context.Canceled}, listener: cut},
		{name: "child fails", join: braid.Settle, body: childFails, is: []error{errTest}, listener: succeeds},
		{name: "child fails", join: braid.FirstSuccess, body: childFails, is: none, listener: succeeds},

		{name: "child succeeds", join: braid.FailFast, body: childSucceeds, is: none, listener: succeeds},
		{name: "child succeeds", join: braid.Settle, body: childSucceeds, is: none, listener: succeeds},
		{name: "child succeeds", join: braid.FirstSuccess, body: childSucceeds, is: none, listener: cut},

		{name: "child panics", join: braid.FailFast, body: childPanics, is: []error{errTest}, listener: cut},
		{name: "child panics", join: braid.Settle, body: childPanics, is: []error{errTest}, listener: succeeds},

		{name: "body fails", join: braid.FailFast, body: bodyFails, is: []error{errBody}, isNot: []error{context.Canceled}, listener: cut},
		{name: "body fails", join: braid.Settle, body: bodyFails, is: []error{errBody}, listener: succeeds},
		{name: "body fails", join: braid.FirstSuccess, body: bodyFails, is: []error{errBody}, listener: succeeds},

		{name: "child cancelled alone", join: braid.FailFast, body: childCancelled, is: none, listener: succeeds},
		{name: "child cancelled alone", join: braid.Settle, body: childCancelled, is: none, listener: succeeds},
		{name: "child cancelled alone", join: braid.FirstSuccess, body: childCancelled, is: none, listener: succeeds},

		{name: "child's own context.Canceled", join: braid.FailFast, body: childCancelsItself, is: []error{context.Canceled}, listener: cut},
		{name: "child's own context.Canceled", join: braid.Settle, body: childCancelsItself, is: []error{context.Canceled}, listener: succeeds},
		{name: "call of a child cancelled", join: braid.FailFast, body: childOfChildCancelled, is: []error{context.Canceled, errWhy}, listener: cut},

		{name: "child times out", join: braid.FailFast, body: childTimesOut, is: []error{context.DeadlineExceeded}, listener: cut},
		{name: "child times out", join: braid.Settle, body: childTimesOut, is: []error{context.DeadlineExceeded}, listener: succeeds},

		{name: "outer cancel", join: braid.FailFast, body: idle, cancel: true, is: []error{context.Canceled, errWhy}, listener: cut},
		{name: "outer cancel", join: braid.Settle, body: waits, cancel: true, is: []error{context.Canceled, errWhy}, listener: cut},
		{name: "outer cancel", join: braid.FirstSuccess, body: waits, cancel: true, is: []error{context.Canceled, errWhy}, listener: cut},

		{name: "deadline", join: braid.FailFast, body: waits, deadline: true, is: []error{context.DeadlineExceeded}, isNot: []error{context.Canceled}, listener: cut},
		{name: "deadline", join: braid.Settle, body: idle, deadline: true, is: []error{context.DeadlineExceeded}, listener: cut},
		{name: "deadline", join: braid.FirstSuccess, body: idle, deadline: true, is: []error{context.DeadlineExceeded}, listener: cut},
	} {
		t.Run(fmt.Sprint(tc.join, "/", tc.name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				ctx, cancel := context.WithCancelCause(bg)
				defer cancel(nil)
				if tc.cancel {
					time.AfterFunc(time.Second, func() { cancel(errWhy) })
				}
				if tc.deadline {
					var stop context.CancelFunc
					ctx, stop = context.WithTimeout(ctx, time.Second)
					defer stop()
				}
				var listener *braid.Future[int]
				err := braid.Scope(ctx, nil, func(ctx context.Context, g *braid.Group) error {
					listener = braid.Go(ctx, g, after(time.Hour, 1, nil))
					return tc.body(ctx, g)
				}, braid.Join(tc.join))
				want := time.Hour
				if tc.listener == cut {
					want = time.Second
				}
				took(t, begin, want)
				if len(tc.is) == 0 && err != nil {
					t.Errorf("the scope returned %v, want nil", err)
				}
				isAll(t, err, tc.is...)
				isNone(t, err, tc.isNot...)
				select {
				case <-listener.Done():
				default:
					t.Error("the scope was left before its child")
				}
				if v, err := listener.Await(bg); (err == nil) != (tc.listener == succeeds) {
					t.Errorf("the listening child gave %d, %v", v, err)
				} else if err != nil && !engine.Cancelled(err) && !tc.deadline {
					t.Errorf("the listening child's error is %v, want that it was cancelled", err)
				}
			})
		})
	}
}

func TestScopeBodyPanics(t *testing.T) {
	for _, join := range []engine.Join{braid.FailFast, braid.Settle, braid.FirstSuccess} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var child *braid.Future[int]
			got := panicOf(t, func() {
				_ = braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
					child = braid.Go(ctx, g, func(ctx context.Context) (int, error) {
						<-ctx.Done()
						time.Sleep(time.Second)
						return 0, ctx.Err()
					})
					synctest.Wait() // it runs
					panic(errBody)
				}, braid.Join(join))
			})
			if got != errBody {
				t.Errorf("%v: the panic's value is %v, want the body's", join, got)
			}
			took(t, begin, time.Second) // the child was awaited
			_, err := child.Await(bg)
			isAll(t, err, context.Canceled)
		})
	}
}

func TestScopeBodyGoexits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
				braid.Go(ctx, g, func(ctx context.Context) (int, error) {
					<-ctx.Done()
					time.Sleep(time.Second)
					return 0, ctx.Err()
				})
				synctest.Wait() // it runs
				runtime.Goexit()
				return nil
			})
			t.Error("Scope returned to a goroutine that has ended")
		}()
		<-ended
		took(t, begin, time.Second)
	})
}

func TestScopeJoinsWhatFailsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errCleanup := errors.New("the clean-up failed")
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, after(time.Second, 0, errTest))
			braid.Go(ctx, g, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, errCleanup
			})
			braid.Go(ctx, g, forever)
			return nil
		})
		isAll(t, err, errTest, errCleanup)
		isNone(t, err, context.Canceled)
		if n := strings.Count(err.Error(), "\n"); n != 1 {
			t.Errorf("the error has %d lines, want 2:\n%v", n+1, err)
		}
	})
}

func TestScopeSettleJoinsAll(t *testing.T) {
	err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
		braid.Go(ctx, g, func(context.Context) (int, error) { return 0, errTest })
		braid.Go(ctx, g, func(context.Context) (int, error) { return 0, errWhy })
		braid.Go(ctx, g, func(context.Context) (int, error) { return 0, nil })
		return errBody
	}, braid.Join(braid.Settle))
	isAll(t, err, errTest, errWhy, errBody)
}

func TestScopeFirstSuccessAllFail(t *testing.T) {
	err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
		braid.Go(ctx, g, func(context.Context) (int, error) { return 0, errTest })
		braid.Go(ctx, g, func(context.Context) (int, error) { return 0, errWhy })
		return nil
	}, braid.Join(braid.FirstSuccess))
	isAll(t, err, errTest, errWhy)
}

func TestScopeFirstSuccessWithABodyError(t *testing.T) {
	err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
		braid.Go(ctx, g, func(context.Context) (int, error) { return 0, errTest })
		f := braid.Go(ctx, g, func(context.Context) (int, error) { return 1, nil })
		_, _ = f.Await(context.WithoutCancel(ctx))
		return errBody
	}, braid.Join(braid.FirstSuccess))
	if err != errBody {
		t.Errorf("the scope returned %v, want the body's error alone", err)
	}
}

// TestScopeBodyPassesAFailureOn has the body await a child that fails, and return
// its error as it is, wrapped, or as the cause of its context: that is one failure.
func TestScopeBodyPassesAFailureOn(t *testing.T) {
	for name, pass := range map[string]func(ctx context.Context, err error) error{
		"as it is": func(_ context.Context, err error) error { return err },
		"wrapped":  func(_ context.Context, err error) error { return fmt.Errorf("step 1: %w", err) },
		"as the cause": func(ctx context.Context, err error) error {
			<-ctx.Done()
			return context.Cause(ctx)
		},
	} {
		for _, join := range []engine.Join{braid.FailFast, braid.Settle} {
			if join == braid.Settle && name == "as the cause" {
				continue // nothing ends the context
			}
			t.Run(fmt.Sprint(join, "/", name), func(t *testing.T) {
				// The group may hear of the failure before the body does, or after.
				for range 100 {
					var passed error
					err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
						_, err := braid.Go(ctx, g, func(context.Context) (int, error) { return 0, errTest }).Await(context.WithoutCancel(ctx))
						passed = pass(ctx, err)
						return passed
					}, braid.Join(join))
					if err != passed {
						t.Fatalf("the scope returned %q, want what the body returned, once", err)
					}
				}
			})
		}
	}
}

func TestScopeCancelAfterTheWorkIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(bg)
		err := braid.Scope(ctx, nil, func(ctx context.Context, g *braid.Group) error {
			_, err := braid.Go(ctx, g, after(time.Second, 1, nil)).Await(ctx)
			cancel()
			return err
		})
		if err != nil {
			t.Errorf("the scope returned %v, want nil: nothing was cut short", err)
		}
	})
}

func TestScopeFailureAndOuterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		time.AfterFunc(2*time.Second, func() { cancel(errWhy) })
		err := braid.Scope(ctx, nil, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, after(time.Second, 0, errTest))
			braid.Go(ctx, g, forever)
			return nil
		}, braid.Join(braid.Settle))
		isAll(t, err, errTest) // what failed is the news; ctx tells the rest
		isNone(t, err, errWhy)
	})
}
