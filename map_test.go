package braid_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

// naturals has no end, and counts in pulled how many were taken.
func naturals(pulled *int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; ; i++ {
			*pulled++
			if !yield(i) {
				return
			}
		}
	}
}

func TestMapOrdered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Later inputs are ready earlier.
		task := braid.Func(func(ctx context.Context, n int) (int, error) {
			return n * n, strand.Sleep(ctx, time.Duration(10-n)*time.Second)
		})
		for _, limit := range []int{1, 3, 100} {
			vs, errs := collect(braid.Map(bg, nil, task, upTo(5), braid.Limit(limit)))
			if !slices.Equal(vs, []int{0, 1, 4, 9, 16}) {
				t.Errorf("limit %d: the results are %v, want the squares in order", limit, vs)
			}
			if err := errors.Join(errs...); err != nil {
				t.Errorf("limit %d: %v", limit, err)
			}
		}
	})
}

func TestMapUnordered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		task := braid.Func(func(ctx context.Context, n int) (int, error) {
			return n, strand.Sleep(ctx, time.Duration(10-n)*time.Second)
		})
		vs, _ := collect(braid.Map(bg, nil, task, upTo(5), braid.Ordered(false), braid.Limit(5)))
		if !slices.Equal(vs, []int{4, 3, 2, 1, 0}) {
			t.Errorf("the results are %v, want them as they are ready", vs)
		}
		vs, _ = collect(braid.Map(bg, nil, task, upTo(5), braid.Ordered(false), braid.Limit(1)))
		if !slices.Equal(vs, []int{0, 1, 2, 3, 4}) {
			t.Errorf("with one at a time the results are %v, want them in order", vs)
		}
	})
}

func TestMapNothing(t *testing.T) {
	for v, err := range braid.Map(bg, nil, double, upTo(0)) {
		t.Errorf("Map over nothing yielded %v, %v", v, err)
	}
}

func TestMapErrorsStandAtTheirPlace(t *testing.T) {
	task := braid.Func(func(_ context.Context, n int) (int, error) {
		if n%2 == 1 {
			return -1, errTest
		}
		return n, nil
	}, braid.Name("odd"))
	vs, errs := collect(braid.Map(bg, nil, task, upTo(5)))
	if len(vs) != 5 {
		t.Fatalf("%d results, want 5: a failure does not end the iteration", len(vs))
	}
	for i := range vs {
		if i%2 == 1 {
			isAll(t, errs[i], errTest)
		} else if vs[i] != i || errs[i] != nil {
			t.Errorf("result %d = %d, %v", i, vs[i], errs[i])
		}
	}
}

// TestMapWindow counts the inputs taken at each yield: never more than the window
// ahead of the results, and exactly the window when nothing is ready early.
func TestMapWindow(t *testing.T) {
	size := 2 * runtime.GOMAXPROCS(0)
	for _, tc := range []struct {
		name    string
		ex      braid.Executor
		opts    []braid.Option
		window  int
		ordered bool
	}{
		{"1", nil, []braid.Option{braid.Limit(1)}, 1, true},
		{"3", nil, []braid.Option{braid.Limit(3)}, 3, true},
		{"3 unordered", nil, []braid.Option{braid.Limit(3), braid.Ordered(false)}, 3, false},
		{"default", nil, nil, size, true},
		{"default of a serial engine", engine.NewSerial(nil), nil, 2, true},
		{"a negative one in a policy is the default", nil, []braid.Option{braid.WithPolicy(braid.Policy{Limit: -1})}, size, true},
		{"a negative one, unordered", nil, []braid.Option{braid.WithPolicy(braid.Policy{Limit: -1, Unordered: true})}, size, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pulled, yielded, most := 0, 0, 0
				slow := braid.Func(func(ctx context.Context, n int) (int, error) {
					return n, strand.Sleep(ctx, time.Second)
				})
				for v, err := range braid.Map(bg, tc.ex, slow, naturals(&pulled), tc.opts...) {
					// The result in our hands counts as yielded.
					most = max(most, pulled-yielded)
					yielded++
					if err != nil || tc.ordered && v != yielded-1 {
						t.Errorf("result %d = %d, %v", yielded-1, v, err)
					}
					if yielded == 20 {
						break
					}
				}
				want := tc.window
				if tc.ex != nil {
					want = 1 // a serial engine is never ahead: each result is ready at once
				}
				if most != want {
					t.Errorf("at most %d inputs were ahead, want exactly %d", most, want)
				}
			})
		})
	}
}

func TestMapDoesNotReadAheadOfASlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pulled, yielded := 0, 0
		for range braid.Map(bg, nil, double, naturals(&pulled), braid.Limit(4)) {
			yielded++
			time.Sleep(time.Hour) // everything in flight is ready meanwhile
			if ahead := pulled - yielded; ahead >= 4 {
				t.Fatalf("%d inputs ahead while one result is in our hands, want less than 4", ahead)
			}
			if yielded == 20 {
				break
			}
		}
	})
}

