package braid_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"pgregory.net/rapid"
)

// TestSliceTwin compares MapSlice, in chunks and in calls, with a loop.
func TestSliceTwin(t *testing.T) {
	engines := []braid.Executor{nil, engine.NewSerial(nil), engine.NewGoroutines(nil)}
	rapid.Check(t, func(t *rapid.T) {
		ex := rapid.SampledFrom(engines).Draw(t, "engine")
		in := rapid.SliceOfN(rapid.IntRange(0, 99), 0, 200).Draw(t, "in")
		var opts []braid.Option
		if rapid.Bool().Draw(t, "in calls") {
			opts = append(opts, braid.Timeout(1<<40))
		}
		if n := rapid.IntRange(0, 3).Draw(t, "limit"); n > 0 {
			opts = append(opts, braid.Limit(n))
		}
		task := braid.Func(func(_ context.Context, v int) (int, error) {
			switch v % 25 {
			case 7:
				return 0, fmt.Errorf("%w: %d", errTest, v)
			case 8:
				panic(errTest)
			case 9:
				runtime.Goexit()
			}
			return v * v, nil
		})
		out, err := braid.MapSlice(bg, ex, task, in, append(opts, braid.Join(braid.Settle))...)
		var failed []int
		for i, v := range in {
			want := v * v
			if k := v % 25; k >= 7 && k <= 9 {
				want = 0
				failed = append(failed, i)
			}
			if out[i] != want {
				t.Fatalf("the result of item %d, %d, is %d, want %d", i, v, out[i], want)
			}
		}
		var got []int
		if err != nil {
			for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
				var item *braid.ItemError
				if !errors.As(e, &item) || !errors.Is(e, errTest) && !errors.Is(e, braid.ErrGoexit) {
					t.Fatalf("a failure is %v", e)
				}
				got = append(got, item.Index)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(failed) {
			t.Fatalf("items %v failed, want %v", got, failed)
		}
	})
}

func TestSliceFailsFast(t *testing.T) {
	for name, opts := range map[string][]braid.Option{"chunks": nil, "calls": {braid.Timeout(1 << 40)}} {
		t.Run(name, func(t *testing.T) {
			var after atomic.Int32
			begun := make(chan struct{})
			err := braid.ForEach(bg, nil, 1_000_000, func(ctx context.Context, i int) error {
				switch i {
				case 0:
					close(begun)
					<-ctx.Done() // the failure ends it
					return ctx.Err()
				case 1:
					<-begun
					return errTest
				}
				after.Add(1)
				return nil
			}, append(opts, braid.Limit(2))...)
			var item *braid.ItemError
			if !errors.As(err, &item) || item.Index != 1 || !errors.Is(err, errTest) {
				t.Errorf("the error is %v, want that of item 1", err)
			}
			if n := after.Load(); n > 100 {
				t.Errorf("%d items ran after the failure", n)
			}
		})
	}
}

func TestSliceIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(bg)
	var ran atomic.Int32
	err := braid.ForEach(ctx, nil, 1_000_000, func(context.Context, int) error {
		if ran.Add(1) == 1000 {
			cancel(errTest)
		}
		return nil
	})
	if !errors.Is(err, errTest) {
		t.Errorf("the error is %v, want the cause", err)
	}
	if n := ran.Load(); n == 1_000_000 {
		t.Error("all items ran though the context has ended")
	}
	if err := braid.ForEach(ctx, nil, 5, func(context.Context, int) error { t.Error("it runs"); return nil }); !errors.Is(err, errTest) {
		t.Errorf("under a context that has ended the error is %v", err)
	}
}

// No more items run at once than the engine has slots, or Limit allows.
func TestSliceWidth(t *testing.T) {
	for _, limit := range []int{1, 3} {
		var mu sync.Mutex
		now, peak := 0, 0
		err := braid.ForEach(bg, nil, 2000, func(context.Context, int) error {
			mu.Lock()
			now++
			peak = max(peak, now)
			mu.Unlock()
			runtime.Gosched()
			mu.Lock()
			now--
			mu.Unlock()
			return nil
		}, braid.Limit(limit))
		if err != nil || peak > limit {
			t.Errorf("%d items ran at once, want at most %d; %v", peak, limit, err)
		}
	}
}

func TestSliceAllocatesNothingForAnItem(t *testing.T) {
	in := make([]int, 100_000)
	task := braid.Func(func(_ context.Context, v int) (int, error) { return v + 1, nil })
	if n := testing.AllocsPerRun(5, func() {
		if _, err := braid.MapSlice(bg, nil, task, in); err != nil {
			t.Error(err)
		}
	}); n > 500 {
		t.Errorf("%v allocations for 100,000 items", n)
	}
}

func TestSliceOfNothing(t *testing.T) {
	task := braid.Func(func(_ context.Context, v int) (int, error) { return v, nil })
	if out, err := braid.MapSlice(bg, nil, task, nil); len(out) != 0 || err != nil {
		t.Errorf("MapSlice of nothing = %v, %v", out, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("FirstSuccess does not panic")
		}
	}()
	_, _ = braid.MapSlice(bg, nil, task, nil, braid.Join(braid.FirstSuccess))
}
