//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

var (
	slowSquare = braid.Define("test.slowSquare", func(_ context.Context, n int) (int, error) {
		for end := time.Now().Add(200 * time.Microsecond); time.Now().Before(end); {
		}
		return n * n, nil
	}, braid.Idempotent())
	// shoot kills the processes that it is given.
	shoot = braid.Define("test.shoot", func(_ context.Context, pids []int) (int, error) {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(pids), nil
	})
)

// counting yields the numbers below n.
func counting(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// killAtRandom kills workers that run calls until stop is called, on average one every
// pause.
func killAtRandom(p *multiprocessing.Pool, seed uint64, pause time.Duration, sig syscall.Signal) (stop func()) {
	over := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		r := rand.New(rand.NewPCG(seed, 0))
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			select {
			case <-over:
				return
			case <-timer.C:
				timer.Reset(time.Duration(r.Int64N(int64(2*pause)) + 1))
			}
			if ws := p.Workers(); len(ws) > 0 {
				if w := ws[r.IntN(len(ws))]; w.Task != "" {
					_ = syscall.Kill(w.PID, sig)
				}
			}
		}
	})
	return sync.OnceFunc(func() {
		close(over)
		killer.Wait()
	})
}

// TestKillStorm kills workers all the time; every call has its result once, and none
// that did not die fails.
func TestKillStorm(t *testing.T) {
	calls := some(3000)
	for _, pipes := range []bool{false, true} {
		t.Run(map[bool]string{false: "ring", true: "pipes"}[pipes], func(t *testing.T) {
			p := newPool(t, multiprocessing.Config{Workers: 2, MaxKills: 1000, Pipes: pipes})
			stop := killAtRandom(p, 1, 8*time.Millisecond, syscall.SIGKILL)
			defer stop()
			i := 0
			for got, err := range braid.Map(context.Background(), p, slowSquare, counting(calls)) {
				if err != nil || got != i*i {
					t.Fatalf("call %d: %d, %v", i, got, err)
				}
				i++
			}
			if i != calls {
				t.Errorf("%d results of %d", i, calls)
			}
			if p.Statistics().Deaths == 0 {
				t.Error("nobody was killed")
			}
		})
	}
}

// TestResultRacesKill kills the worker of each call at a random moment of it. Each call
// has exactly one outcome, its result or its worker's death, and what it costs is what
// the statistics say.
func TestResultRacesKill(t *testing.T) {
	enough := some(600)
	calls := 0
	var finished atomic.Int64
	p := newPool(t, multiprocessing.Config{Workers: 2, Listener: &engine.Listener{Finished: func(engine.Event) { finished.Add(1) }}})
	r := rand.New(rand.NewPCG(7, 7))
	died, lived := 0, 0
	outcomes := make([]atomic.Int64, 20*enough)
	busy := func() (pids []int) {
		for _, w := range p.Workers() {
			if w.Task != "" {
				pids = append(pids, w.PID)
			}
		}
		return pids
	}
	// With much else to do on the machine, few die.
	for ; calls < enough || died == 0 && calls < len(outcomes); calls++ {
		i := calls
		f := braid.Submit(context.Background(), p, innocent, i)
		f.OnDone(func() { outcomes[i].Add(1) })
		// From when it is at a worker, which on a machine with much to do may take any time.
		for len(busy()) == 0 && outcomes[i].Load() == 0 {
			runtime.Gosched()
		}
		most := []int{1, 10, 400}[i%3] // mostly soon, so that some die
		for spin := time.Now().Add(time.Duration(r.IntN(most)) * time.Microsecond); time.Now().Before(spin); {
		}
		for _, pid := range busy() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		got, err := outcome(t, f)
		crash, _ := errors.AsType[*braid.CrashError](err)
		switch {
		case err == nil && got == i+1:
			lived++
		case crash != nil && crash.Signal == "SIGKILL" && got == 0:
			died++
		default:
			t.Errorf("call %d: %d, %v", i, got, err)
		}
	}
	if err := p.Drain(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for i := range outcomes[:calls] {
		if n := outcomes[i].Load(); n != 1 {
			t.Errorf("call %d had %d outcomes", i, n)
		}
	}
	if s := p.Statistics(); s.Completed != uint64(calls) || s.Submitted != uint64(calls) || s.Strays != 0 {
		t.Errorf("%+v", s)
	}
	if finished.Load() != int64(calls) {
		t.Errorf("%d calls finished of %d", finished.Load(), calls)
	}
	if died == 0 || lived == 0 {
		t.Errorf("%d died, %d lived: this tests nothing", died, lived)
	}
	t.Logf("%d died, %d lived", died, lived)
}

// TestWorkersKillOneAnother has every worker kill all others, at the same time. It is
// loky's test with 1, 2, 5 and 13 workers. Here nothing breaks: each call has its
// outcome, and the pool goes on.
func TestWorkersKillOneAnother(t *testing.T) {
	for _, n := range []int{1, 2, 5, 13} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			p := newPool(t, multiprocessing.Config{Workers: n, Output: hush})
			ctx := context.Background()
			for range max(some(3)/2, 1) {
				var naps []*braid.Future[int]
				for range n {
					naps = append(naps, braid.Submit(ctx, p, nap, time.Millisecond))
				}
				for _, f := range naps {
					_, _ = outcome(t, f)
				}
				var pids []int
				for _, w := range p.Workers() {
					pids = append(pids, w.PID)
				}
				var fs []*braid.Future[int]
				for range 2 * n {
					fs = append(fs, braid.Submit(ctx, p, shoot, pids))
				}
				for _, f := range fs {
					got, err := outcome(t, f)
					if err == nil && got == len(pids) {
						continue
					}
					if c := crashOf(t, err); c.Signal != "SIGKILL" {
						t.Errorf("a call: %v", err)
					}
				}
			}
			wantSquare(t, p)
		})
	}
}

