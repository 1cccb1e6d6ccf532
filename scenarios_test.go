package braid_test

// The tests of this file, and a few that it names, re-express scenarios of
// CPython's tests of concurrent.futures and asyncio. The numbers are those of a
// list of such scenarios; each test's name repeats its number.
//
//	 47  future done_callback_*            TestScenario047_EveryWaiterHears: braid has no callbacks,
//	                                       but Await, Done, AsCompleted and Wait
//	 48  multiple set_result               not here: a future has no setter; what an engine can do
//	                                       wrong is engine.TestCallMisusePanics
//	 49  result_with_cancel, _timeout      TestScenario049_BlockedAwait
//	 50  wait: first_completed, …          TestWaitCombinations, TestWaitAlreadyDone;
//	                                       pending_calls_race is TestScenario050_WaitRacesCompletion
//	 51  as_completed                      TestScenario051_*
//	 52  map: exception, timeout, window   TestScenario052_MapErrorAndDeadline, TestMapWindow
//	 53  map submits without iteration     TestScenario053_MapBeginsWhenRanged: on purpose the reverse
//	 54  saturation                        TestScopeLimit; idle_thread_reuse is of pools, not of the vocabulary
//	 55  map cancels what is queued        TestScenario055_LeavingCancelsTheQueued
//	 56  submit races shutdown             TestScopeRacingEnds; engines that close have their own
//	 57  no stale references               TestScenario057_NoStaleReferences, TestMapKeepsNoResults
//	117  Task cancel_*                     TestScenario117_Cancel
//	118  uncancel, structured blocks       TestScenario118_InnerEndIsNotTheOuters: there is no counter of
//	                                       requests to take back; a context ends once and for its reason
//	119  wait, as_completed, gather, …     TestScenario119_*; shields: TestShield, TestScopeShieldedChild
//	120  task groups                       TestScenario120_*, TestScopeMatrix, TestScopeNested,
//	                                       TestScopeChildrenStartChildren (hydra), TestScopeLateChild,
//	                                       TestScopeRefusesAfterFailure; KeyboardInterrupt has no like in Go
//	121  timeouts                          TestScenario121_*; rescheduling and entering twice do not
//	                                       apply: a deadline is an option of a call, not an object
//	122  wait_for                          TestScenario122_*

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/strand"
)

func TestScenario047_EveryWaiterHears(t *testing.T) {
	for name, tc := range map[string]struct {
		body func(context.Context) (int, error)
		is   []error
	}{
		"result":    {after(time.Second, 1, nil), nil},
		"exception": {after(time.Second, 0, errTest), []error{errTest}},
		"cancel":    {forever, []error{context.Canceled, errWhy}},
	} {
		for _, already := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := goOn(bg, tc.body)
					if name == "cancel" {
						time.AfterFunc(time.Second, func() { f.Cancel(errWhy) })
					}
					if already {
						<-f.Done()
					}
					var heard atomic.Int32
					var wg sync.WaitGroup
					check := func(err error) {
						isAll(t, err, tc.is...)
						if (err == nil) != (len(tc.is) == 0) {
							t.Errorf("the error is %v", err)
						}
						heard.Add(1)
					}
					await := func() { _, err := f.Await(bg); check(err) }
					wg.Go(await)
					wg.Go(func() {
						defer func() { _ = recover() }()
						await()
						panic("one waiter that fails does not stop the others")
					})
					wg.Go(func() { <-f.Done(); await() })
					wg.Go(func() {
						for f := range braid.AsCompleted(bg, f) {
							_, err := f.Await(bg)
							check(err)
						}
					})
					wg.Go(func() {
						done, _, _ := braid.Wait(bg, braid.AllCompleted, f)
						_, err := done[0].Await(bg)
						check(err)
					})
					wg.Wait()
					if n := heard.Load(); n != 5 {
						t.Errorf("%d waiters heard of the end, want 5", n)
					}
				})
			})
		}
	}
}

func TestScenario049_BlockedAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		f := goOn(bg, forever)
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		_, err := f.Await(ctx)
		took(t, begin, time.Second)
		isAll(t, err, context.DeadlineExceeded)
		if _, ok := errors.AsType[*braid.TaskError](err); ok {
			t.Errorf("the error %v of the wait looks like one of the call", err)
		}
		select {
		case <-f.Done():
			t.Error("the end of the wait has ended the call")
		default:
		}
		time.AfterFunc(time.Second, func() { f.Cancel(errWhy) })
		_, err = f.Await(bg)
		took(t, begin, 2*time.Second)
		isAll(t, err, context.Canceled, errWhy)
	})
}

