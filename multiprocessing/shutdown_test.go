//go:build unix

package multiprocessing_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// over is a context that is done.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// closeSoon closes p and fails t if that takes long, whatever the tasks do.
func closeSoon(t *testing.T, ctx context.Context, p *multiprocessing.Pool) error {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- p.Close(ctx) }()
	select {
	case err := <-closed:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("Close does not return")
		return nil
	}
}

// wantOutcome makes sure that a call has an outcome, at once, and never a wrong one.
func wantOutcome(t *testing.T, f *braid.Future[int], want int) {
	t.Helper()
	select {
	case <-f.Done():
	default:
		t.Error("a call has no outcome when Close has returned")
		return
	}
	got, err := f.Await(context.Background())
	crash, _ := errors.AsType[*braid.CrashError](err)
	panicked, _ := errors.AsType[*braid.PanicError](err)
	switch {
	case err == nil && got == want:
	case errors.Is(err, engine.ErrClosed), engine.Interrupted(err), crash != nil, panicked != nil, errors.Is(err, braid.ErrGoexit):
	default:
		t.Errorf("a call: %d, %v", got, err)
	}
}

// TestCloseAmidFaults closes pools, at once or when all is done, whose calls do
// everything that calls should not do. It returns soon, all calls have their outcome,
// and no process is left.
func TestCloseAmidFaults(t *testing.T) {
	faults := []string{"exit 0", "kill 9", "kill 11", "unlock", "elsewhere", "deaf", "busy", "locked", "stop", "close", "dup", "panic", "goexit"}
	for _, how := range faults {
		for _, cut := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, cut %v", how, cut), func(t *testing.T) {
				proctest.Check(t)
				p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2, Grace: 20 * time.Millisecond, Output: hush})
				if err != nil {
					t.Fatal(err)
				}
				ctx := context.Background()
				var faulty []*braid.Future[int]
				for range 2 {
					faulty = append(faulty, braid.Submit(ctx, p, misbehave, how, braid.Timeout(100*time.Millisecond)))
				}
				var good []*braid.Future[int]
				for i := range 10 {
					good = append(good, braid.Submit(ctx, p, square, i))
				}
				c := ctx
				if cut {
					c = over()
				}
				if err := closeSoon(t, c, p); (err != nil) != cut && !cut {
					t.Errorf("Close: %v", err)
				}
				for _, f := range faulty {
					wantOutcome(t, f, 0)
				}
				for i, f := range good {
					wantOutcome(t, f, i*i)
					if _, err := f.Await(ctx); err != nil && !cut {
						t.Errorf("an innocent call: %v", err)
					}
				}
				if ws := p.Workers(); len(ws) != 0 {
					t.Errorf("workers are left: %v", ws)
				}
			})
		}
	}
}

// TestDrainAmidFaults: Drain returns when every call has come to its end, some of them
// by the death of their workers.
func TestDrainAmidFaults(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2, Grace: 20 * time.Millisecond, Output: hush})
	var fs []*braid.Future[int]
	for i, how := range []string{"exit 1", "kill 9", "deaf", "unlock", "panic", "nothing"} {
		fs = append(fs, braid.Submit(context.Background(), p, misbehave, how, braid.Timeout(50*time.Millisecond)),
			braid.Submit(context.Background(), p, innocent, i))
	}
	if err := p.Drain(deadline(t)); err != nil {
		t.Errorf("Drain: %v", err)
	}
	for i, f := range fs {
		select {
		case <-f.Done():
		default:
			t.Errorf("call %d has no outcome when Drain has returned", i)
			continue
		}
		if _, err := f.Await(context.Background()); err != nil && i%2 == 1 {
			t.Errorf("an innocent call: %v", err)
		}
	}
	wantSquare(t, p)
}

// TestWorkersDieDuringClose kills workers, all the time, while the pool is closed.
func TestWorkersDieDuringClose(t *testing.T) {
	n := some(10)
	for range n {
		proctest.Check(t)
		p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 3, MaxKills: 1000})
		if err != nil {
			t.Fatal(err)
		}
		var fs []*braid.Future[int]
		for i := range 50 {
			fs = append(fs, braid.Submit(context.Background(), p, slowSquare, i))
		}
		done := make(chan struct{})
		var killer sync.WaitGroup
		killer.Go(func() {
			tick := time.NewTicker(3 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
				}
				for _, w := range p.Workers() {
					if w.Tasks > 0 {
						_ = syscall.Kill(w.PID, syscall.SIGKILL)
						break
					}
				}
			}
		})
		if err := closeSoon(t, context.Background(), p); err != nil {
			t.Errorf("Close: %v", err)
		}
		close(done)
		killer.Wait()
		for i, f := range fs {
			if got, err := outcome(t, f); err != nil || got != i*i {
				t.Errorf("call %d: %d, %v", i, got, err)
			}
		}
	}
}

// slowWriter is an argument that takes its time to be written.
type slowWriter struct{ How string }

var (
	writerIsIn  = make(chan struct{})
	writerMayGo = make(chan struct{})
)

func (w slowWriter) MarshalText() ([]byte, error) {
	if multiprocessing.IsWorker() {
		return []byte(w.How), nil
	}
	writerIsIn <- struct{}{}
	<-writerMayGo
	return []byte(w.How), nil
}