// TestCallbacks has calls submitted by who hears of the outcome of others, and by who
// hears of the deaths of workers, while workers die.
func TestCallbacks(t *testing.T) {
	var p *multiprocessing.Pool
	var all sync.WaitGroup
	var failed, ran atomic.Int64
	submit := func() {
		all.Add(1)
		f := braid.Submit(context.Background(), p, slowSquare, 5)
		f.OnDone(func() {
			defer all.Done()
			if got, err := f.Await(context.Background()); err != nil || got != 25 {
				failed.Add(1)
			}
			ran.Add(1)
		})
	}
	var heard atomic.Int64
	from := func(engine.Event) {
		if heard.Add(1) < 400 {
			submit()
		}
	}
	p = newPool(t, multiprocessing.Config{Workers: 2, Queue: 10_000, MaxKills: 1000,
		Listener: &engine.Listener{WorkerStarted: from, WorkerStopped: from, Finished: from, Retrying: from}})
	stop := killAtRandom(p, 3, 5*time.Millisecond, syscall.SIGKILL)
	defer stop()
	var chain func(n int)
	chain = func(n int) {
		all.Add(1)
		f := braid.Submit(context.Background(), p, slowSquare, n)
		f.OnDone(func() {
			if got, err := f.Await(context.Background()); err != nil || got != n*n {
				failed.Add(1)
			}
			if n > 0 {
				chain(n - 1)
			}
			all.Done()
		})
	}
	for range 4 {
		chain(100)
	}
	over := make(chan struct{})
	go func() {
		all.Wait()
		close(over)
	}()
	select {
	case <-over:
	case <-time.After(50 * time.Second):
		t.Fatal("calls that were submitted from callbacks do not come to their end")
	}
	if failed.Load() > 0 || ran.Load() == 0 {
		t.Errorf("%d calls failed, %d of those that a listener submitted ran", failed.Load(), ran.Load())
	}
}

// TestManyWorkers: fifty workers, a quarter of what CPython's test has (its 200 are as
// much for two processors as 50 for the machines of today's CI).
func TestManyWorkers(t *testing.T) {
	n := 50
	if testing.Short() || raceEnabled {
		n = 16
	}
	p := newPool(t, multiprocessing.Config{Workers: n})
	var fs []*braid.Future[int]
	for range n {
		fs = append(fs, braid.Submit(context.Background(), p, nap, time.Hour))
	}
	running(t, p, n)
	for _, f := range fs {
		f.Cancel(nil)
	}
	for _, f := range fs {
		if _, err := outcome(t, f); !engine.Cancelled(err) {
			t.Errorf("a call: %v", err)
		}
	}
	i := 0
	for got, err := range braid.Map(context.Background(), p, square, counting(10*n)) {
		if err != nil || got != i*i {
			t.Errorf("call %d: %d, %v", i, got, err)
		}
		i++
	}
	if got := p.Statistics(); got.Deaths != 0 || got.Workers != n {
		t.Errorf("%+v", got)
	}
}

