package braid_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
)

func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		slow := goOn(bg, after(3*time.Second, 1, nil))
		fast := goOn(bg, after(time.Second, 2, nil))
		vs, err := braid.Gather(bg, slow, value(0), fast, slow)
		if err != nil || !slices.Equal(vs, []int{1, 0, 2, 1}) {
			t.Errorf("Gather = %v, %v, want [1 0 2 1]", vs, err)
		}
		took(t, begin, 3*time.Second)
	})
}

func TestGatherNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if vs, err := braid.Gather[int](ctx); len(vs) != 0 || err != nil {
		t.Errorf("Gather of nothing = %v, %v, want nothing", vs, err)
	}
	if vs, err := braid.Gather(ctx, value(1), value(2)); err != nil || !slices.Equal(vs, []int{1, 2}) {
		t.Errorf("Gather of complete calls under a done context = %v, %v, want [1 2]", vs, err)
	}
}

func TestGatherFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		done := value(5)
		bad := goOn(bg, after(time.Second, 0, errTest))
		var ended time.Duration
		// This one takes its time to end after it was cancelled.
		cleanup := goOn(bg, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = time.Since(begin)
			return 0, ctx.Err()
		})
		vs, err := braid.Gather(bg, cleanup, done, bad)
		took(t, begin, 2*time.Second)
		if ended != 2*time.Second {
			t.Error("Gather returned before the cancelled call did")
		}
		_, want := bad.Await(bg)
		if err != want {
			t.Errorf("the error is %v, want that of the call that failed first", err)
		}
		if len(vs) != 3 || vs[1] != 5 {
			t.Errorf("the values are %v, want the one of the call that succeeded", vs)
		}
		_, err = cleanup.Await(bg)
		isAll(t, err, context.Canceled, errTest) // the failure is the cause
	})
}

func TestGatherContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		f := goOn(bg, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			return 0, ctx.Err()
		})
		vs, err := braid.Gather(ctx, f, value(2))
		took(t, begin, 2*time.Second) // it is cancelled at 1s, and awaited
		isAll(t, err, context.DeadlineExceeded)
		if len(vs) != 2 || vs[1] != 2 {
			t.Errorf("the values are %v, want the one of the call that succeeded", vs)
		}
		_, err = f.Await(bg)
		isAll(t, err, context.Canceled) // Gather has cancelled it
	})
}

func TestRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		loser := goOn(bg, forever)
		winner := goOn(bg, after(2*time.Second, 7, nil))
		bad := goOn(bg, after(time.Second, 0, errTest))
		v, err := braid.Race(bg, loser, bad, winner, winner)
		if v != 7 || err != nil {
			t.Errorf("Race = %d, %v, want 7: a failure does not win", v, err)
		}
		took(t, begin, 2*time.Second)
		_, err = loser.Await(bg)
		isAll(t, err, context.Canceled)
		if want := "braid: on goroutines: context canceled: braid: another call has succeeded"; err.Error() != want {
			t.Errorf("the loser's error says %q, want %q", err, want)
		}
	})
}

func TestRaceAllFail(t *testing.T) {
	v, err := braid.Race(bg, failure[int](errTest), failure[int](errWhy))
	if v != 0 {
		t.Errorf("the value is %d, want 0", v)
	}
	isAll(t, err, errTest, errWhy)
}

func TestRaceAlreadyDone(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	pending := goOn(bg, forever)
	if v, err := braid.Race(ctx, pending, value(1), value(2)); v != 1 || err != nil {
		t.Errorf("Race = %d, %v, want the first of the complete ones", v, err)
	}
}

func TestRaceContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		f, g := goOn(bg, forever), failure[int](errTest)
		time.AfterFunc(time.Second, func() { cancel(errWhy) })
		_, err := braid.Race(ctx, f, g)
		isAll(t, err, context.Canceled, errWhy)
		isNone(t, err, errTest)
		if _, err := f.Await(bg); err == nil {
			t.Error("the call was not cancelled")
		}
	})
}

func TestRaceOfNothingPanics(t *testing.T) {
	panicText(t, "braid: Race of no futures", func() { _, _ = braid.Race[int](bg) })
}

func TestAsCompletedOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := []*braid.Future[int]{
			goOn(bg, after(3*time.Second, 0, nil)),
			goOn(bg, after(1*time.Second, 1, errTest)),
			value(2),
			goOn(bg, after(2*time.Second, 3, nil)),
			value(4),
		}
		var order []*braid.Future[int]
		for f, err := range braid.AsCompleted(bg, fs...) {
			if err != nil {
				t.Errorf("the error is %v, want nil: a failure is the future's", err)
			}
			order = append(order, f)
		}
		if want := []*braid.Future[int]{fs[2], fs[4], fs[1], fs[3], fs[0]}; !slices.Equal(order, want) {
			t.Error("the futures came in another order than they were complete")
		}
		_, err := fs[1].Await(bg)
		isAll(t, err, errTest)
	})
}

func TestAsCompletedNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	for f, err := range braid.AsCompleted[int](ctx) {
		t.Errorf("AsCompleted of nothing yielded %v, %v", f, err)
	}
}

func TestAsCompletedLeftEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := goOn(bg, after(time.Hour, 1, nil))
		for f := range braid.AsCompleted(bg, slow, value(2)) {
			if v, _ := f.Await(bg); v != 2 {
				t.Errorf("the first is %d, want 2", v)
			}
			break
		}
		if v, err := slow.Await(bg); v != 1 || err != nil {
			t.Errorf("the other call gave %d, %v, want 1: nothing cancels it", v, err)
		}
	})
}

func TestAsCompletedTwice(t *testing.T) {
	seq := braid.AsCompleted(bg, value(1), value(2))
	for range 2 {
		n := 0
		for range seq {
			n++
		}
		if n != 2 {
			t.Errorf("the sequence yielded %d futures, want 2", n)
		}
	}
}

func TestWaitCombinations(t *testing.T) {
	type futures = []*braid.Future[int]
	for _, tc := range []struct {
		name    string
		until   braid.Until
		delays  []time.Duration // negative: fails after -d
		timeout time.Duration
		done    []int
		after   time.Duration
	}{
		{"nothing", braid.AllCompleted, nil, 0, nil, 0},
		{"nothing, first", braid.FirstCompleted, nil, 0, nil, 0},
		{"all", braid.AllCompleted, []time.Duration{3, 1, -2}, 0, []int{0, 1, 2}, 3},
		{"first", braid.FirstCompleted, []time.Duration{3, 1, 2}, 0, []int{1}, 1},
		{"first is a failure", braid.FirstCompleted, []time.Duration{3, -1, 2}, 0, []int{1}, 1},
		{"first error", braid.FirstError, []time.Duration{1, 4, -2, 3}, 0, []int{0, 2}, 2},
		{"first error, none fails", braid.FirstError, []time.Duration{1, 2}, 0, []int{0, 1}, 2},
		{"timeout", braid.AllCompleted, []time.Duration{1, 5}, 2, []int{0}, 2},
		{"timeout before the first", braid.FirstCompleted, []time.Duration{4, 5}, 2, nil, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := bg, context.CancelFunc(func() {})
				if tc.timeout > 0 {
					ctx, cancel = context.WithTimeout(bg, tc.timeout)
				}
				defer cancel()
				var all futures
				for _, d := range tc.delays {
					var err error
					if d < 0 {
						d, err = -d, errTest
					}
					all = append(all, goOn(bg, after(d, 0, err)))
				}
				begin := time.Now()
				given := slices.Concat(all, all) // each comes back once all the same
				done, pending, err := braid.Wait(ctx, tc.until, given...)
				took(t, begin, tc.after)
				if (err != nil) != (tc.timeout > 0) {
					t.Errorf("the error is %v", err)
				} else if err != nil {
					isAll(t, err, context.DeadlineExceeded)
				}
				var wantDone, wantPending futures
				for i, f := range all {
					if slices.Contains(tc.done, i) {
						wantDone = append(wantDone, f)
					} else {
						wantPending = append(wantPending, f)
					}
				}
				if !slices.Equal(done, wantDone) || !slices.Equal(pending, wantPending) {
					t.Errorf("%d are done and %d pending, or they are others: want %v done", len(done), len(pending), tc.done)
				}
				for _, f := range all { // nothing was cancelled
					if _, err := f.Await(bg); err != nil {
						isAll(t, err, errTest)
					}
				}
			})
		})
	}
}

func TestWaitAlreadyDone(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	pending := goOn(bg, forever)
	defer pending.Cancel(nil)
	bad := failure[int](errTest)
	for until, enough := range map[braid.Until]bool{braid.FirstCompleted: true, braid.FirstError: true, braid.AllCompleted: false} {
		done, rest, err := braid.Wait(ctx, until, pending, bad, value(1))
		if len(done) != 2 || len(rest) != 1 || rest[0] != pending {
			t.Errorf("until %d: %d are done and %d pending, want 2 and 1", until, len(done), len(rest))
		}
		if (err == nil) != enough {
			t.Errorf("until %d under a done context: the error is %v", until, err)
		}
	}
	_, _ = bad.Await(bg)
}