func (w *slowWriter) UnmarshalText(b []byte) error {
	w.How = string(b)
	return nil
}

var slowly = braid.Define("test.slowly", func(ctx context.Context, w slowWriter) (int, error) { return misbehaving(ctx, w.How) })

// TestCloseWhileAnArgumentIsWritten: a call whose argument is being written when Close
// gives up on the calls is given up, too.
func TestCloseWhileAnArgumentIsWritten(t *testing.T) {
	proctest.Check(t)
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2, Grace: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	wantSquare(t, p)
	submitted := make(chan *braid.Future[int], 1)
	go func() { submitted <- braid.Submit(context.Background(), p, slowly, slowWriter{"deaf"}) }()
	<-writerIsIn
	wantSquare(t, p) // meanwhile others go on
	ctx, cancel := context.WithCancel(context.Background())
	closed := make(chan error, 1)
	go func() { closed <- p.Close(ctx) }()
	eventually(t, "the pool is closed to calls", func() bool {
		_, err := outcome(t, braid.Submit(context.Background(), p, square, 1))
		return errors.Is(err, engine.ErrClosed)
	})
	cancel()
	eventually(t, "Close has given up on the calls", func() bool { return len(p.Workers()) == 1 })
	writerMayGo <- struct{}{}
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("Close does not return")
	}
	if _, err := outcome(t, <-submitted); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("the call: %v", err)
	}
}

// TestCloseTwice: Close may be called by many, and when one has returned, all may.
func TestCloseTwice(t *testing.T) {
	p := newPool(t, multiprocessing.Config{Workers: 2, Grace: 20 * time.Millisecond})
	f := braid.Submit(context.Background(), p, misbehave, "deaf")
	running(t, p, 1)
	var all sync.WaitGroup
	var cut atomic.Int32
	for i := range 8 {
		ctx := context.Background()
		if i == 5 {
			ctx = over()
		}
		all.Go(func() {
			if p.Close(ctx) != nil {
				cut.Add(1)
			}
		})
	}
	all.Wait()
	if _, err := outcome(t, f); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("the call: %v", err)
	}
	if cut.Load() == 0 {
		t.Error("nobody was told that a call was cut short")
	}
}

// TestHangAtShutdown: a worker that does not end when it is told to is ended.
func TestHangAtShutdown(t *testing.T) {
	proctest.Check(t)
	tell := newTeller()
	p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2, Grace: 100 * time.Millisecond, Heartbeat: -1, Output: tell.output})
	if err != nil {
		t.Fatal(err)
	}
	// One is stopped and hears nothing, one has lost the link on which it would.
	for _, how := range []string{"nothing", "nothing"} {
		if _, err := outcome(t, braid.Submit(context.Background(), p, misbehave, how)); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range p.Workers() {
		_ = syscall.Kill(w.PID, syscall.SIGSTOP)
	}
	if err := closeSoon(t, context.Background(), p); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestBroken: the call that waits to run again when the pool breaks has its outcome when
// Close returns.
func TestBroken(t *testing.T) {
	n := some(20)
	for range n {
		proctest.Check(t)
		p, err := multiprocessing.NewPool(multiprocessing.Config{Workers: 2, MaxRestarts: 1, RestartPeriod: time.Hour, MaxKills: 100, Output: hush})
		if err != nil {
			t.Fatal(err)
		}
		var fs []*braid.Future[int]
		for range 4 {
			fs = append(fs, braid.Submit(context.Background(), p, misbehaveAgain, "kill 9"))
		}
		for range 4 {
			fs = append(fs, braid.Submit(context.Background(), p, square, 3))
		}
		if err := closeSoon(t, context.Background(), p); err != nil {
			t.Errorf("Close: %v", err)
		}
		for i, f := range fs {
			select {
			case <-f.Done():
			default:
				t.Errorf("call %d has no outcome when Close has returned", i)
			}
			if _, err := outcome(t, f); i < 4 && !errors.Is(err, multiprocessing.ErrBroken) && !strings.Contains(fmt.Sprint(err), "SIGKILL") {
				t.Errorf("call %d: %v", i, err)
			}
		}
	}
}

// TestProcessWithoutCall: a process whose call never reaches it ends all the same.
func TestProcessWithoutCall(t *testing.T) {
	proctest.Check(t)
	t.Run("cancelled before it begins", func(t *testing.T) {
		for range 10 {
			ctx, cancel := context.WithCancel(context.Background())
			p, err := multiprocessing.Start(ctx, misbehave, "wait")
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Join(deadline(t)); !engine.Interrupted(err) {
				t.Fatalf("Join: %v", err)
			}
		}
	})
	for at, how := range map[string]string{"submit": "error", "decode": "error"} {
		t.Run(at+" "+how, func(t *testing.T) {
			p, err := multiprocessing.Start(context.Background(), carry, cargo{at, how})
			if err != nil {
				t.Fatal(err)
			}
			err = p.Join(deadline(t))
			if c, ok := errors.AsType[*engine.CodecError](err); !ok || string(c.Phase) != at {
				t.Errorf("Join: %v", err)
			}
		})
	}
}