func TestMapLeftEarly(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var running, cancelled atomic.Int32
			task := braid.Func(func(ctx context.Context, n int) (int, error) {
				if n == 0 {
					return 0, strand.Sleep(ctx, time.Second)
				}
				running.Add(1)
				defer running.Add(-1)
				<-ctx.Done()
				isAll(t, strand.Err(ctx), context.Canceled)
				cancelled.Add(1)
				time.Sleep(time.Second) // it takes its time to clean up
				return n, ctx.Err()
			})
			pulled, cleaned := 0, false
			in := func(yield func(int) bool) {
				defer func() { cleaned = true }()
				naturals(&pulled)(yield)
			}
			for v, err := range braid.Map(bg, nil, task, in, braid.Limit(4), braid.Ordered(ordered)) {
				if v != 0 || err != nil {
					t.Errorf("the first result is %d, %v", v, err)
				}
				break
			}
			took(t, begin, 2*time.Second)
			if n := running.Load(); n != 0 {
				t.Errorf("%d calls run after the loop", n)
			}
			if n := cancelled.Load(); n != 3 {
				t.Errorf("%d calls were cancelled, want 3", n)
			}
			if pulled != 4 || !cleaned {
				t.Errorf("%d inputs were taken, want 4; the input has ended: %v", pulled, cleaned)
			}
		})
	}
}

func TestMapConsumerPanics(t *testing.T) {
	for name, results := range map[string]int{"while feeding": 1, "at the end": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var running atomic.Int32
				task := braid.Func(func(ctx context.Context, n int) (int, error) {
					running.Add(1)
					defer running.Add(-1)
					if n == 3 {
						<-ctx.Done()
						time.Sleep(time.Second)
					}
					return n, nil
				})
				got := panicOf(t, func() {
					n := 0
					for range braid.Map(bg, nil, task, upTo(4), braid.Limit(3)) {
						if n++; n == results {
							synctest.Wait()
							panic(errTest)
						}
					}
				})
				if got != errTest {
					t.Errorf("the panic's value is %v, want the consumer's", got)
				}
				if n := running.Load(); n != 0 {
					t.Errorf("%d calls run after the panic", n)
				}
			})
		})
	}
}

func TestMapInputPanics(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		in := func(yield func(int) bool) {
			if yield(1) && yield(2) {
				panic(errTest)
			}
		}
		vs, errs := collect(braid.Map(bg, nil, double, in, braid.Limit(9), braid.Ordered(ordered)))
		if len(vs) != 3 || errs[0] != nil || errs[1] != nil || vs[0]+vs[1] != 6 {
			t.Fatalf("the results are %v, %v, want those of 1 and 2 and then an error", vs, errs)
		}
		p, ok := errors.AsType[*braid.PanicError](errs[2])
		if !ok || p.Value != errTest || len(p.Stack) == 0 {
			t.Errorf("the last error is %v, want the input's panic with its stack", errs[2])
		}
	}
}

func TestMapInputPanicsWhenLeft(t *testing.T) {
	// A panic in the input's own clean-up is nobody's result: it goes through.
	in := func(yield func(int) bool) {
		defer func() { panic(errTest) }()
		yield(1)
	}
	got := panicOf(t, func() {
		for range braid.Map(bg, engine.NewSerial(nil), double, in) {
			break
		}
	})
	if got != errTest {
		t.Errorf("the panic's value is %v, want the input's", got)
	}
}

func TestMapContextDone(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(bg)
			pulled := 0
			task := braid.Func(func(ctx context.Context, n int) (int, error) {
				if n < 2 {
					return n, nil
				}
				_, err := forever(ctx)
				return -1, err
			})
			time.AfterFunc(time.Second, func() { cancel(errWhy) })
			vs, errs := collect(braid.Map(ctx, nil, task, naturals(&pulled), braid.Limit(3), braid.Ordered(ordered)))
			if len(errs) != pulled+1 {
				t.Fatalf("%d results for %d inputs, want one each and the end", len(errs), pulled)
			}
			if ordered && (vs[0] != 0 || vs[1] != 1) || errs[0] != nil || errs[1] != nil {
				t.Errorf("the first results are %v, %v", vs[:2], errs[:2])
			}
			for _, err := range errs[2:] {
				isAll(t, err, context.Canceled, errWhy)
			}
			if _, ok := errors.AsType[*braid.TaskError](errs[pulled]); ok {
				t.Errorf("the last error %v is a call's, want that of the context", errs[pulled])
			}
		})
	}
}

func TestMapContextDoneFromTheStart(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	pulled := 0
	vs, errs := collect(braid.Map(ctx, nil, double, naturals(&pulled)))
	if len(vs) != 1 || errs[0] != context.Canceled || pulled != 0 {
		t.Errorf("Map yielded %v, %v and took %d inputs, want only context.Canceled", vs, errs, pulled)
	}
}

func TestMapContextDoneAfterTheLastInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		task := braid.Func(func(context.Context, int) (int, error) { time.Sleep(time.Minute); return 1, nil })
		vs, errs := collect(braid.Map(ctx, nil, task, upTo(2), braid.Limit(5)))
		if !slices.Equal(vs, []int{1, 1}) || errors.Join(errs...) != nil {
			t.Errorf("Map yielded %v, %v, want two successes: nothing was cut short", vs, errs)
		}
	})
}

func TestMapInputBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		in := func(yield func(int) bool) {
			for i := range 3 {
				time.Sleep(time.Minute)
				if !yield(i) {
					return
				}
			}
		}
		var at []time.Duration
		for v, err := range braid.Map(bg, nil, double, in, braid.Limit(10)) {
			if err != nil || v != 2*len(at) {
				t.Errorf("result %d = %d, %v", len(at), v, err)
			}
			at = append(at, time.Since(begin))
		}
		// A result that is ready waits for the next input at most.
		for i, latest := range []time.Duration{2 * time.Minute, 3 * time.Minute, 3 * time.Minute} {
			if at[i] > latest {
				t.Errorf("result %d came after %v, want %v at most", i, at[i], latest)
			}
		}
	})
}

func TestMapRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts [4]atomic.Int32
		task := braid.Func(func(_ context.Context, n int) (int, error) {
			if int(attempts[n].Add(1)) <= n {
				return 0, errTest
			}
			return n, nil
		}, braid.Retry(2))
		vs, errs := collect(braid.Map(bg, nil, task, upTo(4), braid.Limit(2)))
		if !slices.Equal(vs, []int{0, 1, 2, 0}) {
			t.Errorf("the results are %v", vs)
		}
		if errors.Join(errs[:3]...) != nil {
			t.Errorf("the calls that needed up to 2 retries failed: %v", errs)
		}
		if te, ok := errs[3].(*braid.TaskError); !ok || te.Attempt != 3 {
			t.Errorf("the last call's error is %v, want the failure of attempt 3", errs[3])
		}
	})
}

func TestMapNested(t *testing.T) {
	sum := braid.Func(func(ctx context.Context, n int) (int, error) {
		total := 0
		for v, err := range braid.Map(ctx, nil, double, upTo(n)) {
			if err != nil {
				return 0, err
			}
			total += v
		}
		return total, nil
	})
	vs, errs := collect(braid.Map(bg, nil, sum, upTo(6)))
	if !slices.Equal(vs, []int{0, 0, 2, 6, 12, 20}) || errors.Join(errs...) != nil {
		t.Errorf("the sums are %v, %v", vs, errs)
	}
	// One Map is the input of another.
	first := func(yield func(int) bool) {
		for v := range braid.Map(bg, nil, double, upTo(4)) {
			if !yield(v) {
				return
			}
		}
	}
	vs, _ = collect(braid.Map(bg, nil, double, first))
	if !slices.Equal(vs, []int{0, 4, 8, 12}) {
		t.Errorf("the chained results are %v", vs)
	}
}

func TestMapReused(t *testing.T) {
	var index []int
	l := &engine.Listener{Finished: func(e engine.Event) { index = append(index, e.Index) }}
	seq := braid.Map(bg, engine.NewSerial(l), double, upTo(3))
	for round := range 2 {
		vs, _ := collect(seq)
		if !slices.Equal(vs, []int{0, 2, 4}) {
			t.Errorf("round %d: the results are %v", round, vs)
		}
	}
	for range seq {
		break
	}
	if want := []int{0, 1, 2, 0, 1, 2, 0}; !slices.Equal(index, want) {
		t.Errorf("the calls had the numbers %v, want %v", index, want)
	}
}

func TestMapPulled(t *testing.T) {
	pulled := 0
	next, stop := iter.Pull2(braid.Map(bg, nil, double, naturals(&pulled), braid.Limit(2)))
	for i := range 3 {
		if v, err, ok := next(); v != 2*i || err != nil || !ok {
			t.Errorf("next() = %d, %v, %v, want %d", v, err, ok, 2*i)
		}
	}
	stop()
	if _, _, ok := next(); ok {
		t.Error("next() = true after stop")
	}
}

func TestMapGoexitInTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		var running atomic.Int32
		task := braid.Func(func(ctx context.Context, n int) (int, error) {
			if n == 0 {
				return 0, nil
			}
			running.Add(1)
			defer running.Add(-1)
			return forever(ctx)
		})
		go func() {
			defer close(ended)
			for range braid.Map(bg, nil, task, upTo(9), braid.Limit(3)) {
				runtime.Goexit() // as t.FailNow does
			}
		}()
		<-ended
		if n := running.Load(); n != 0 {
			t.Errorf("%d calls run after the loop's goroutine has ended", n)
		}
	})
}