func TestScenario050_WaitRacesCompletion(t *testing.T) {
	for range 300 {
		fs := make([]*braid.Future[int], 8)
		for i := range fs {
			n := rand.IntN(4)
			fs[i] = goOn(bg, func(context.Context) (int, error) {
				for range n {
					runtime.Gosched()
				}
				return i, nil
			})
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if done, _, err := braid.Wait(bg, braid.FirstCompleted, fs...); len(done) == 0 || err != nil {
					t.Errorf("FirstCompleted: %d are done, %v", len(done), err)
				}
				if done, pending, err := braid.Wait(bg, braid.AllCompleted, fs...); len(done) != 8 || len(pending) != 0 || err != nil {
					t.Errorf("AllCompleted: %d are done and %d pending, %v", len(done), len(pending), err)
				}
			})
			wg.Go(func() {
				n := 0
				for range braid.AsCompleted(bg, fs...) {
					n++
				}
				if n != len(fs) {
					t.Errorf("AsCompleted yielded %d of %d", n, len(fs))
				}
			})
		}
		wg.Wait()
	}
}

func TestScenario051_AsCompletedDuplicatesYieldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := goOn(bg, after(time.Second, 1, nil)), value(2)
		n := map[*braid.Future[int]]int{}
		for f, err := range braid.AsCompleted(bg, f, g, f, g, f) {
			must(t, f, err)
			n[f]++
		}
		if len(n) != 2 || n[f] != 1 || n[g] != 1 {
			t.Errorf("the futures were yielded %v times, want each once", n)
		}
	})
}

func TestScenario051_AsCompletedTimeoutSaysHowManyAreMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(bg, 2*time.Second, errWhy)
		defer cancel()
		slow := goOn(bg, after(time.Hour, 1, nil))
		slower := goOn(bg, after(2*time.Hour, 1, nil))
		defer cancelAll(slow, slower)
		n := 0
		var last error
		for f, err := range braid.AsCompleted(ctx, slow, value(2), goOn(bg, after(time.Second, 3, nil)), slower, slow) {
			switch {
			case last != nil:
				t.Error("something was yielded after the error")
			case err != nil:
				last = err
				if f != nil {
					t.Error("there is a future beside the error")
				}
			default:
				n++
			}
		}
		if n != 2 {
			t.Errorf("%d futures were yielded before the time was over, want 2", n)
		}
		isAll(t, last, context.DeadlineExceeded, errWhy)
		if want := "braid: 2 of 4 calls are not complete: context deadline exceeded: the cause"; last == nil || last.Error() != want {
			t.Errorf("the error says %q, want %q", last, want)
		}
	})
}

func TestScenario051_AsCompletedZeroTimeout(t *testing.T) {
	ctx, cancel := context.WithCancel(bg)
	cancel()
	pending := goOn(bg, forever)
	defer pending.Cancel(nil)
	var got []*braid.Future[int]
	var errs int
	done := value(1)
	for f, err := range braid.AsCompleted(ctx, pending, done) {
		got = append(got, f)
		if err != nil {
			errs++
		}
	}
	if !slices.Equal(got, []*braid.Future[int]{done, nil}) || errs != 1 {
		t.Errorf("yielded %d pairs, %d with an error, want what is complete and then the error", len(got), errs)
	}
}

func TestScenario052_MapErrorAndDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		task := braid.Func(func(ctx context.Context, n int) (int, error) {
			switch n {
			case 1:
				return 0, errTest
			case 3:
				return 0, strand.Sleep(ctx, time.Hour)
			}
			return n, nil
		}, braid.Timeout(time.Second))
		var at []error
		for _, err := range braid.Map(bg, nil, task, upTo(5)) {
			at = append(at, err)
		}
		took(t, begin, time.Second)
		if len(at) != 5 || at[0] != nil || at[2] != nil || at[4] != nil {
			t.Fatalf("the errors are %v, want failures of 1 and 3 alone", at)
		}
		isAll(t, at[1], errTest)
		isAll(t, at[3], context.DeadlineExceeded)
	})
}

func TestScenario053_MapBeginsWhenRanged(t *testing.T) {
	pulled := 0
	seq := braid.Map(bg, nil, double, naturals(&pulled))
	runtime.Gosched()
	if pulled != 0 {
		t.Errorf("%d inputs were taken before anybody asked for results", pulled)
	}
	for range seq {
		break
	}
	if pulled == 0 {
		t.Error("no input was taken")
	}
}

func TestScenario055_LeavingCancelsTheQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran atomic.Int32
		task := braid.Func(func(ctx context.Context, n int) (int, error) {
			err := strand.Sleep(ctx, time.Second)
			if err == nil {
				ran.Add(1)
			}
			return n, err
		})
		begin := time.Now()
		ex := &narrow{slots: strand.NewSemaphore(1)}
		ex.host = engine.Host{Name: "narrow", Executor: ex}
		for range braid.Map(bg, ex, task, upTo(100), braid.Limit(10), braid.Ordered(false)) {
			break
		}
		took(t, begin, time.Second)
		if n := ran.Load(); n != 1 {
			t.Errorf("%d calls ran to their end, want the first alone", n)
		}
	})
}

// narrow is an engine with a queue: it admits all and runs as many as it has slots.
type narrow struct {
	host  engine.Host
	slots *strand.Semaphore
}

func (e *narrow) Start(ctx context.Context, c *engine.Call) {
	ctx = c.Submit(ctx, &e.host)
	go func() {
		if err := e.slots.Acquire(ctx, 1); err != nil {
			c.Refuse(err)
			return
		}
		defer e.slots.Release(1)
		c.Run(ctx, 1)
	}()
}
