package braid_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

func TestSubmitAndGo(t *testing.T) {
	for _, ex := range []braid.Executor{nil, engine.NewSerial(nil), engine.NewGoroutines(nil)} {
		if v, err := braid.Submit(bg, ex, double, 4).Await(bg); v != 8 || err != nil {
			t.Errorf("%T: Submit = %d, %v, want 8", ex, v, err)
		}
		v, err := braid.Go(bg, ex, func(context.Context) (string, error) { return "half", errTest }, braid.Name("probe")).Await(bg)
		if v != "half" {
			t.Errorf("%T: the value beside the error is %q, want what the task returned", ex, v)
		}
		isAll(t, err, errTest)
		if te, ok := err.(*braid.TaskError); !ok || te.Task != "probe" || te.Attempt != 1 {
			t.Errorf("%T: the error is %#v, want a *TaskError of probe, attempt 1", ex, err)
		}
	}
}

func TestAwaitManyTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := goOn(bg, after(time.Second, 7, nil))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if v, err := f.Await(bg); v != 7 || err != nil {
					t.Errorf("Await = %d, %v, want 7", v, err)
				}
			})
		}
		wg.Wait()
		if v, err := f.Await(bg); v != 7 || err != nil {
			t.Errorf("the next Await = %d, %v, want 7", v, err)
		}
	})
}

func TestAwaitOfACompleteCallIgnoresContext(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if v, err := value(3).Await(ctx); v != 3 || err != nil {
		t.Errorf("Await = %d, %v, want 3", v, err)
	}
}

func TestDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := goOn(bg, after(time.Second, 1, nil))
		before := f.Done()
		select {
		case <-before:
			t.Error("Done is closed before the call is complete")
		default:
		}
		<-before
		if v, err := f.Await(bg); v != 1 || err != nil {
			t.Errorf("Await = %d, %v, want 1", v, err)
		}
		<-f.Done()
		<-value(1).Done() // asked for after the end
	})
}

func TestCancelReachesTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			cause error
			is    []error
		}{{errWhy, []error{context.Canceled, errWhy}}, {nil, []error{context.Canceled}}} {
			f := goOn(bg, forever)
			f.Cancel(tc.cause)
			_, err := f.Await(bg)
			isAll(t, err, tc.is...)
			isNone(t, err, context.DeadlineExceeded)
			if !engine.Cancelled(err) {
				t.Errorf("engine.Cancelled(%v) = false", err)
			}
			f.Cancel(errTest) // has no effect any more
			if _, again := f.Await(bg); again != err {
				t.Errorf("after another Cancel the error is %v, before it was %v", again, err)
			}
		}
	})
}

func TestCancelBeforeTheRun(t *testing.T) {
	var held []*engine.Call
	var ctxs []context.Context
	host := &engine.Host{Name: "slow"}
	ex := executorFunc(func(ctx context.Context, c *engine.Call) {
		ctxs = append(ctxs, c.Submit(ctx, host))
		held = append(held, c)
	})
	f := braid.Go(bg, ex, func(context.Context) (int, error) { t.Error("the task ran"); return 0, nil })
	f.Cancel(errWhy)
	held[0].Run(ctxs[0], 1)
	_, err := f.Await(bg)
	isAll(t, err, braid.ErrNotStarted, context.Canceled, errWhy)
}

func TestCancelDuringTheRetryPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		f := goOn(bg, func(context.Context) (int, error) { return 0, errTest }, braid.Retry(9), braid.Backoff(1000*time.Hour, 1000*time.Hour))
		synctest.Wait()
		f.Cancel(errWhy)
		_, err := f.Await(bg)
		took(t, begin, 0)
		isAll(t, err, errTest, context.Canceled, errWhy)
		isNone(t, err, braid.ErrNotStarted)
	})
}

func TestTimeoutNamesTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		_, err := goOn(bg, forever, braid.Name("slow"), braid.Timeout(time.Second)).Await(bg)
		took(t, begin, time.Second)
		isAll(t, err, context.DeadlineExceeded)
		isNone(t, err, context.Canceled, braid.ErrNotStarted)
		if want := "braid: task slow on goroutines: context deadline exceeded: ran longer than 1s"; err.Error() != want {
			t.Errorf("the error says %q, want %q", err, want)
		}
	})
}

func TestNonPositiveTimeoutsAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []time.Duration{0, -1} {
			v, err := goOn(bg, after(time.Hour, 5, nil), braid.Timeout(d), braid.QueueTimeout(d)).Await(bg)
			if v != 5 || err != nil {
				t.Errorf("with limits of %d: %d, %v, want 5", d, v, err)
			}
		}
	})
}

func TestRetryUntilSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		task := func(context.Context) (int, error) {
			if attempts++; attempts < 3 {
				return -1, errTest
			}
			return attempts, nil
		}
		if v, err := goOn(bg, task, braid.Retry(2)).Await(bg); v != 3 || err != nil {
			t.Errorf("Await = %d, %v, want 3", v, err)
		}
	})
}

func TestRetryDoesNotKeepAnOldValue(t *testing.T) {
	attempts := 0
	v, err := goOn(bg, func(context.Context) (int, error) {
		if attempts++; attempts == 2 {
			panic("second")
		}
		return 7, errTest
	}, braid.Retry(1), braid.Backoff(-1, 0)).Await(bg)
	if _, ok := errors.AsType[*braid.PanicError](err); !ok || v != 0 {
		t.Errorf("Await = %d, %v, want 0 and the panic of the second attempt", v, err)
	}
}

func TestPanicAndGoexit(t *testing.T) {
	for _, ex := range []braid.Executor{nil, engine.NewSerial(nil)} {
		_, err := braid.Go(bg, ex, func(context.Context) (int, error) { panic(errTest) }).Await(bg)
		p, ok := errors.AsType[*braid.PanicError](err)
		if !ok || p.Value != errTest || len(p.Stack) == 0 {
			t.Errorf("%T: the error is %v, want the panic with its stack", ex, err)
		}
		isAll(t, err, errTest)
		_, err = braid.Go(bg, ex, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }).Await(bg)
		isAll(t, err, braid.ErrGoexit)
	}
}

func TestShield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(bg)
		f := goOn(context.WithoutCancel(ctx), after(time.Second, 1, nil))
		cancel()
		if _, err := f.Await(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Await under the cancelled context returned %v", err)
		}
		if v, err := f.Await(bg); v != 1 || err != nil {
			t.Errorf("the shielded call gave %d, %v, want 1", v, err)
		}
	})
}

func TestAwaitParksUnderItsOwnName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := goOn(bg, after(time.Second, 1, nil))
		p := &opParker{}
		must(t, 0, func() error { _, err := f.Await(strand.WithParker(bg, p)); return err }())
		if want := (strand.Op{Object: f, Kind: strand.OpAwait, Access: strand.Read}); len(p.ops) != 1 || p.ops[0] != want {
			t.Errorf("Await published %v, want %v", p.ops, want)
		}
	})
}

// opParker notes what it parks for.
type opParker struct {
	strand.Goroutine
	ops []strand.Op
}

func (p *opParker) Park(ctx context.Context, op strand.Op, w strand.Waitable) error {
	p.ops = append(p.ops, op)
	return p.Goroutine.Park(ctx, op, w)
}
