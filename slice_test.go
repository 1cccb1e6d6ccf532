package braid_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
	"github.com/go-braid/braid/threading"
	"pgregory.net/rapid"
)

// A deed is what an item of a twinned slice does.
type deed uint8

const (
	succeeds deed = iota
	fails
	panics
	exits    // its goroutine
	cancels  // the caller's context, and succeeds
	gives    // up, if its context is done
	numDeeds // how many there are
)

// A slicing is a MapSlice or ForEach over deeds, and what came of it.
type slicing struct {
	deeds  []deed
	cancel context.CancelCauseFunc
	ran    []atomic.Int32
	busy   atomic.Int32
	most   atomic.Int32 // that were busy at once
	out    []int
	err    error
}

// do is the item i.
func (s *slicing) do(ctx context.Context, i int) (int, error) {
	n := s.busy.Add(1)
	defer s.busy.Add(-1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	s.ran[i].Add(1)
	switch s.deeds[i] {
	case fails:
		return -1, fmt.Errorf("deed %d: %w", i, errTest)
	case panics:
		panic(i)
	case exits:
		runtime.Goexit()
	case cancels:
		s.cancel(errWhy)
	case gives:
		if err := strand.Err(ctx); err != nil {
			return -1, err
		}
	}
	return i + 1, nil
}

// failure reports whether err is what becomes of item i, which has run.
func (s *slicing) failure(i int, err error) bool {
	te, ok := errors.AsType[*braid.TaskError](err)
	if !ok || te.Task != "deed" {
		return false
	}
	switch s.deeds[i] {
	case fails:
		return errors.Is(err, errTest)
	case panics:
		p, ok := errors.AsType[*braid.PanicError](err)
		return ok && p.Value == i && len(p.Stack) > 0
	case exits:
		return errors.Is(err, braid.ErrGoexit)
	}
	return false
}

// TestSliceTwin compares MapSlice and ForEach with a loop over the same deeds: exactly
// where only one item runs at a time or all are to run, and otherwise by what holds
// whatever the order.
func TestSliceTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &slicing{deeds: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) deed {
			if rapid.IntRange(0, 9).Draw(t, "plain") > 0 {
				return succeeds
			}
			return deed(rapid.IntRange(0, int(numDeeds)-1).Draw(t, "deed"))
		}), 0, 300).Draw(t, "deeds")}
		s.ran = make([]atomic.Int32, len(s.deeds))
		opts := []braid.Option{braid.Name("deed")}
		settle := rapid.Bool().Draw(t, "settle")
		if settle {
			opts = append(opts, braid.Join(braid.Settle))
		}
		limit := rapid.IntRange(0, 3).Draw(t, "limit")
		opts = append(opts, braid.Limit(limit))
		each := rapid.Bool().Draw(t, "a call for each item")
		if each {
			opts = append(opts, braid.QueueTimeout(time.Hour))
		}
		var ex braid.Executor
		width := 1
		switch rapid.IntRange(0, 2).Draw(t, "engine") {
		case 0:
			width = len(s.deeds)
		case 1:
			ex = engine.NewSerial(nil)
		case 2:
			width = rapid.IntRange(1, 4).Draw(t, "workers")
			p := threading.NewPool(threading.Config{Workers: width})
			defer func() { _ = p.Close(bg) }()
			ex = p
		}
		if limit > 0 {
			width = min(width, limit)
		}
		ctx, cancel := context.WithCancelCause(bg)
		defer cancel(nil)
		s.cancel = cancel
		if rapid.Bool().Draw(t, "a loop") {
			s.out = make([]int, len(s.deeds))
			s.err = braid.ForEach(ctx, ex, len(s.deeds), func(ctx context.Context, i int) (err error) {
				v, err := s.do(ctx, i)
				if err == nil {
					s.out[i] = v
				}
				return err
			}, opts...)
		} else {
			in := slices.Collect(upTo(len(s.deeds)))
			s.out, s.err = braid.MapSlice(ctx, ex, braid.Func(s.do), in, opts...)
		}
		s.check(t, ctx, settle, width, width == 1 && !each)
	})
}

