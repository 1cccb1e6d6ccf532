//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"weak"

	"github.com/go-braid/braid"
	"github.com/go-braid/braid/engine"
	"github.com/go-braid/braid/internal/proctest"
	"github.com/go-braid/braid/multiprocessing"
)

// TestReplacement: a worker is replaced after its number of calls, or its time.
func TestReplacement(t *testing.T) {
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1, MaxTasksPerWorker: 3})
	var pids []int
	for range 9 {
		pid, err := braid.Submit(ctx, p, whoami, struct{}{}).Await(ctx)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	for i := 1; i < len(pids); i++ {
		if same := pids[i] == pids[i-1]; same != (i%3 != 0) {
			t.Errorf("with three calls for each worker, they ran in %v", pids)
			break
		}
	}
	if got := p.Statistics().Deaths; got != 0 {
		t.Errorf("%d workers that were told to end count as deaths", got)
	}
}

// TestReplacementUnderLoad: a backlog is worked off by workers that are replaced after
// every call or every few, one of them or several, and those that are told to end while
// they are given the next call lose none.
func TestReplacementUnderLoad(t *testing.T) {
	n := some(60)
	for _, cfg := range []multiprocessing.Config{
		{Workers: 1, MaxTasksPerWorker: 1}, {Workers: 2, MaxTasksPerWorker: 1}, {Workers: 3, MaxTasksPerWorker: 4},
		{Workers: 2, Lifetime: time.Nanosecond}, {Workers: 2, Lifetime: 10 * time.Millisecond},
		{Workers: 2, IdleTimeout: time.Nanosecond}, {Workers: 2, IdleTimeout: time.Millisecond, MaxTasksPerWorker: 2},
	} {
		t.Run(fmt.Sprintf("%d workers, %d tasks, life %v, idle %v", cfg.Workers, cfg.MaxTasksPerWorker, cfg.Lifetime, cfg.IdleTimeout), func(t *testing.T) {
			p := newPool(t, cfg)
			var fs []*braid.Future[int]
			for i := range n {
				fs = append(fs, braid.Submit(context.Background(), p, innocent, i))
			}
			for i, f := range fs {
				if got, err := outcome(t, f); err != nil || got != i+1 {
					t.Errorf("call %d: %d, %v", i, got, err)
				}
			}
			if s := p.Statistics(); s.Deaths != 0 || s.Strays != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestReplacementAndClose closes a pool whose workers are replaced after each call, with
// a backlog: it is worked off, or cut short.
func TestReplacementAndClose(t *testing.T) {
	for _, cut := range []bool{false, true} {
		proctest.Check(t)
		p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2, MaxTasksPerWorker: 1, Grace: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		var fs []*braid.Future[int]
		for i := range 20 {
			fs = append(fs, braid.Submit(context.Background(), p, square, i))
		}
		ctx := context.Background()
		if cut {
			ctx = over()
		}
		if err := closeSoon(t, ctx, p); err != nil && !cut {
			t.Errorf("Close: %v", err)
		}
		for i, f := range fs {
			wantOutcome(t, f, i*i)
			if _, err := f.Await(context.Background()); err != nil && !cut {
				t.Errorf("call %d: %v", i, err)
			}
		}
		if ws := p.Workers(); len(ws) != 0 {
			t.Errorf("workers are left: %v", ws)
		}
	}
}

// TestReplacementThatFails: if no worker can be started in the place of one that has
// done its calls, those that wait are told why.
func TestReplacementThatFails(t *testing.T) {
	dir := t.TempDir()
	p := newPool(t, multiprocessing.Config{Workers: 1, MaxTasksPerWorker: 1, Dir: dir, Output: hush,
		Listener: &engine.Listener{WorkerStarted: func(engine.Event) { _ = os.Remove(dir) }}})
	var fs []*braid.Future[int]
	for i := range 5 {
		fs = append(fs, braid.Submit(context.Background(), p, square, i))
	}
	for i, f := range fs {
		got, err := outcome(t, f)
		if i == 0 && err == nil && got == 0 {
			continue
		}
		if !errors.Is(err, multiprocessing.ErrBroken) || !errors.Is(err, os.ErrNotExist) || !errors.Is(err, braid.ErrNotStarted) {
			t.Errorf("call %d: %d, %v", i, got, err)
		}
	}
}

// TestKilledWhenReplaced kills workers that are about to end anyway.
func TestKilledWhenReplaced(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2, MaxTasksPerWorker: 1, MaxKills: 1000})
	stop := killAtRandom(p, 11, time.Millisecond, syscall.SIGKILL)
	defer stop()
	n := some(100)
	var fs []*braid.Future[int]
	for i := range n {
		fs = append(fs, braid.Submit(context.Background(), p, slowSquare, i))
	}
	for i, f := range fs {
		if got, err := outcome(t, f); err != nil || got != i*i {
			t.Errorf("call %d: %d, %v", i, got, err)
		}
	}
}

// TestIdle: idle workers end, and others come when they are needed; without a limit one
// worker does for calls one after the other.
func TestIdle(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2, IdleTimeout: 10 * time.Millisecond})
	for range 3 {
		wantSquare(t, p)
		eventually(t, "an idle worker ends", func() bool { return len(p.Workers()) == 0 })
	}
	if got := p.Statistics().Deaths; got != 0 {
		t.Errorf("%d workers that were told to end count as deaths", got)
	}
}