// TestQueueOfBadAndGood fills the queue of a pool with calls that die and calls that do
// not.
func TestQueueOfBadAndGood(t *testing.T) {
	n := some(100)
	p := newPool(t, multiprocessing.Config{Workers: 2, Queue: 8, Output: hush})
	hows := []string{"panic", "error", "exit 0", "kill 9", "goexit", "unlock"}
	var bad, good []*braid.Future[int]
	for i := range n { // Submit waits while the queue is full
		bad = append(bad, braid.Submit(context.Background(), p, misbehave, hows[i%len(hows)]))
		good = append(good, braid.Submit(context.Background(), p, square, i))
	}
	for i, f := range bad {
		if _, err := outcome(t, f); err == nil || errors.Is(err, braid.ErrNotStarted) {
			t.Errorf("bad call %d: %v", i, err)
		}
	}
	for i, f := range good {
		if got, err := outcome(t, f); err != nil || got != i*i {
			t.Errorf("good call %d: %d, %v", i, got, err)
		}
	}
}

// TestInputThatFails: the input of a Map panics, at several places, with workers that
// die. The results before it are there, then its panic; it can be done again.
func TestInputThatFails(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2, MaxKills: 1000})
	stop := killAtRandom(p, 5, 5*time.Millisecond, syscall.SIGKILL)
	defer stop()
	for _, at := range []int{0, 1, 3, 7, some(500)} {
		for _, ordered := range []bool{true, false} {
			var got []int
			var last error
			for n, err := range braid.Map(context.Background(), p, slowSquare, func(yield func(int) bool) {
				for i := range at {
					if !yield(i) {
						return
					}
				}
				panic("the input is broken")
			}, braid.Ordered(ordered)) {
				if last = err; err == nil {
					got = append(got, n)
				}
			}
			if panicked, ok := errors.AsType[*braid.PanicError](last); !ok || panicked.Value != "the input is broken" {
				t.Errorf("at %d: the last error is %v", at, last)
			}
			slices.Sort(got)
			for i, n := range got {
				if n != i*i {
					t.Errorf("at %d: result %d is %d", at, i, n)
				}
			}
			if len(got) != at {
				t.Errorf("%d results of the %d inputs before the panic", len(got), at)
			}
		}
	}
}

// TestLeaveMapAmidDeaths leaves a Map while its workers die.
func TestLeaveMapAmidDeaths(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2, MaxKills: 1000, Grace: 50 * time.Millisecond})
	stop := killAtRandom(p, 9, 3*time.Millisecond, syscall.SIGKILL)
	for n := range 10 {
		i := 0
		for _, err := range braid.Map(context.Background(), p, slowSquare, counting(1000)) {
			if err != nil {
				t.Errorf("call %d: %v", i, err)
			}
			if i++; i > 10*n {
				break
			}
		}
	}
	stop()
	if s := p.Statistics(); s.Running+s.Queued+s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	wantSquare(t, p)
}

// TestSubmitRacesClose submits from many goroutines while the pool is closed: no call is
// without outcome.
func TestSubmitRacesClose(t *testing.T) {
	n := some(20)
	for i := range n {
		proctest.Check(t)
		p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2, Queue: 2, Grace: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		wantSquare(t, p)
		var submitters sync.WaitGroup
		for range 4 {
			submitters.Go(func() {
				for j := 0; ; j++ {
					f := braid.Submit(context.Background(), p, square, j)
					got, err := outcome(t, f)
					if errors.Is(err, engine.ErrClosed) {
						return
					}
					if err != nil || got != j*j {
						t.Errorf("call %d: %d, %v", j, got, err)
						return
					}
				}
			})
		}
		ctx := context.Background()
		if i%2 == 0 {
			ctx = over()
		}
		_ = closeSoon(t, ctx, p)
		submitters.Wait()
	}
}