// check compares what came of it with the loop, which it is like exactly if the items were
// run in turn. (Calls of their own are begun while a result is on its way.)
func (s *slicing) check(t *rapid.T, ctx context.Context, settle bool, width int, inTurn bool) {
	if m := int(s.most.Load()); m > width {
		t.Fatalf("%d items ran at once, want %d at most", m, width)
	}
	failed := make(map[int]bool)
	last := -1
	for i, err := range braid.ItemErrors(s.err) {
		if i <= last || s.ran[i].Load() == 0 || !s.failure(i, err) {
			t.Fatalf("after item %d, item %d, a %v, is said to have failed with %v", last, i, s.deeds[i], err)
		}
		failed[i], last = true, i
	}
	missing, trouble, ended := 0, 0, -1
	for i, d := range s.deeds {
		ran := int(s.ran[i].Load())
		if ran > 1 {
			t.Fatalf("item %d ran %d times", i, ran)
		}
		want := 0
		switch {
		case ran == 0:
			missing++
		case d == succeeds, d == cancels:
			want = i + 1
		case d == gives:
			want = s.out[i] // either is right
			if want == 0 {
				missing++ // it was cut short
			}
		default:
			trouble++
			if !failed[i] {
				t.Fatalf("nothing is said of item %d, a %v", i, d)
			}
		}
		if s.out[i] != want {
			t.Fatalf("result %d is %d, want %d: it ran %d times", i, s.out[i], want, ran)
		}
		if ended < 0 && (d == cancels || !settle && (d == fails || d == panics || d == exits)) {
			ended = i // a loop would go no further
		}
	}
	ofCtx := errors.Is(s.err, errWhy)
	switch {
	case ctx.Err() == nil && ofCtx:
		t.Fatalf("the error is %v, and ctx has not ended", s.err)
	case ctx.Err() != nil && missing > 0 && (!ofCtx || !errors.Is(s.err, context.Canceled)):
		t.Fatalf("the error is %v, and %d items are missing for want of time", s.err, missing)
	case ctx.Err() == nil && missing > 0 && (settle || trouble == 0):
		t.Fatalf("%d items are missing, and the error is %v", missing, s.err)
	case missing == 0 && trouble == 0 && ctx.Err() == nil && s.err != nil:
		t.Fatalf("nothing has failed, and the error is %v", s.err)
	case ended < 0 && missing > 0:
		t.Fatalf("%d items did not run, and nothing could keep them", missing)
	}
	if ended >= 0 && s.ran[ended].Load() == 0 && missing == len(s.deeds) {
		t.Fatal("nothing has run")
	}
	if inTurn && ended >= 0 && !settle && ctx.Err() == nil {
		for i := range s.deeds {
			if ran := s.ran[i].Load() > 0; ran != (i <= ended) {
				t.Fatalf("item %d ran: %v; the first failure is that of %d", i, ran, ended)
			}
		}
	}
}

// TestSliceShares has the runners end together, whatever an item takes: by a clock that
// stands still while they compute, it takes what it must, and two items more at most.
func TestSliceShares(t *testing.T) {
	for _, tc := range []struct {
		each time.Duration
		n    int
		over time.Duration
	}{
		{time.Microsecond, 10_000, 2 * time.Microsecond},
		{10 * time.Microsecond, 4000, 20 * time.Microsecond},
		{time.Millisecond, 500, 0},
		{time.Hour, 10, 0},
	} {
		t.Run(tc.each.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := threading.NewPool(threading.Config{Workers: 2})
				defer func() { _ = p.Close(bg) }()
				began := time.Now()
				// Not strand.Sleep, which would lend the slot.
				err := braid.ForEach(bg, p, tc.n, func(context.Context, int) error { time.Sleep(tc.each); return nil })
				d, ideal := time.Since(began), time.Duration(tc.n)*tc.each/2
				if err != nil || d < ideal || d > ideal+tc.over {
					t.Errorf("it took %v, %v; want %v, and up to %v more", d, err, ideal, tc.over)
				}
			})
		})
	}
}

// TestSliceFirstItemLong has an item among short ones take long: the others go on without it.
func TestSliceFirstItemLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 2})
		defer func() { _ = p.Close(bg) }()
		began := time.Now()
		var last time.Time
		err := braid.ForEach(bg, p, 1000, func(_ context.Context, i int) error {
			if i == 0 {
				time.Sleep(time.Hour)
				return nil
			}
			time.Sleep(time.Microsecond)
			last = time.Now() // all on one runner
			return nil
		})
		if err != nil || last.Sub(began) != 999*time.Microsecond {
			t.Errorf("the others were done after %v, %v", last.Sub(began), err)
		}
		took(t, began, time.Hour)
	})
}

