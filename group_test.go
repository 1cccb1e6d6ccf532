package braid_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

func TestScopeShieldedChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var child *braid.Future[int]
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			child = braid.Go(context.WithoutCancel(ctx), g, after(time.Hour, 1, nil))
			return errBody
		})
		took(t, begin, time.Hour) // the scope waits for it all the same
		if err != errBody {
			t.Errorf("the scope returned %v, want the body's error", err)
		}
		if v, err := child.Await(bg); v != 1 || err != nil {
			t.Errorf("the shielded child gave %d, %v, want 1", v, err)
		}
	})
}

func TestScopeForeignContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		foreign, cancel := context.WithCancelCause(context.WithValue(bg, key{}, "kept"))
		var byScope, byForeign *braid.Future[int]
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			byForeign = braid.Go(foreign, g, forever)
			time.Sleep(time.Second)
			cancel(errWhy) // ends the one that is under it now
			_, err := byForeign.Await(ctx)
			isAll(t, err, context.Canceled, errWhy)

			byScope = braid.Go(context.WithValue(bg, key{}, "kept"), g, func(ctx context.Context) (int, error) {
				if ctx.Value(key{}) != "kept" {
					t.Error("the context has lost its values")
				}
				return forever(ctx)
			})
			synctest.Wait()
			return errBody // ends the other, though its context knows nothing of the scope
		})
		if err != errBody {
			t.Errorf("the scope returned %v, want the body's error", err)
		}
		_, err = byScope.Await(bg)
		isAll(t, err, context.Canceled, errBody)
	})
}

func TestScopeLateChild(t *testing.T) {
	var late *braid.Group
	var ctxOfScope context.Context
	err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
		late, ctxOfScope = g, ctx
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, ctx := range []context.Context{bg, ctxOfScope} {
		_, err = braid.Go(ctx, late, func(context.Context) (int, error) { t.Error("it ran"); return 0, nil }, braid.Retry(3)).Await(bg)
		isAll(t, err, braid.ErrNotStarted, braid.ErrClosed)
	}
	if want := "braid: on scope: the task was not started: the engine is closed: its scope has ended"; err.Error() != want {
		t.Errorf("the error says %q, want %q", err, want)
	}
}

func TestScopeRefusesAfterFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, after(time.Second, 0, errTest))
			<-ctx.Done()
			_, err := braid.Go(ctx, g, func(context.Context) (int, error) { t.Error("it ran"); return 0, nil }).Await(bg)
			isAll(t, err, braid.ErrNotStarted, braid.ErrClosed, errTest)
			return nil
		})
		isAll(t, err, errTest)
	})
}

func TestScopeChildrenStartChildren(t *testing.T) {
	var ran atomic.Int32
	err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
		var grow func(depth int) func(context.Context) (int, error)
		grow = func(depth int) func(context.Context) (int, error) {
			return func(context.Context) (int, error) {
				ran.Add(1)
				if depth > 0 {
					braid.Go(ctx, g, grow(depth-1))
					braid.Go(ctx, g, grow(depth-1))
				}
				return 0, nil
			}
		}
		braid.Go(ctx, g, grow(6))
		return nil
	})
	if n := ran.Load(); err != nil || n != 127 {
		t.Errorf("%d children ran, %v, want the 127 of the tree", n, err)
	}
}

func TestCallsUnderATasksContextEndWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var grandchild *braid.Future[int]
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, func(ctx context.Context) (int, error) {
				grandchild = braid.Go(ctx, g, forever)
				return 0, strand.Sleep(ctx, time.Second)
			})
			return nil
		})
		took(t, begin, time.Second)
		if err != nil {
			t.Errorf("the scope returned %v, want nil", err)
		}
		_, err = grandchild.Await(bg)
		isAll(t, err, context.Canceled)
		if !strings.Contains(err.Error(), "the task that the context belongs to has returned") {
			t.Errorf("the error %q does not say why the call was cancelled", err)
		}
	})
}

func TestScopeNested(t *testing.T) {
	for _, failing := range []string{"inner child", "inner body", "outer child", "outer body"} {
		t.Run(failing, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fails := func(what string) error {
					if what == failing {
						return errTest
					}
					return nil
				}
				var inner error
				outer := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
					braid.Go(ctx, g, after(time.Second, 0, fails("outer child")))
					inner = braid.Scope(ctx, g, func(ctx context.Context, g *braid.Group) error {
						braid.Go(ctx, g, after(time.Second, 0, fails("inner child")))
						braid.Go(ctx, g, after(time.Hour, 0, nil))
						if err := strand.Sleep(ctx, time.Second); err != nil {
							return err
						}
						return fails("inner body")
					})
					return fails("outer body")
				})
				switch failing {
				case "inner child", "inner body":
					isAll(t, inner, errTest)
					if outer != nil {
						t.Errorf("the outer scope returned %v, want nil: its body has dealt with the failure", outer)
					}
				case "outer child":
					isAll(t, inner, context.Canceled, errTest) // cut short, and why
					isAll(t, outer, errTest)
					isNone(t, outer, context.Canceled)
				case "outer body":
					if inner != nil {
						t.Errorf("the inner scope returned %v, want nil", inner)
					}
					isAll(t, outer, errTest)
				}
			})
		})
	}
}

func TestScopeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var running, most atomic.Int32
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			for range 7 {
				braid.Go(ctx, g, func(ctx context.Context) (int, error) {
					n := running.Add(1)
					defer running.Add(-1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					return 0, strand.Sleep(ctx, time.Second)
				})
			}
			took(t, begin, 2*time.Second) // the start of the last waits for a place
			return nil
		}, braid.Limit(3))
		if err != nil {
			t.Error(err)
		}
		took(t, begin, 3*time.Second)
		if n := most.Load(); n != 3 {
			t.Errorf("up to %d children ran at once, want 3", n)
		}
	})
}

func TestScopeLimitAndFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, after(time.Second, 0, errTest))
			// It waits for the place of the first, whose failure turns it away.
			_, err := braid.Go(ctx, g, func(ctx context.Context) (int, error) { return forever(ctx) }).Await(bg)
			if err == nil {
				t.Error("a call after the failure succeeded")
			}
			return nil
		}, braid.Limit(1))
		isAll(t, err, errTest)
		isNone(t, err, context.Canceled)
		took(t, begin, time.Second)
	})
}

func TestScopeRetriesInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, func(context.Context) (int, error) {
				if attempts++; attempts < 3 {
					return 0, errTest
				}
				return 0, nil
			}, braid.Retry(5))
			return nil
		}, braid.Limit(1))
		if err != nil || attempts != 3 {
			t.Errorf("the scope returned %v after %d attempts, want nil after 3: only the outcome counts", err, attempts)
		}
	})
}

func TestScopeEngines(t *testing.T) {
	s := engine.NewSerial(nil)
	err := braid.Scope(bg, s, func(ctx context.Context, g *braid.Group) error {
		if got, ok := engine.As[*engine.Serial](g); !ok || got != s {
			t.Errorf("the group does not show its engine: %v", got)
		}
		if n := engine.Size(g); n != 1 {
			t.Errorf("the size of the group is %d, want that of its engine, 1", n)
		}
		_, err := braid.Go(ctx, g, func(context.Context) (int, error) { return 0, errTest }, braid.Name("probe")).Await(ctx)
		if te, ok := err.(*braid.TaskError); !ok || te.Engine != "serial" || te.Task != "probe" {
			t.Errorf("the error is %v, want one of probe on serial", err)
		}
		return nil
	}, braid.Join(braid.Settle))
	isAll(t, err, errTest)
}

func TestScopeName(t *testing.T) {
	for name, opts := range map[string][]braid.Option{"scope": nil, "import": {braid.Name("import")}} {
		_ = braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			braid.Go(ctx, g, func(context.Context) (int, error) { return 0, errTest })
			<-ctx.Done()
			_, err := braid.Go(ctx, g, forever).Await(bg)
			if te, ok := err.(*braid.TaskError); !ok || te.Engine != name {
				t.Errorf("the error of a refused call is %v, want it to name %q", err, name)
			}
			return nil
		}, opts...)
	}
}

func TestMapInsideAScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := braid.Func(func(ctx context.Context, n int) (int, error) {
			if n == 2 {
				return 0, errTest
			}
			return forever(ctx)
		})
		err := braid.Scope(bg, nil, func(ctx context.Context, g *braid.Group) error {
			for _, err := range braid.Map(ctx, g, task, upTo(100), braid.Limit(4)) {
				if err == nil {
					t.Error("a call succeeded")
				}
			}
			return nil
		})
		isAll(t, err, errTest) // the call is a child of the scope
	})
}

// TestScopeRacingEnds starts children from everywhere while the scope ends in one
// way or another: it must not hang, and nothing may run after it.
func TestScopeRacingEnds(t *testing.T) {
	for _, join := range []engine.Join{braid.FailFast, braid.Settle, braid.FirstSuccess} {
		for range 300 {
			ctx, cancel := context.WithCancel(bg)
			var running atomic.Int32
			var outside sync.WaitGroup
			err := braid.Scope(ctx, nil, func(ctx context.Context, g *braid.Group) error {
				child := func(context.Context) (int, error) {
					running.Add(1)
					defer running.Add(-1)
					runtime.Gosched()
					if rand.IntN(3) == 0 {
						return 0, errTest
					}
					return 0, nil
				}
				for range 4 {
					outside.Go(func() {
						for range 5 {
							_, _ = braid.Go(ctx, g, child).Await(bg)
						}
					})
				}
				if rand.IntN(2) == 0 {
					cancel()
				}
				return nil
			}, braid.Join(join), braid.Limit(rand.IntN(3)))
			if n := running.Load(); n != 0 {
				t.Fatalf("%v: %d children run after the scope, which returned %v", join, n, err)
			}
			cancel()
			outside.Wait()
		}
	}
}