func TestIdleWorkerIsUsedAgain(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 4})
	for range 20 {
		wantSquare(t, p)
	}
	if ws := p.Workers(); len(ws) != 1 || ws[0].Tasks != 20 {
		t.Errorf("for calls one after the other there are the workers %+v", ws)
	}
}

// TestMaxRestarts: a pool whose workers die too often is broken.
func TestMaxRestarts(t *testing.T) {
	ctx, p := deadline(t), newPool(t, multiprocessing.Config{Workers: 1, MaxRestarts: 2, RestartPeriod: time.Hour})
	for range 3 {
		if _, err := braid.Submit(ctx, p, misbehave, "exit 7").Await(ctx); err == nil {
			t.Fatal("it survived")
		}
	}
	eventually(t, "the pool is broken", func() bool {
		_, err := braid.Submit(ctx, p, square, 1).Await(ctx)
		return errors.Is(err, multiprocessing.ErrBroken)
	})
}

// A load is an argument or a result of which the test has to hear when it is garbage.
type load struct{ Data []string }

var (
	gone  atomic.Int64 // loads of this process that are garbage
	carts = braid.Define("test.carts", func(_ context.Context, in *load) (*load, error) {
		runtime.AddCleanup(in, func(struct{}) { gone.Add(1) }, struct{}{})
		out := &load{Data: in.Data}
		runtime.AddCleanup(out, func(struct{}) { gone.Add(1) }, struct{}{})
		return out, nil
	})
	// collect returns how many loads of the worker are garbage, once that are n.
	collect = braid.Define("test.collect", func(ctx context.Context, n int64) (int64, error) {
		for gone.Load() < n && ctx.Err() == nil {
			runtime.GC()
		}
		return gone.Load(), ctx.Err()
	})
)

// TestNothingIsKept: when a call is complete neither the program nor the worker keeps its
// argument or its result, whatever its outcome was.
func TestNothingIsKept(t *testing.T) {
	for _, pipes := range []bool{false, true} {
		t.Run(map[bool]string{false: "ring", true: "pipes"}[pipes], func(t *testing.T) {
			p := newPool(t, multiprocessing.Config{Workers: 1, Pipes: pipes})
			ctx := context.Background()
			const calls = 5
			var ins, outs []weak.Pointer[load]
			for range calls {
				in := &load{Data: []string{"a", "b"}}
				ins = append(ins, weak.Make(in))
				out, err := outcome(t, braid.Submit(ctx, p, carts, in))
				if err != nil {
					t.Fatal(err)
				}
				outs = append(outs, weak.Make(out))
			}
			if n, err := outcome(t, braid.Submit(ctx, p, collect, 2*calls, braid.Timeout(20*time.Second))); err != nil {
				t.Errorf("in the worker only %d loads are garbage of %d: %v", n, 2*calls, err)
			}
			eventually(t, "the program keeps nothing", func() bool {
				runtime.GC()
				for i := range ins {
					if ins[i].Value() != nil || outs[i].Value() != nil {
						return false
					}
				}
				return true
			})
		})
	}
}

// leaveTrap leaves something behind that ends the worker when it is collected.
var leaveTrap = braid.Define("test.leaveTrap", func(_ context.Context, c *cargo) (int, error) {
	runtime.AddCleanup(c, func(how string) { _, _ = misbehaving(context.Background(), how) }, c.How)
	go func() {
		for range 1000 {
			runtime.GC()
		}
	}()
	return 7, nil
})

// TestDeathByGarbage: an argument that ends the worker when it is collected, after the
// result was sent, costs no call.
func TestDeathByGarbage(t *testing.T) {
	for _, how := range []string{"exit 0", "kill 11", "elsewhere"} {
		p := newPool(t, multiprocessing.Config{Workers: 1, Output: hush})
		if got, err := outcome(t, braid.Submit(context.Background(), p, leaveTrap, &cargo{How: how})); err != nil || got != 7 {
			t.Errorf("%s: %d, %v", how, got, err)
		}
		eventually(t, "the worker is dead", func() bool { return p.Statistics().Deaths == 1 })
		wantSquare(t, p)
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