// TestSliceDoesNotAwaitIdleRuns has calls that are more urgent come before a run that waits
// for a slot: when the others have done its work, nobody waits for it.
func TestSliceDoesNotAwaitIdleRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 2})
		defer func() { _ = p.Close(bg) }()
		hog := func(context.Context) (int, error) { time.Sleep(time.Hour); return 1, nil }
		hogs := []*braid.Future[int]{braid.Go(bg, p, hog)}
		synctest.Wait()
		began := time.Now()
		err := braid.ForEach(bg, p, 100, func(_ context.Context, i int) error {
			if i == 0 {
				// It runs beside the hog; the other run waits.
				for range 2 {
					hogs = append(hogs, braid.Go(bg, p, hog, braid.Priority(1)))
				}
			}
			time.Sleep(time.Millisecond)
			return nil
		}, braid.Priority(0))
		if err != nil {
			t.Error(err)
		}
		took(t, began, 100*time.Millisecond)
		for _, h := range hogs {
			must(t, 0, func() error { _, err := h.Await(bg); return err }())
		}
	})
}

func TestSliceInAPoolOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 1})
		defer func() { _ = p.Close(bg) }()
		f := braid.Go(bg, p, func(ctx context.Context) (int, error) {
			sum := 0
			err := braid.ForEach(ctx, p, 10, func(ctx context.Context, i int) error {
				out, err := braid.MapSlice(ctx, p, double, []int{i, i + 1})
				sum += out[0] + out[1]
				return err
			})
			return sum, err
		})
		if sum, err := f.Await(bg); sum != 200 || err != nil {
			t.Errorf("the sum is %d, %v; want 200", sum, err)
		}
	})
}

// TestSliceClosed has the engine end in the middle: what has run stands, and the error says
// what was in the way, although nobody's context has ended but that of the calls.
func TestSliceClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 2})
		var ran atomic.Int32
		closed := make(chan error, 1)
		err := braid.ForEach(bg, p, 1000, func(ctx context.Context, i int) error {
			if ran.Add(1) == 10 {
				go func() {
					now, cancel := context.WithCancel(bg)
					cancel()
					closed <- p.Close(now)
				}()
			}
			return strand.Sleep(ctx, time.Millisecond)
		})
		isAll(t, err, context.Canceled)
		for i, err := range braid.ItemErrors(err) {
			t.Errorf("item %d is said to have failed by itself: %v", i, err)
		}
		if n := ran.Load(); n > 12 {
			t.Errorf("%d items began, want none after the engine has ended", n)
		}
		<-closed
		must(t, 0, p.Close(bg))
		out, err := braid.MapSlice(bg, p, double, []int{1, 2, 3})
		isAll(t, err, braid.ErrClosed, braid.ErrNotStarted)
		if !slices.Equal(out, []int{0, 0, 0}) {
			t.Errorf("a closed engine has given %v", out)
		}
	})
}

func TestSliceCancelCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		var begun strand.Event
		err := braid.ForEach(bg, nil, 2, func(ctx context.Context, i int) error {
			if i == 1 {
				_ = begun.Wait(ctx)
				return errTest
			}
			begun.Set()
			<-ctx.Done()
			cause = context.Cause(ctx)
			return strand.Err(ctx)
		}, braid.Limit(2))
		if e, ok := errors.AsType[*braid.ItemError](cause); !ok || e.Index != 1 {
			t.Errorf("the context of the other item ended because of %v, want the failure", cause)
		}
		if e, ok := err.(*braid.ItemError); !ok || e.Index != 1 || !errors.Is(err, errTest) {
			t.Errorf("the error is %#v, want that of item 1 alone", err)
		}
		if want := "item 1: braid: on goroutines: no luck"; err != nil && err.Error() != want {
			t.Errorf("the text is %q, want %q", err, want)
		}
	})
}

// TestSliceStopsInAChunk has ctx end in the middle of a long chunk of items that do not
// listen to it: the rest of the chunk is not run.
func TestSliceStopsInAChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(bg, 2*time.Millisecond+500*time.Nanosecond)
		defer cancel()
		ran := 0
		err := braid.ForEach(ctx, engine.NewSerial(nil), 10_000, func(context.Context, int) error {
			ran++
			time.Sleep(time.Microsecond)
			return nil
		})
		isAll(t, err, context.DeadlineExceeded)
		if ran != 2001 {
			t.Errorf("%d items ran, want those that had begun in time, 2001", ran)
		}
	})
}

// TestSliceLimitOnGoroutines has more items wait at once than there are processors.
func TestSliceLimitOnGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		nap := func(ctx context.Context, _ int) error { return strand.Sleep(ctx, time.Second) }
		must(t, 0, braid.ForEach(bg, nil, 1000, nap, braid.Limit(500)))
		took(t, began, 2*time.Second)
	})
}

func TestSliceDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, opts := range [][]braid.Option{nil, {braid.Timeout(time.Hour)}} {
			ctx, cancel := context.WithTimeout(bg, 5*time.Second+1)
			out := make([]int, 20)
			err := braid.ForEach(ctx, nil, 20, func(ctx context.Context, i int) error {
				if err := strand.Sleep(ctx, time.Second); err != nil {
					return err
				}
				out[i] = 1
				return nil
			}, append(opts, braid.Limit(2), braid.Join(braid.Settle))...)
			cancel()
			if err == nil || err.Error() != context.DeadlineExceeded.Error() || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error is %v, want the deadline's alone", err)
			}
			if n := slices.Index(out, 0); n != 10 {
				t.Errorf("%d items were done in time, want 10", n)
			}
		}
	})
}

func TestSliceNothing(t *testing.T) {
	out, err := braid.MapSlice(bg, nil, double, nil)
	if len(out) != 0 || err != nil {
		t.Errorf("nothing gave %v, %v", out, err)
	}
	ctx, cancel := context.WithCancelCause(bg)
	cancel(errWhy)
	err = braid.ForEach(ctx, nil, 3, func(context.Context, int) error { t.Error("it ran"); return nil })
	isAll(t, err, errWhy, context.Canceled)
}

func TestSliceMisuse(t *testing.T) {
	nop := func(context.Context, int) error { return nil }
	panicText(t, "braid: ForEach: the function", func() { _ = braid.ForEach(bg, nil, 1, nil) })
	panicText(t, "braid: ForEach of -1 rounds", func() { _ = braid.ForEach(bg, nil, -1, nop) })
	panicText(t, "braid: the items of MapSlice and ForEach", func() {
		_ = braid.ForEach(bg, nil, 1, nop, braid.Join(braid.FirstSuccess))
	})
}

func TestItemErrors(t *testing.T) {
	a, b := &braid.ItemError{Index: 1, Err: errTest}, &braid.ItemError{Index: 3, Err: errWhy}
	nested := &braid.ItemError{Index: 4, Err: a}
	for _, tc := range []struct {
		err  error
		want []int
	}{
		{nil, nil},
		{errTest, nil},
		{a, []int{1}},
		{fmt.Errorf("step two: %w", a), []int{1}},
		{errors.Join(a, b, context.Canceled), []int{1, 3}},
		{fmt.Errorf("step two: %w", errors.Join(a, nested)), []int{1, 4}},
	} {
		var got []int
		for i := range braid.ItemErrors(tc.err) {
			got = append(got, i)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("the items of %v are %v, want %v", tc.err, got, tc.want)
		}
		for range braid.ItemErrors(tc.err) {
			break // an iterator that went on would panic
		}
	}
}

// TestSliceAllocates compares many items with few: what is allocated does not depend on
// their number.
func TestSliceAllocates(t *testing.T) {
	p := threading.NewPool(threading.Config{Workers: 2})
	defer func() { _ = p.Close(bg) }()
	in := make([]int, 100_000)
	allocs := func(n int) float64 {
		return testing.AllocsPerRun(10, func() {
			if _, err := braid.MapSlice(bg, p, double, in[:n]); err != nil {
				t.Error(err)
			}
		})
	}
	// What else the program does in the meantime counts, too.
	if few, many := allocs(100), allocs(len(in)); many > few+100 {
		t.Errorf("%d items take %v allocations, 100 take %v", len(in), many, few)
	}
}

// TestMapItemsWaitForOneAnother has items of a Map on a pool wait for later ones, and the
// input for the tasks: short items do not run in batches there.
func TestMapItemsWaitForOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := threading.NewPool(threading.Config{Workers: 2})
		defer func() { _ = p.Close(bg) }()
		var later [100]strand.Event
		task := braid.Func(func(ctx context.Context, n int) (int, error) {
			later[n].Set()
			if n%50 == 40 {
				return n, later[n+1].Wait(ctx)
			}
			return n, nil
		}, braid.Name("waiter"))
		ctx, cancel := context.WithTimeout(bg, time.Hour)
		defer cancel()
		in := func(yield func(int) bool) {
			for i := range later {
				if i > 0 && i%50 == 0 && later[i-1].Wait(ctx) != nil {
					return
				}
				if !yield(i) {
					return
				}
			}
		}
		vs, errs := collect(braid.Map(ctx, p, task, in))
		if err := errors.Join(errs...); err != nil || !slices.Equal(vs, slices.Collect(upTo(len(later)))) {
			t.Errorf("the results are %v, %v", vs, err)
		}
	})
}
